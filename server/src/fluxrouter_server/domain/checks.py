"""Checks that the rules of plans, accounts and the catalog share; each yields what is wrong."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Sized

from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.money import MAX_NANO_USD, format_usd
from fluxrouter_server.domain.names import shown

#: Bounds of the labels of requests and of what budgets match.
MAX_LABELS = 16
MAX_LABEL_NAME_CHARACTERS = 63
MAX_LABEL_VALUE_CHARACTERS = 128
# Kubernetes' own bound for what an object carries without being read.
_MAX_METADATA_BYTES = 256 * 1024
# Of many known ids an error lists so many.
_SHOWN_IDS = 12


def in_range(
    path: str, value: int | None, *, low: int, high: int, remedy: str = ""
) -> tuple[FieldViolation, ...]:
    """Check a number's bounds, both included; None is not checked."""
    if value is None or low <= value <= high:
        return ()
    return (FieldViolation(path, f"{value} is out of bounds; use {remedy or f'{low} to {high}'}"),)


def is_amount(path: str, nano_usd: int | None) -> Iterator[FieldViolation]:
    """Check that an amount is one that all arithmetic stays exact for; None is not checked."""
    if nano_usd is not None and not 0 <= nano_usd <= MAX_NANO_USD:
        yield FieldViolation(
            path,
            f"{format_usd(nano_usd)} is out of bounds; use 0 to {format_usd(MAX_NANO_USD)} USD",
        )


def at_most(path: str, items: Sized, *, count: int) -> Iterator[FieldViolation]:
    """Check the size of a list."""
    if len(items) > count:
        yield FieldViolation(path, f"{len(items)} entries are too many; use at most {count}")


def is_short(path: str, text: str, *, characters: int) -> Iterator[FieldViolation]:
    """Check the length of a text for people."""
    if len(text) > characters:
        yield FieldViolation(path, f"{len(text)} characters are too many; use at most {characters}")


def are_known(
    path: str, ids: Collection[str], *, known: Collection[str], what: str
) -> Iterator[FieldViolation]:
    """Check that ids refer to something that the catalog has."""
    for unknown in sorted(set(ids).difference(known)):
        yield FieldViolation(
            path, f"unknown {what} {shown(unknown)}; the catalog has {listed(sorted(known))}"
        )


def are_labels(path: str, labels: Mapping[str, str]) -> Iterator[FieldViolation]:
    """Check labels that select budgets: their number, and names and values that can be shown."""
    yield from at_most(path, labels, count=MAX_LABELS)
    for name, value in labels.items():
        if not 1 <= len(name) <= MAX_LABEL_NAME_CHARACTERS or not name.isprintable():
            yield FieldViolation(
                path,
                f"{shown(name)} is no label; "
                f"use 1 to {MAX_LABEL_NAME_CHARACTERS} printable characters",
            )
        if len(value) > MAX_LABEL_VALUE_CHARACTERS or not value.isprintable():
            yield FieldViolation(
                f"{path}[{shown(name)}]",
                f"{shown(value)} is no value of a label; "
                f"use at most {MAX_LABEL_VALUE_CHARACTERS} printable characters",
            )


def is_metadata(
    labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Iterator[FieldViolation]:
    """Check that what is kept without being read stays small."""
    for path, texts in (("metadata.labels", labels), ("metadata.annotations", annotations)):
        size = sum(
            len(text.encode("utf-8", "surrogatepass")) for kv in texts.items() for text in kv
        )
        if size > _MAX_METADATA_BYTES:
            yield FieldViolation(
                path, f"{size} bytes are too many; use at most {_MAX_METADATA_BYTES}"
            )


def listed(ids: Sequence[str]) -> str:
    """Return ids as a sentence lists them: the first dozen."""
    if not ids:
        return "none"
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(ids[:_SHOWN_IDS]) + more
