"""Levels and candidates as the model of holds sees them."""

from collections.abc import Mapping

from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.limits import Limits, budgets_for, key_limits
from fluxrouter_server.domain.pricing import largest_output_within, worst_case_nano_usd
from fluxrouter_server.services.ports.holds import AdmitCommand

__all__ = ["caps_of", "choose", "counter_name", "least_need", "levels_of", "reason_of"]


def caps_of(limits: Limits) -> dict[str, int]:
    """Cap by level as the store names it; a level without one is left out."""
    caps = {"a": limits.month_cap_nano_usd}
    if limits.hourly_cap_nano_usd is not None:
        caps["H"] = limits.hourly_cap_nano_usd
    caps |= {f"b/{budget.name}": budget.cap_nano_usd for budget in limits.budgets}
    for name, key in limits.keys.items():
        if key.cap_nano_usd is not None:
            caps[f"k/{name}"] = key.cap_nano_usd
    return caps


def levels_of(command: AdmitCommand) -> tuple[str, ...]:
    """The levels that a request counts against."""
    budgets = [f"b/{budget.name}" for budget in budgets_for(command.limits, command.labels)]
    key = [f"k/{key_limits(command.limits, command.key_name).name}"] if command.key_name else []
    return ("a", "H", *budgets, *key)


def counter_name(kind: str, level: str, period: int, hour: int) -> str:
    """A counter's name in the store: kind is `s` settled or `h` held."""
    return f"{kind}:H{hour}" if level == "H" else f"{kind}:{period}:{level}"


def choose(command: AdmitCommand, least: int) -> tuple[Candidate, int, int] | None:
    """The candidate with output tokens and need that fits into the least room, if any does."""
    for offer in command.candidates:
        need = worst_case_nano_usd(offer)
        if need <= least:
            return offer, offer.output_tokens, need
    for offer in command.candidates:
        output = largest_output_within(offer, least)
        if command.limits.holds.min_output_tokens <= output < offer.output_tokens:
            return offer, output, worst_case_nano_usd(offer, output)
    return None


def least_need(command: AdmitCommand) -> int:
    """The smallest amount for which the request would be granted anything."""
    smallest = command.limits.holds.min_output_tokens
    return min(
        worst_case_nano_usd(offer, min(smallest, offer.output_tokens))
        for offer in command.candidates
    )


def reason_of(rooms: Mapping[str, int], need: int) -> Reason:
    """Why so much does not fit into these rooms."""
    failing = [level for level, room in rooms.items() if room < need]
    return Reason.HOURLY_CAP_REACHED if failing == ["H"] else Reason.CAP_REACHED
