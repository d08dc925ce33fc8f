"""Does the same for many, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


async def each_bounded(
    items: Sequence[A], do: Callable[[A], Awaitable[R]], *, at_once: int
) -> list[R]:
    """Return what `do` returns for each item, in order, with at most `at_once` running.

    The first error ends the others and is raised as it is.
    """
    results: dict[int, R] = {}
    todo = iter(enumerate(items))

    async def work() -> None:
        for index, item in todo:
            results[index] = await do(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(work())
    except* Exception as errors:  # noqa: BLE001 - it is raised again, out of its group
        failed = errors.exceptions[0]
    else:
        return [results[index] for index in range(len(items))]
    raise failed
