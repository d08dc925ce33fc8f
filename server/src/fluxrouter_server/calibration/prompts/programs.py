"""Programs: what they print, writing them, and finding what is wrong with them."""

# A template is one line, however long.
# ruff: noqa: E501

from random import Random

from fluxrouter_server.calibration.prompts.grammar import Family, Level, fill

_PARAMETERS = ("items", "text", "values", "data", "nums", "word", "table", "s", "lst", "d")
_SIMPLE_LINES = (
    "    {p} = {p}[::-1]",
    "    count = len({p})",
    "    result = sorted({p})",
    "    {p} = {p}[{a}:]",
    "    total = {a} * len({p}) + {b}",
    "    first, last = {p}[0], {p}[-1]",
    "    result = {p} * {a}",
    "    {p} = {p}.replace('a', 'e')",
    "    parts = {p}.split('-')",
)
_LOOP_LINES = (
    "    for i in range(len({p})):\n        if i % {a} == 0:\n            result.append({p}[i])",
    "    while len({p}) > {a}:\n        {p}.pop()\n        result.insert(0, {p}[0])",
    "    for key, value in {p}.items():\n        if value not in seen:\n            seen[value] = key",
    "    for ch in {p}:\n        if ch.isdigit():\n            continue\n        out += ch.upper()",
    "    for i, x in enumerate({p}):\n        for y in {p}[i + 1:]:\n            if x > y:\n                swaps += {a}",
    "    while n > 0:\n        n, rest = divmod(n, {a})\n        digits.append(rest)",
    "    for i in range({a}, {b}):\n        {p}.append({p}[i - {a}] ^ i)",
    "    try:\n        index = {p}.index('{a}')\n    except ValueError:\n        index = -1",
    "    {p} = [x for x in {p} if {p}.count(x) == {a}]",
)
_RETURNS = (
    "    return {p}",
    "    return result",
    "    return ''.join(out)",
    "    return len(result), {p}",
)
_INPUTS = (
    "[{a}, {b}, {a}, 7, {b}]",
    "'abc-{a}-xyz'",
    "{{'k{a}': {b}, 'm': {a}}}",
    "'Hello, World {b}'",
    "[[{a}], [{b}, {a}], []]",
    "'', {a}",
)
_ASKS = (
    "What does this program print?\n\n{code}\n\nprint(f({call}))",
    "Work out the value that the call returns.\n\n```python\n{code}\n```\n\n>>> f({call})",
    "{code}\n\nI expected f({call}) to fail, but it does not. What does it return, and why?",
    "{code}\n\nWhat is the output of f({call})?",
    "Trace this function by hand for the argument {call}, line by line, and give the result.\n\n{code}",
)


def _trace(random: Random, lines: tuple[str, ...], count: int) -> str:
    numbers = {
        "a": random.randint(2, 5),
        "b": random.randint(6, 12),
        "p": random.choice(_PARAMETERS),
    }
    body = "\n".join(line.format(**numbers) for line in random.sample(lines, count))
    code = f"def f({numbers['p']}):\n{body}\n{random.choice(_RETURNS).format(**numbers)}"
    call = random.choice(_INPUTS).format(**numbers)
    return random.choice(_ASKS).format(code=code, call=call)


def _trace_simple(random: Random) -> str:
    return _trace(random, _SIMPLE_LINES, random.randint(1, 3))


def _trace_loops(random: Random) -> str:
    return _trace(random, _SIMPLE_LINES + _LOOP_LINES, random.randint(2, 4))


def _trace_hard(random: Random) -> str:
    return _trace(random, _LOOP_LINES, random.randint(4, 6))


def _debug(random: Random) -> str:
    code = _trace(random, _SIMPLE_LINES + _LOOP_LINES, random.randint(3, 5)).partition("def f")[2]
    template = random.choice(
        (
            "This function should return each <thing1> once, but it sometimes loses one. Find the bug and fix it.\n\n```python\ndef f{code}\n```",
            "My test fails with `IndexError: list index out of range` after about <n1> calls. What is the root cause, and what is the smallest safe fix?\n\ndef f{code}",
            "Refactor this so that it runs in linear time, and keep the behaviour for empty input:\n\ndef f{code}",
        )
    )
    return fill(template, random).replace("{code}", code)


_SMALL_TASKS = (
    "Write a <code_language1> function that reverses a string.",
    "Write a <code_language1> function that returns the <small1> largest numbers of a list.",
    "Write a SQL query that counts the <rows1> of each month of last year.",
    "How do I read a CSV file in <code_language1>?",
    "Write a regex that matches dates like 2026-03-<n1>.",
    "Convert this loop into a list comprehension: for x in items: if x > <small1>: out.append(x * <small2>)",
    "What is the difference between a list and a tuple in Python?",
    "Write a bash one-liner that deletes files older than <n1> days.",
    "Add type hints to: def total(prices, tax): return sum(prices) * (1 + tax)",
    "Write a unit test for a function that sorts <thing1> by price in <code_language1>.",
    "Explain what `git rebase` does in two sentences.",
)
_ALGORITHMS = (
    "Implement an LRU cache with O(1) get and put in <code_language1>, thread-safe, with tests.",
    "Write a <code_language1> program that finds the shortest path in a weighted grid of <n1> × <n2> cells with <small1> teleporters.",
    "Implement a parser for arithmetic expressions with precedence, unary minus and functions in <code_language1>. No libraries.",
    "Write a SQL query with window functions that finds, for each customer, the longest run of consecutive days with <rows1>, and explain its plan.",
    "Given an array of up to 10^5 integers, count the subarrays whose sum is divisible by <n1>. Give an O(n) algorithm in <code_language1> and prove it correct.",
    "Implement a rate limiter for <system1> that works across <small1> replicas without a central lock. Discuss the race conditions.",
    "Write a <code_language1> function that merges overlapping intervals from <small1> sorted streams without loading them into memory.",
    "Our <system1> in <code_language1> deadlocks about once a week under load. Here is what I know: two locks, three worker threads, a callback under a lock. List the possible causes and how to tell them apart.",
    "Optimise this query that takes <n1> seconds on <big1> million <rows1>: SELECT * FROM <rows1> r JOIN accounts a ON a.id = r.account_id WHERE date(r.created) = '2026-01-<small1>' ORDER BY r.total DESC LIMIT <n2>.",
    "Write an async <code_language1> client with retries, exponential backoff with jitter, a circuit breaker and cancellation.",
)

FAMILIES = (
    Family(
        "tracing a program",
        (
            Level((0.62, 0.94, 0.96), (_trace_simple,), 90),
            Level((0.42, 0.88, 0.94), (_trace_loops,), 120),
            Level((0.25, 0.76, 0.92), (_trace_hard,), 80),
        ),
    ),
    Family(
        "writing a program",
        (Level((0.82, 0.95, 0.96), _SMALL_TASKS, 90), Level((0.38, 0.78, 0.92), _ALGORITHMS, 90)),
    ),
    Family("mending a program", (Level((0.42, 0.80, 0.92), (_debug,), 70),)),
)
