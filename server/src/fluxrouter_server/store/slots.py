"""Which node of a Cluster has which shard: hash slots of keys, and a node's answer about them.

All keys of a shard carry its hash tag, so they lie in one slot, and a shard is always whole.
"""

from binascii import crc_hqx
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.keys import SHARDS
from fluxrouter_server.store.replies import Argument, ErrorReply, Reply

__all__ = ["SLOTS", "read_redirection", "read_slots", "shard_named", "slot_of"]

SLOTS: Final = 16_384
"""Of every Cluster."""

_TAG_START, _TAG_END = 4, 6  # of `fx:{hh}:…`
_KEY_START: Final = "fx:{"

_SLOT_OF: Final = tuple(crc_hqx(f"{shard:02x}".encode(), 0) % SLOTS for shard in range(SHARDS))
"""The slot of each shard: CRC-16/XMODEM of the hash tag."""

_SHARD_OF_TAG: Final[Mapping[str, int]] = {f"{shard:02x}": shard for shard in range(SHARDS)}


def slot_of(shard: int) -> int:
    """The slot of all keys of a shard."""
    return _SLOT_OF[shard]


def shard_named(words: Sequence[Argument]) -> int | None:
    """The shard of the first key among a command's words; None where none is a key of ours."""
    for word in words:
        text = word[:_TAG_END].decode("latin-1") if isinstance(word, bytes) else word
        if isinstance(text, str) and text.startswith(_KEY_START):
            return _SHARD_OF_TAG.get(text[_TAG_START:_TAG_END])
    return None


def read_slots(reply: Reply, asked: StoreAddress) -> dict[int, StoreAddress]:
    """Reads the answer of `CLUSTER SLOTS`.

    Args:
        reply: The answer.
        asked: Who gave it: a node leaves its own host out where it does not know it, and the others
            are logged in to in the same way.

    Returns:
        The primary of each shard, without those that no node serves.
    """
    primaries: dict[int, StoreAddress] = {}
    ranges = []
    for item in reply if isinstance(reply, list) else []:
        match item:
            case [int(first), int(last), [host, int(port), *_], *_]:
                name = host.decode() if isinstance(host, bytes) and host else asked.host
                ranges.append((first, last, replace(asked, host=name, port=port, path="")))
            case _:
                pass  # a range that nobody serves
    for shard, slot in enumerate(_SLOT_OF):
        for first, last, address in ranges:
            if first <= slot <= last:
                primaries[shard] = address
    return primaries


def read_redirection(error: Exception, asked: StoreAddress) -> StoreAddress | None:
    """Where a `MOVED` or `ASK` leads; None where the error is neither, or does not tell."""
    words = error.text.split(" ") if isinstance(error, ErrorReply) else [""]
    if words[0] not in ("MOVED", "ASK") or len(words) < 3:  # noqa: PLR2004 - code, slot, address
        return None
    host, _, port = words[2].rpartition(":")
    if not port.isdecimal():
        return None
    return replace(asked, host=host.strip("[]") or asked.host, port=int(port), path="")
