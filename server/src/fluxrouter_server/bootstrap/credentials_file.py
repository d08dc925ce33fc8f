"""Reads service credentials from a file, for installations that keep secrets in one.

The file never holds a secret, only its hash, or the ServiceAccount of a Kubernetes cluster whose
tokens the cluster verifies::

    - name: gateway
      scopes: [route, meter]
      sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
    - name: operator
      scopes: [control, read]
      serviceAccount: fluxrouter/fluxrouter-operator

`printf %s "$SECRET" | sha256sum` makes the hash of a secret. It must be one that nobody can guess,
such as `openssl rand -hex 32`: a hash hides nothing of a word in a dictionary.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.names import is_name, shown
from fluxrouter_server.services.callers import Caller, Scope
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.settings import SettingsError

__all__ = ["ConfiguredCredential", "ServiceAccount", "read_credentials_file"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COMMON_FIELDS: Final = frozenset({"name", "scopes"})
_FIELD_SETS: Final = tuple(_COMMON_FIELDS | {proof} for proof in ("sha256", "serviceAccount"))


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A ServiceAccount that is let in: `account` is its `namespace/name`, `name` ours for it."""

    name: str
    account: str
    scopes: frozenset[Scope]

    @property
    def caller(self) -> Caller:
        """Who calls with its token."""
        return Caller(Principal(f"service/{self.name}"), self.scopes)


ConfiguredCredential: TypeAlias = CredentialRecord | ServiceAccount


def read_credentials_file(path: Path) -> tuple[ConfiguredCredential, ...]:
    """Returns the credentials of a file.

    Raises:
        SettingsError: the file or an entry of it is wrong; the message says which and why.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"--credentials-file: {path} cannot be read: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise SettingsError(f"--credentials-file: {path} must hold a list with an entry at least")
    records = tuple(_read(f"{path}, entry {n}", entry) for n, entry in enumerate(entries, start=1))
    names = [record.name for record in records]
    if len(set(names)) < len(names):
        raise SettingsError(f"--credentials-file: {path}: a name stands twice; keep one of them")
    return records


def _read(where: str, entry: Any) -> ConfiguredCredential:  # noqa: ANN401 - raw YAML
    if not isinstance(entry, dict) or set(entry) not in _FIELD_SETS:
        raise SettingsError(
            f"--credentials-file: {where}: must have name and scopes, and either sha256 or "
            "serviceAccount, and nothing else"
        )
    name, scopes = entry["name"], entry["scopes"]
    if not isinstance(name, str) or not is_name(name):
        raise SettingsError(f"--credentials-file: {where}: {shown(str(name))} is no name")
    if not isinstance(scopes, list) or not scopes or not set(map(str, scopes)) <= set(Scope):
        raise SettingsError(
            f"--credentials-file: {where}: scopes must be a list of any of {', '.join(Scope)}"
        )
    if "serviceAccount" in entry:
        account = _read_account(where, entry["serviceAccount"])
        return ServiceAccount(name, account, frozenset(map(Scope, scopes)))
    digest = entry["sha256"]
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise SettingsError(
            f"--credentials-file: {where}: sha256 must be 64 hexadecimal digits in lower case, "
            "in quotes if they are all decimal"
        )
    return CredentialRecord(name, digest, frozenset(scopes), create_us=0)


def _read_account(where: str, text: Any) -> str:  # noqa: ANN401 - raw YAML
    namespace, slash, name = str(text).partition("/")
    if not isinstance(text, str) or not slash or not is_name(namespace) or not is_name(name):
        raise SettingsError(
            f"--credentials-file: {where}: {shown(str(text))} is no ServiceAccount; write "
            "namespace/name"
        )
    return text
