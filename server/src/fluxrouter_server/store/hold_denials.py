"""Turns what a script refused into a `Denial`: the reason is the script's, the words are ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fluxrouter_server.domain.denials import Denial, FieldViolation, LevelFigures, Reason
from fluxrouter_server.domain.limits import ABSORBED_LEVEL
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.store.hold_calls import Answer
from fluxrouter_server.store.packed_limits import level_name

__all__ = ["read_denial"]

_FIGURES: Final = 7
"""Where a reason's own figures begin in a script's denial."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a script said, and the account's plan, which some reasons name."""

    reason: Reason
    detail: bytes
    wait_us: int | None
    figures: list[Any]
    plan: str


def read_denial(answer: Answer, plan: str) -> Denial:
    """Read `[DENIED, now, reason, detail, wait, …]`.

    Args:
        answer: What the script said; `lua/lib/account.lua` has its shape.
        plan: The account's plan, which some reasons name.
    """
    refusal = _Refusal(
        reason=Reason(answer[2].decode()),
        detail=answer[3],
        wait_us=answer[4] if answer[4] >= 0 else None,
        figures=answer[_FIGURES:],
        plan=plan,
    )
    return _READERS.get(refusal.reason, _plain)(refusal)


def _plain(refusal: _Refusal) -> Denial:
    return Denial(refusal.reason, _MESSAGES[refusal.reason], refusal.wait_us)


def _payment_method(refusal: _Refusal) -> Denial:
    message = f"The plan {refusal.plan} needs a payment method on file: add one to the account."
    return Denial(refusal.reason, message, facts={"plan": refusal.plan})


def _level(refusal: _Refusal) -> Denial:
    short, cap, settled, held, need, reset_us = refusal.figures[:6]
    figures = LevelFigures(level_name(short), cap, settled, held, need, reset_us)
    if figures.level == ABSORBED_LEVEL:
        return Denial(refusal.reason, _absorbed(figures, refusal.plan), level=figures)
    message = (
        f"The cap of {format_usd(cap)} USD of {figures.level} has "
        f"{format_usd(figures.remaining_nano_usd)} USD left and the request needs "
        f"{format_usd(need)} USD: wait for the reset, or have the cap raised."
    )
    if refusal.detail == b"OVERDUE":
        message += " Overdue holds are still being given back: try again in a moment."
    return Denial(refusal.reason, message, refusal.wait_us, level=figures)


def _absorbed(figures: LevelFigures, plan: str) -> str:
    return (
        f"{format_usd(figures.settled_nano_usd)} USD of cost above what could be billed have been "
        f"absorbed, and the plan {plan} stops at {format_usd(figures.cap_nano_usd)} USD: wait for "
        "the reset, or have absorbedStopUsd raised."
    )


def _in_flight(refusal: _Refusal) -> Denial:
    limit = refusal.figures[0]
    message = f"{limit} requests hold money already, which is the limit: end some of them first."
    return Denial(refusal.reason, message, refusal.wait_us, facts={"limit": limit})


def _invalid(refusal: _Refusal) -> Denial:
    limit = refusal.figures[0]
    if refusal.detail == b"TOKEN_BURST":
        wrong = (
            f"input and output together are more than the {limit} tokens that the account's rate "
            "ever lets through at once; ask for less"
        )
    else:
        wrong = f"more tokens than can be priced; use at most {limit} for each choice"
    violation = FieldViolation("max_output_tokens", wrong)
    return Denial(refusal.reason, f"max_output_tokens: {wrong}.", violations=(violation,))


def _superseded(refusal: _Refusal) -> Denial:
    facts = {"attempt": refusal.figures[0]} if refusal.figures else {}
    return Denial(refusal.reason, _SUPERSEDED[refusal.detail].format(**facts), facts=facts)


_READERS: Final[Mapping[Reason, Callable[[_Refusal], Denial]]] = {
    Reason.CAP_REACHED: _level,
    Reason.HOURLY_CAP_REACHED: _level,
    Reason.TOO_MANY_IN_FLIGHT: _in_flight,
    Reason.INVALID_REQUEST: _invalid,
    Reason.ATTEMPT_SUPERSEDED: _superseded,
    Reason.PAYMENT_METHOD_REQUIRED: _payment_method,
}

_MESSAGES: Final[Mapping[Reason, str]] = {
    Reason.API_KEY_INVALID: "The API key is revoked or has expired: use another one.",
    Reason.RESOURCE_NOT_FOUND: "The account is deleted: apply it again to revive it.",
    Reason.ACCOUNT_SUSPENDED: "The account is suspended: whoever runs it can lift that.",
    Reason.RATE_LIMITED: "Too many requests a second: wait, then send it again.",
    Reason.TOKEN_RATE_LIMITED: "Too many tokens a minute: wait, then send it again.",
    Reason.REQUEST_ID_REUSED: (
        "The request id was used for another request: give each request an id of its own."
    ),
    Reason.HOLD_NOT_FOUND: "No hold has that id: give the one that Route answered.",
    Reason.HOLD_TOO_OLD: (
        "The hold ended longer ago than is remembered: nothing is charged or given back any more."
    ),
    Reason.HOLD_NOT_YOURS: (
        "Only who made the hold, or a credential with the scope meter, may end or extend it."
    ),
    Reason.HOLD_ENDED: "The hold has ended and can no longer be extended: settle what was used.",
}

_SUPERSEDED: Final[Mapping[bytes, str]] = {
    b"OLDER": "Attempt {attempt} of this request is known already: use a higher one.",
    b"LIVE": "Attempt {attempt} of this request still holds money: settle or release it first.",
    b"RELEASED": "This attempt was released before it came: use a higher attempt.",
    b"GIVEN_UP": "This call was given up before it came: send the request again.",
    b"TOO_MANY": "{attempt} attempts of this request have ended already: use another request id.",
}
