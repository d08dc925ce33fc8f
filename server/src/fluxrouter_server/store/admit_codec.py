"""What `admit` and `check` are told and answer; `lua/lib/admission.lua` has the same list."""

from dataclasses import replace

from fluxrouter_server.domain.hold_ids import format_hold_id
from fluxrouter_server.domain.holds import Hold, HoldState
from fluxrouter_server.services.ports.holds import AdmitCommand, Fit
from fluxrouter_server.store.hold_calls import Answer
from fluxrouter_server.store.hold_denials import read_denial
from fluxrouter_server.store.hold_records import HoldKey, pack_offer
from fluxrouter_server.store.keys import key_field
from fluxrouter_server.store.packed_limits import LimitsPacker
from fluxrouter_server.store.replies import Argument

__all__ = ["admit_arguments", "read_admitted", "read_fit"]


def admit_arguments(
    command: AdmitCommand, key: HoldKey, packer: LimitsPacker, most_backlog_entries: int
) -> tuple[Argument, ...]:
    """Write a command as the arguments from the ninth on; `key` is where its hold shall lie."""
    limits = command.limits
    packed = packer.pack(limits)
    key_name = command.key_name
    period = command.proposed_period
    levels, origin = packed.request(command.labels, key_name, command.model_asked)
    return (
        most_backlog_entries,
        "" if command.deadline_us is None else command.deadline_us,
        packed.gate,
        packed.terms,
        levels,
        "" if command.key_hash is None else key_field(command.key_hash),
        key.request_key,
        command.attempt,
        command.digest,
        command.call,
        command.request_id,
        command.principal,
        command.tier or "",
        origin,
        command.would_deny,
        period.start_us,
        period.end_us,
        *map(pack_offer, command.candidates),
    )


def read_admitted(answer: Answer, command: AdmitCommand, key: HoldKey) -> Hold:
    """Read a new hold: what the script chose, of what the command offered under this key."""
    (
        _, now_us, index, output_tokens, held, headroom, expire_us, period_end_us, epoch,
        would_deny, *_,
    ) = answer  # fmt: skip
    candidate = command.candidates[index - 1]
    priced = candidate.priced
    return Hold(
        id=format_hold_id(key.ref(epoch, now_us, command.attempt)),
        request_id=command.request_id,
        attempt=command.attempt,
        state=HoldState.ACTIVE,
        model=priced.model,
        lane=priced.lane,
        upstream=priced.upstream,
        upstream_model=priced.upstream_model,
        tier=command.tier,
        rates=priced.rates,
        input_tokens=candidate.input_tokens,
        granted_output_tokens=output_tokens,
        wished_output_tokens=candidate.output_tokens,
        held_nano_usd=held,
        headroom_nano_usd=headroom,
        expire_us=expire_us,
        period_end_us=period_end_us,
        would_deny=would_deny.decode(),
    )


def read_fit(answer: Answer, command: AdmitCommand) -> Fit:
    """Read what admission would do."""
    if answer[0] == b"FITS":
        _, _, index, output_tokens, need, headroom = answer
        candidate = replace(command.candidates[index - 1], output_tokens=output_tokens)
        return Fit(candidate, need, headroom, None)
    denial = read_denial(answer, command.limits.plan)
    need = denial.level.need_nano_usd if denial.level else 0
    return Fit(None, need, answer[-1], denial)
