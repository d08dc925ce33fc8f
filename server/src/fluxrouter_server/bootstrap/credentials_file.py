"""Reads service credentials from a file, for installations that keep secrets in one.

The file never holds a secret, only its hash::

    - name: gateway
      scopes: [route, meter]
      sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8

`printf %s "$SECRET" | sha256sum` makes the hash of a secret. It must be one that nobody can guess,
such as `openssl rand -hex 32`: a hash hides nothing of a word in a dictionary.
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from fluxrouter_server.domain.names import is_name, shown
from fluxrouter_server.services.callers import Scope
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.settings import SettingsError

__all__ = ["read_credentials_file"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIELDS: Final = frozenset({"name", "scopes", "sha256"})


def read_credentials_file(path: Path) -> tuple[CredentialRecord, ...]:
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


def _read(where: str, entry: Any) -> CredentialRecord:  # noqa: ANN401 - raw YAML
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise SettingsError(f"--credentials-file: {where}: must have name, scopes and sha256 only")
    name, scopes, digest = entry["name"], entry["scopes"], entry["sha256"]
    if not isinstance(name, str) or not is_name(name):
        raise SettingsError(f"--credentials-file: {where}: {shown(str(name))} is no name")
    if not isinstance(scopes, list) or not scopes or not set(map(str, scopes)) <= set(Scope):
        raise SettingsError(
            f"--credentials-file: {where}: scopes must be a list of any of {', '.join(Scope)}"
        )
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise SettingsError(
            f"--credentials-file: {where}: sha256 must be 64 hexadecimal digits in lower case, "
            "in quotes if they are all decimal"
        )
    return CredentialRecord(name, digest, frozenset(scopes), create_us=0)
