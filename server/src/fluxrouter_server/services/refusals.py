"""Refusals that several use cases make."""

from collections.abc import Iterable

from fluxrouter_server.domain.denials import Denial, FieldViolation, Reason


def invalid(violations: Iterable[FieldViolation]) -> Denial | None:
    """Return the denial of a request with these wrong fields; None where there are none."""
    wrong = tuple(violations)
    if not wrong:
        return None
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    first = wrong[0]
    return Denial(
        Reason.INVALID_REQUEST, f"{first.field}: {first.description}{more}", violations=wrong
    )


def invalid_field(field: str, description: str) -> Denial:
    """Return the denial of a request with one wrong field."""
    return Denial(
        Reason.INVALID_REQUEST,
        f"{field}: {description}",
        violations=(FieldViolation(field, description),),
    )


def not_found(message: str) -> Denial:
    """Return the denial of a request that names a resource which is not there."""
    return Denial(Reason.RESOURCE_NOT_FOUND, message)
