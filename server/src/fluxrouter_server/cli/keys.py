"""`fluxrouter keys` and `fluxrouter credentials`: secrets, shown once."""

from collections.abc import Sequence

import click

from fluxrouter.v1 import control_pb2
from fluxrouter_server.cli.output import (
    instant,
    output_option,
    print_facts,
    print_json,
    print_table,
)
from fluxrouter_server.cli.session import Session

_SHOWN_ONCE = "Keep the secret now: it is not stored and can't be shown again."


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the API keys of an account."""


def _state(key: control_pb2.ApiKey) -> str:
    return control_pb2.ApiKeyState.Name(key.state).removeprefix("API_KEY_STATE_").lower()


def _print_new_key(key: control_pb2.ApiKey, secret: str) -> None:
    print_facts(
        [
            ("account", key.account),
            ("name", key.name),
            ("expires", instant(key.expire_time)),
            ("secret", secret),
        ]
    )
    if secret:
        click.echo(_SHOWN_ONCE, err=True)


@keys.command("create")
@click.argument("account")
@click.argument("name")
@click.option(
    "--hash",
    "key_hash",
    default="",
    help="SHA-256 in hexadecimal of a key that the account already had: restore it.",
)
@output_option()
@click.pass_obj
def create_key(session: Session, /, *, account: str, name: str, key_hash: str, output: str) -> None:
    """Make a key NAME for ACCOUNT. Its limits are those of `spec.apiKeys` with that name."""
    response = session.call(
        session.control.CreateKey,
        control_pb2.CreateKeyRequest(account=account, name=name, key_hash=key_hash),
    )
    if output == "json":
        print_json(response)
    else:
        _print_new_key(response.key, response.secret)


@keys.command("list")
@click.argument("account")
@output_option()
@click.pass_obj
def list_keys(session: Session, /, *, account: str, output: str) -> None:
    """List the keys of ACCOUNT, without their secrets."""
    response = session.call(session.control.ListKeys, control_pb2.ListKeysRequest(account=account))
    if output == "json":
        print_json(response)
        return
    print_table(
        ("NAME", "STATE", "CREATED", "EXPIRES", "SHA-256"),
        [
            (
                key.name,
                _state(key),
                instant(key.create_time),
                instant(key.expire_time) or "never",
                key.key_hash[:12],
            )
            for key in response.keys
        ],
    )


@keys.command("rotate")
@click.argument("account")
@click.argument("name")
@click.option(
    "--grace",
    "grace_seconds",
    type=click.IntRange(min=0),
    default=3600,
    show_default=True,
    help="Seconds for which the old secret still works.",
)
@output_option()
@click.pass_obj
def rotate_key(
    session: Session, /, *, account: str, name: str, grace_seconds: int, output: str
) -> None:
    """Make a new secret for the key NAME of ACCOUNT."""
    response = session.call(
        session.control.RotateKey,
        control_pb2.RotateKeyRequest(account=account, name=name, grace_seconds=grace_seconds),
    )
    if output == "json":
        print_json(response)
    else:
        _print_new_key(response.key, response.secret)


@keys.command("revoke")
@click.argument("account")
@click.argument("name")
@click.pass_obj
def revoke_key(session: Session, /, *, account: str, name: str) -> None:
    """End the key NAME of ACCOUNT at once, on every replica."""
    session.call(
        session.control.RevokeKey, control_pb2.RevokeKeyRequest(account=account, name=name)
    )
    click.echo(f"key {name} of {account} revoked")


@click.group()
def credentials() -> None:
    """Make, list and revoke the credentials of other services."""


@credentials.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["route", "meter", "read", "control"]),
    help="What it may do; may be given several times.",
)
@output_option()
@click.pass_obj
def create_credential(
    session: Session, /, *, name: str, scopes: Sequence[str], output: str
) -> None:
    """Make a service credential NAME."""
    response = session.call(
        session.control.CreateServiceCredential,
        control_pb2.CreateServiceCredentialRequest(name=name, scopes=scopes),
    )
    if output == "json":
        print_json(response)
        return
    granted = ", ".join(response.credential.scopes)
    print_facts([("name", name), ("scopes", granted), ("secret", response.secret)])
    click.echo(_SHOWN_ONCE, err=True)


@credentials.command("list")
@output_option()
@click.pass_obj
def list_credentials(session: Session, /, *, output: str) -> None:
    """List service credentials, without their secrets."""
    response = session.call(
        session.control.ListServiceCredentials, control_pb2.ListServiceCredentialsRequest()
    )
    if output == "json":
        print_json(response)
        return
    print_table(
        ("NAME", "SCOPES", "CREATED"),
        [
            (item.name, ", ".join(item.scopes), instant(item.create_time))
            for item in response.credentials
        ],
    )


@credentials.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke_credential(session: Session, /, *, name: str) -> None:
    """End the service credential NAME; every replica refuses it within two seconds."""
    session.call(
        session.control.RevokeServiceCredential,
        control_pb2.RevokeServiceCredentialRequest(name=name),
    )
    click.echo(f"credential {name} revoked")
