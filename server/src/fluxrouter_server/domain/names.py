"""Names that people give to resources, and what they must look like."""

import re
from collections.abc import Iterator, Mapping, Sequence

from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.ids import AccountName

#: Namespace of an account whose name says none.
DEFAULT_NAMESPACE = "default"

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", re.ASCII)
_NAME_RULE = (
    "use 1 to 63 lower-case letters, digits, - and ., beginning and ending with a letter or digit"
)
# Of a wrong name an error repeats so much: enough to recognize, too little to flood a log.
_SHOWN_CHARACTERS = 64


def is_name(text: str) -> bool:
    """Whether a resource, budget, key or credential may have this name."""
    return _NAME.fullmatch(text) is not None


def validate_names(names: Mapping[str, str]) -> tuple[FieldViolation, ...]:
    """Say which of the names, given by the paths of their fields, cannot be names."""
    return tuple(
        FieldViolation(path, f"{shown(name)} is no name; {_NAME_RULE}")
        for path, name in names.items()
        if not is_name(name)
    )


def validate_unique(path: str, ids: Sequence[str], *, field: str) -> tuple[FieldViolation, ...]:
    """Say which ids of a list repeat an earlier one.

    `path` is the list's and `field` the id's name in its items: `spec.lanes` and `id` become
    `spec.lanes[3].id`. What turns a list into a mapping must ask this first.
    """
    return tuple(_repetitions(path, ids, field))


def parse_account_name(text: str) -> AccountName | None:
    """Return `namespace/name` of an account given as that or as `name`; None where it is neither.

    A bare name lies in the namespace `default`.
    """
    namespace, slash, name = text.partition("/")
    if not slash:
        namespace, name = DEFAULT_NAMESPACE, text
    if not is_name(namespace) or not is_name(name):
        return None
    return AccountName(f"{namespace}/{name}")


def shown(text: str) -> str:
    """Return a text from outside as an error may repeat it: quoted, short, plain ASCII."""
    return f"{text[:_SHOWN_CHARACTERS]!a}" + ("…" if len(text) > _SHOWN_CHARACTERS else "")


def _repetitions(path: str, ids: Sequence[str], field: str) -> Iterator[FieldViolation]:
    first: dict[str, int] = {}
    for index, name in enumerate(ids):
        if name in first:
            yield FieldViolation(
                f"{path}[{index}].{field}",
                f"{shown(name)} is also {path}[{first[name]}].{field}; give each its own",
            )
        else:
            first[name] = index
