"""The rules of money, plans and periods: no I/O, no clock, no wire types, so they can be proved."""
