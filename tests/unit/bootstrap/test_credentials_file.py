from hashlib import sha256
from pathlib import Path

import pytest

from fluxrouter_server.bootstrap.credentials_file import ServiceAccount, read_credentials_file
from fluxrouter_server.services.callers import Scope
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.settings import SettingsError

DIGEST = sha256(b"a secret").hexdigest()


def written(folder: Path, text: str) -> Path:
    path = folder / "credentials.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_lists_names_scopes_and_hashes(tmp_path: Path) -> None:
    path = written(tmp_path, f"- {{name: gateway, scopes: [route, meter], sha256: {DIGEST}}}")
    assert read_credentials_file(path) == (
        CredentialRecord("gateway", DIGEST, frozenset({"route", "meter"}), create_us=0),
    )


def test_an_entry_may_name_a_service_account_instead(tmp_path: Path) -> None:
    path = written(tmp_path, "- {name: op, scopes: [control, read], serviceAccount: sys/op}")
    (found,) = read_credentials_file(path)
    assert found == ServiceAccount("op", "sys/op", frozenset({Scope.CONTROL, Scope.READ}))
    assert found.caller.principal == "service/op"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "must hold a list"),
        ("{", "cannot be read"),
        ("- just a text", "must have name"),
        (f"- {{name: g, scopes: [route], sha256: {DIGEST}, secret: x}}", "must have name"),
        (f"- {{name: 'A B', scopes: [route], sha256: {DIGEST}}}", "is no name"),
        (f"- {{name: g, scopes: [], sha256: {DIGEST}}}", "scopes must be"),
        (f"- {{name: g, scopes: [fly], sha256: {DIGEST}}}", "scopes must be"),
        ("- {name: g, scopes: [route], sha256: abc}", "64 hexadecimal digits"),
        (f"- &a {{name: g, scopes: [route], sha256: {DIGEST}}}\n- *a", "stands twice"),
        ("- {name: g, scopes: [route], serviceAccount: alone}", "write namespace/name"),
        ("- {name: g, scopes: [route], serviceAccount: [a/b]}", "write namespace/name"),
        (f"- {{name: g, scopes: [route], serviceAccount: a/b, sha256: {DIGEST}}}", "either"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        read_credentials_file(written(tmp_path, text))


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        read_credentials_file(tmp_path / "nowhere.yaml")
