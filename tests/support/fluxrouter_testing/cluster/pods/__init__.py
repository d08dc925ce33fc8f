"""Programs that run in pods of the cluster under test, on nothing but what our image has.

They get an order, one line of JSON, on standard input, and print JSON; see `callers.py`.
"""
