"""`fluxrouter route`, `settle`, `release` and `check`: one decision by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fluxrouter.v1 import cap_pb2, metering_pb2, router_pb2
from fluxrouter_server.cli.exits import Exit
from fluxrouter_server.cli.output import instant, output_option, print_facts, print_json, usd
from fluxrouter_server.cli.session import Session

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


def _request_options(command: Command) -> Command:
    """Adds the options that describe a request, shared by `route` and `check`."""
    options = (
        click.option("--model", default="flux-auto", show_default=True, help="Model or alias."),
        click.option("--prompt", default="", help="Text to classify, and to count."),
        click.option("--input-tokens", type=int, help="Input tokens, where you counted them."),
        click.option("--max-output-tokens", type=int, help="Most output tokens of one choice."),
        click.option("--choices", type=int, default=1, show_default=True, help="Answers wanted."),
        click.option("--tier", default="", help="fast, standard or reasoning."),
        click.option("--protocol", default="", help="chat-completions, responses, messages, …"),
        click.option("--needs", multiple=True, help="tools, vision or json; repeatable."),
        click.option("--label", "labels", multiple=True, help="NAME=VALUE; repeatable."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--label")
        labels[name] = value
    return labels


def _request(account: str, options: dict[str, Any]) -> router_pb2.RouteRequest:
    """Builds the request from the account and the shared options."""
    return router_pb2.RouteRequest(
        account=account,
        model=options["model"],
        text=options["prompt"],
        input_tokens=options["input_tokens"],
        max_output_tokens=options["max_output_tokens"],
        choices=options["choices"],
        tier=options["tier"],
        protocol=options["protocol"],
        capabilities=options["needs"],
        labels=_labels(options["labels"]),
    )


@click.command()
@click.argument("account", required=False)
@_request_options
@click.option(
    "--explain",
    is_flag=True,
    help="Say which tier the prompt would get and why, without ACCOUNT and without a server.",
)
@click.option(
    "--tier-model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --explain, a calibrated model's file; default: the model that comes with it.",
)
@click.option("--request-id", default="", help="Your id of the request, to be able to retry it.")
@click.option("--attempt", type=int, default=1, show_default=True, help="Counts the tries.")
@output_option()
@click.pass_obj
def route(
    session: Session,
    /,
    *,
    account: str | None,
    explain: bool,
    tier_model: Path | None,
    request_id: str,
    attempt: int,
    output: str,
    **options: Any,  # noqa: ANN401 - the shared options, of several types
) -> None:
    """Choose a model for a request of ACCOUNT and hold its worst-case cost."""
    if explain:
        # Here, so that a request to a server does not wait for the model's modules.
        from fluxrouter_server.cli.explanation import print_explanation  # noqa: PLC0415

        print_explanation(options["prompt"], model_file=tier_model, output=output)
        return
    if account is None:
        raise click.UsageError("Missing argument 'ACCOUNT': only --explain can do without it.")
    if tier_model is not None:
        raise click.UsageError("--tier-model explains, and routes nothing: add --explain.")
    request = _request(account, options)
    request.request_id, request.attempt = request_id, attempt
    answer = session.call(session.router.Route, request)
    if output == "json":
        print_json(answer)
    else:
        _print_route(answer)


def _print_route(answer: router_pb2.RouteResponse) -> None:
    shrunk = " (shrunk to fit)" if answer.shrunk else ""
    print_facts(
        [
            ("hold", answer.hold_id),
            ("request", f"{answer.request_id}, attempt {answer.attempt}"),
            ("replayed", "yes: do not call the upstream again" if answer.replayed else ""),
            ("model", f"{answer.model} ({answer.lane}, upstream {answer.upstream})"),
            ("tier", answer.tier),
            ("because", "; ".join(answer.reasons)),
            ("input tokens", str(answer.input_tokens)),
            ("output tokens", f"{answer.granted_max_output_tokens}{shrunk}"),
            ("held", usd(answer.held_nano_usd)),
            ("headroom", usd(answer.headroom_nano_usd)),
            ("expires", instant(answer.expire_time)),
            ("period ends", instant(answer.period_end_time)),
            ("would deny", answer.would_deny_reason),
        ]
    )


@click.command()
@click.argument("account")
@_request_options
@output_option()
@click.pass_obj
def check(session: Session, /, *, account: str, output: str, **options: Any) -> None:  # noqa: ANN401 - as above
    """Tell whether a request of ACCOUNT would fit, without holding anything. Exits 3 if not."""
    request = cap_pb2.CheckCapRequest(request=_request(account, options))
    answer = session.call(session.caps.CheckCap, request)
    if output == "json":
        print_json(answer)
    else:
        print_facts(
            [
                ("fits", "yes" if answer.fits else f"no: {answer.reason}"),
                ("because", answer.message),
                ("model", answer.model),
                ("output tokens", str(answer.granted_max_output_tokens or "")),
                ("need", usd(answer.need_nano_usd)),
                ("headroom", usd(answer.headroom_nano_usd)),
                ("retry", instant(answer.retry_time)),
            ]
        )
    if not answer.fits:
        raise SystemExit(Exit.DENIED)


def _print_receipt(receipt: metering_pb2.Receipt) -> None:
    state = router_pb2.HoldState.Name(receipt.state).removeprefix("HOLD_STATE_").lower()
    print_facts(
        [
            ("hold", receipt.hold_id),
            ("request", f"{receipt.request_id}, attempt {receipt.attempt}"),
            ("state", state + (" (replayed)" if receipt.replayed else "")),
            ("model", f"{receipt.model} ({receipt.lane})" if receipt.model else ""),
            ("cost", usd(receipt.cost_nano_usd)),
            ("billed", usd(receipt.billed_nano_usd)),
            ("  included", usd(receipt.included_nano_usd)),
            ("  metered", usd(receipt.metered_nano_usd)),
            ("absorbed", usd(receipt.absorbed_nano_usd)),
            ("headroom", usd(receipt.headroom_nano_usd)),
        ]
    )


@click.command()
@click.argument("hold_id")
@click.option("--input-tokens", type=int, default=0, help="Fresh input tokens.")
@click.option("--cached-input-tokens", type=int, default=0, help="Input read from a cache.")
@click.option("--cache-write-tokens", type=int, default=0, help="Input written to a cache.")
@click.option("--output-tokens", type=int, default=0, help="Output, reasoning included.")
@click.option("--reasoning-tokens", type=int, default=0, help="Of the output, reasoning.")
@output_option()
@click.pass_obj
def settle(session: Session, /, *, hold_id: str, output: str, **usage: int) -> None:
    """Charge the hold HOLD_ID with what was really used."""
    request = metering_pb2.SettleRequest(hold_id=hold_id, usage=metering_pb2.Usage(**usage))
    answer = session.call(session.metering.Settle, request)
    if output == "json":
        print_json(answer)
    else:
        _print_receipt(answer.receipt)


@click.command()
@click.argument("hold_id", default="")
@click.option("--account", default="", help="With --request-id, where no hold id came back.")
@click.option("--request-id", default="", help="The id of the request.")
@click.option("--attempt", type=int, default=1, show_default=True, help="The attempt.")
@output_option()
@click.pass_obj
def release(
    session: Session, /, *, hold_id: str, account: str, request_id: str, attempt: int, output: str
) -> None:
    """Give the hold HOLD_ID back, or that of a request whose answer never came."""
    request = metering_pb2.ReleaseRequest(
        hold_id=hold_id,
        account=account,
        request_id=request_id,
        attempt=attempt if request_id else 0,
    )
    answer = session.call(session.metering.Release, request)
    if output == "json":
        print_json(answer)
    else:
        _print_receipt(answer.receipt)
