"""`fluxrouter apply`, `get` and `delete`: resources as with kubectl."""

from collections.abc import Callable, Sequence

import click
import yaml

from fluxrouter.plain_json import to_json
from fluxrouter.v1 import account_pb2, catalog_pb2, control_pb2, plan_pb2
from fluxrouter_server.cli.output import instant, output_option, print_json, print_table
from fluxrouter_server.cli.resource_files import ResourceFileError, read_resources
from fluxrouter_server.cli.session import Session

_KINDS = {
    "plan": control_pb2.RESOURCE_KIND_PLAN,
    "plans": control_pb2.RESOURCE_KIND_PLAN,
    "account": control_pb2.RESOURCE_KIND_ACCOUNT,
    "accounts": control_pb2.RESOURCE_KIND_ACCOUNT,
    "catalog": control_pb2.RESOURCE_KIND_CATALOG,
    "catalogs": control_pb2.RESOURCE_KIND_CATALOG,
}
_KIND_NAMES = {
    control_pb2.RESOURCE_KIND_PLAN: "plan",
    control_pb2.RESOURCE_KIND_ACCOUNT: "account",
    control_pb2.RESOURCE_KIND_CATALOG: "catalog",
}
_PAGE = 500  # large enough for few round trips, far below the message size limit
kind_argument = click.argument("kind", type=click.Choice(sorted(_KINDS)), metavar="KIND")


@click.command()
@click.option(
    "-f",
    "--filename",
    "paths",
    multiple=True,
    required=True,
    help="File, folder or - for standard input; may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@output_option()
@click.pass_obj
def apply(session: Session, /, *, paths: Sequence[str], dry_run: bool, output: str) -> None:
    """Create or replace plans, accounts and the catalog from YAML.

    Everything is checked first: if one resource is wrong, nothing is changed.
    """
    try:
        resources = read_resources(paths)
    except ResourceFileError as error:
        raise click.ClickException(str(error)) from error
    request = control_pb2.ApplyRequest(resources=resources, validate_only=dry_run)
    response = session.call(session.control.Apply, request)
    if output == "json":
        print_json(response)
        return
    suffix = " (dry run)" if dry_run else ""
    for result in response.results:
        action = control_pb2.ApplyAction.Name(result.action).removeprefix("APPLY_ACTION_").lower()
        click.echo(f"{_KIND_NAMES[result.kind]}/{result.name} {action}{suffix}")


@click.command()
@kind_argument
@click.argument("names", nargs=-1)
@click.option("-n", "--namespace", default="", help="Accounts of this namespace only.")
@output_option(
    *("table", "json", "yaml"), meaning="yaml prints what `apply -f` and `kubectl apply -f` take."
)
@click.pass_obj
def get(
    session: Session, /, *, kind: str, names: Sequence[str], namespace: str, output: str
) -> None:
    """Show resources: all of KIND (plans, accounts, catalog), or those with the given NAMES."""
    resources = _read(session, _KINDS[kind], names, namespace)
    if output == "json":
        print_json(control_pb2.ListResponse(resources=resources))
    elif output == "yaml":
        _print_yaml(resources)
    else:
        _TABLES[_KINDS[kind]](resources)


@click.command()
@kind_argument
@click.argument("names", nargs=-1, required=True)
@click.option("--ignore-missing", is_flag=True, help="Missing resources are no error.")
@click.pass_obj
def delete(session: Session, /, *, kind: str, names: Sequence[str], ignore_missing: bool) -> None:
    """Delete resources. An account's admission ends at once; its open holds run out."""
    request = control_pb2.DeleteRequest(
        kind=_KINDS[kind], names=names, ignore_missing=ignore_missing
    )
    for name in session.call(session.control.Delete, request).deleted:
        click.echo(f"{_KIND_NAMES[_KINDS[kind]]}/{name} deleted")


def _read(
    session: Session, kind: control_pb2.ResourceKind.ValueType, names: Sequence[str], namespace: str
) -> list[control_pb2.Resource]:
    """Returns the named resources, or all pages of a listing."""
    if names:
        request = control_pb2.GetRequest(kind=kind, names=names)
        return list(session.call(session.control.Get, request).resources)
    resources: list[control_pb2.Resource] = []
    token = ""
    while True:
        page = session.call(
            session.control.List,
            control_pb2.ListRequest(
                kind=kind, namespace=namespace, page_size=_PAGE, page_token=token
            ),
        )
        resources.extend(page.resources)
        token = page.next_page_token
        if not token:
            return resources


def _print_yaml(resources: Sequence[control_pb2.Resource]) -> None:
    documents = []
    for resource in resources:
        name = resource.WhichOneof("resource")
        if name is not None:
            document = to_json(getattr(resource, name))
            document.pop("status", None)
            documents.append(document)
    click.echo(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), nl=False)


def _plan_row(plan: plan_pb2.Plan) -> Sequence[str]:
    spec = plan.spec
    return (
        plan.metadata.name,
        f"${spec.fee_usd}",
        f"${spec.included_credit_usd}",
        f"${spec.cap_usd or spec.ceiling_usd}",
        spec.overage,
        str(spec.rate_limits.requests_per_second or "unlimited"),
        spec.enforcement,
    )


def _print_plans(resources: Sequence[control_pb2.Resource]) -> None:
    print_table(
        ("NAME", "FEE", "CREDIT", "CAP", "OVERAGE", "RPS", "ENFORCEMENT"),
        [_plan_row(resource.plan) for resource in resources],
    )


def _account_row(account: account_pb2.Account) -> Sequence[str]:
    spec = account.spec
    return (
        f"{account.metadata.namespace}/{account.metadata.name}",
        spec.plan,
        spec.payment_method,
        "suspended" if spec.suspended else "active",
        f"day {spec.billing.anchor_day}, {spec.billing.time_zone}",
        str(len(spec.budgets)),
        str(len(spec.api_keys)),
    )


def _print_accounts(resources: Sequence[control_pb2.Resource]) -> None:
    print_table(
        ("NAME", "PLAN", "PAYMENT", "STATE", "PERIOD BEGINS", "BUDGETS", "KEYS"),
        [_account_row(resource.account) for resource in resources],
    )


def _catalog_row(catalog: catalog_pb2.Catalog) -> Sequence[str]:
    spec = catalog.spec
    return (
        catalog.metadata.name,
        str(len(spec.lanes)),
        str(len(spec.models)),
        str(len(spec.aliases)),
        str(catalog.status.generation),
        instant(catalog.status.update_time),
    )


def _print_catalog(resources: Sequence[control_pb2.Resource]) -> None:
    print_table(
        ("NAME", "LANES", "MODELS", "ALIASES", "GENERATION", "CHANGED"),
        [_catalog_row(resource.catalog) for resource in resources],
    )


_TABLES: dict[
    control_pb2.ResourceKind.ValueType, Callable[[Sequence[control_pb2.Resource]], None]
] = {
    control_pb2.RESOURCE_KIND_PLAN: _print_plans,
    control_pb2.RESOURCE_KIND_ACCOUNT: _print_accounts,
    control_pb2.RESOURCE_KIND_CATALOG: _print_catalog,
}
