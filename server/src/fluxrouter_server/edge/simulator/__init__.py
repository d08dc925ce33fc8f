"""A stand-in for providers, ours and saying so: answers where none is configured, and in tests.

It invents no language: it says what it is, repeats what it was asked, and counts four characters as
a token. What it does wrong it does on request, so that each failure can be seen without a provider.
"""
