"""Applies many resources at once although the server takes all of them or none.

Those that it refuses are named in its answer; they are set aside, and the others go again. Where it
names none, halves are tried until the culprits stand alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fluxrouter.v1 import control_pb2
from fluxrouter_operator.clients.errors import ServerRefused
from fluxrouter_operator.clients.server import Server

__all__ = ["Applied", "Outcome", "Refused", "apply_all"]

# What one call carries, at most: the server's own bound, and well below gRPC's of 4 MiB.
_MAX_RESOURCES: Final = 1000
_MAX_BYTES: Final = 2 * 2**20
_FIELD = re.compile(r"^resources\[(\d+)\](?:\.[a-z]+)?\.?(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Applied:
    """The server has it; `generation` and `uid` are its own."""

    generation: int
    uid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not want it; the message says why."""

    message: str


Outcome = Applied | Refused


async def apply_all(server: Server, resources: Sequence[control_pb2.Resource]) -> list[Outcome]:
    """Applies resources and returns what became of each, in order.

    Raises:
        ServerUnreachable: some may have been applied.
    """
    outcomes: dict[int, Outcome] = {}
    for batch in _batches(resources):
        await _apply(server, batch, outcomes)
    return [outcomes[index] for index in range(len(resources))]


async def _apply(
    server: Server,
    batch: Mapping[int, control_pb2.Resource],
    outcomes: dict[int, Outcome],
) -> None:
    """Applies a batch, given by the positions of its resources."""
    rest = dict(batch)
    while rest:
        positions = list(rest)
        try:
            results = await server.apply(list(rest.values()))
        except ServerRefused as refusal:
            if len(rest) == 1:
                outcomes[positions[0]] = Refused(_sole_message(refusal))
                return
            named = _by_index(refusal.fields)
            if not named:
                await _apply_halves(server, rest, outcomes)
                return
            for index, message in named.items():
                outcomes[positions[index]] = Refused(message)
                del rest[positions[index]]
        else:
            for position, result in zip(positions, results, strict=True):
                outcomes[position] = Applied(result.generation, result.uid)
            return


async def _apply_halves(
    server: Server, batch: Mapping[int, control_pb2.Resource], outcomes: dict[int, Outcome]
) -> None:
    items = list(batch.items())
    middle = len(items) // 2
    await _apply(server, dict(items[:middle]), outcomes)
    await _apply(server, dict(items[middle:]), outcomes)


def _batches(
    resources: Sequence[control_pb2.Resource],
) -> Iterator[dict[int, control_pb2.Resource]]:
    batch: dict[int, control_pb2.Resource] = {}
    size = 0
    for index, resource in enumerate(resources):
        added = resource.ByteSize()
        if batch and (len(batch) == _MAX_RESOURCES or size + added > _MAX_BYTES):
            yield batch
            batch, size = {}, 0
        batch[index] = resource
        size += added
    if batch:
        yield batch


def _by_index(fields: Mapping[str, str]) -> dict[int, str]:
    """Joins the complaints about each resource of a batch."""
    found: dict[int, list[str]] = {}
    for path, description in fields.items():
        match = _FIELD.match(path)
        if match is not None:
            text = f"{match[2]}: {description}" if match[2] else description
            found.setdefault(int(match[1]), []).append(text)
    return {index: "; ".join(texts) for index, texts in found.items()}


def _sole_message(refusal: ServerRefused) -> str:
    named = _by_index(refusal.fields)
    return next(iter(named.values()), refusal.message)
