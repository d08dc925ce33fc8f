"""`--examples`: a catalog, plans and accounts to begin with, and a key that works.

What is there already stays as it is, so that a restart undoes nobody's changes.
"""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from fluxrouter_server.api.wire_control import read_documents
from fluxrouter_server.bootstrap.private_files import write_private
from fluxrouter_server.bootstrap.use_cases import UseCases
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.domain.accounts import KeyState
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.domain.keys import hash_api_key
from fluxrouter_server.services.key_service import NewKey
from fluxrouter_server.services.ports.documents import Change

__all__ = ["EXAMPLE_ACCOUNT", "apply_examples", "example_key", "example_resources"]

_log = structlog.get_logger(__name__)

EXAMPLE_ACCOUNT: Final = AccountName("default/free-demo")
_KEY_NAME: Final = "default"
_KEY_FILE: Final = "example-api-key"
#: Where another data directory's key is replaced, that one's user has some time to notice.
_GRACE_SECONDS: Final = 24 * 3600


def example_resources() -> Path:
    """Returns the folder of the examples: in the installed package, else in the source tree."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "example_resources"
    return packaged if packaged.is_dir() else package.parents[2] / "examples" / "resources"


async def apply_examples(use_cases: UseCases) -> None:
    """Applies those of the examples that are missing.

    Raises:
        StoreError: some may be missing still.
    """
    documents = read_documents(read_resources([str(example_resources())]))
    if isinstance(documents, Denial):
        raise ValueError(f"the packaged examples are wrong: {documents.message}")
    planned = await use_cases.control.apply(documents, validate_only=True)
    if isinstance(planned, Denial):
        # Such as a catalog of somebody's own, without the models that the examples name.
        _log.warning("examples_left_out", reason=planned.message)
        return
    missing = [
        document
        for document, result in zip(documents, planned, strict=True)
        if result.change is Change.CREATED
    ]
    if missing:
        await use_cases.control.apply(missing, validate_only=False)
        _log.info("examples_applied", count=len(missing))


async def example_key(use_cases: UseCases, data_dir: Path) -> str | None:
    """Returns the text of a key of the example account: the same after every restart.

    The text is kept in the data directory, readable by its owner alone; the key is worth a dollar.

    Returns:
        None where there is no such account, or it takes no key; the log says why.

    Raises:
        StoreError: the key could not be made or found.
        OSError: the text cannot be kept.
    """
    path = data_dir / _KEY_FILE
    keys = await use_cases.keys.list_keys(EXAMPLE_ACCOUNT)
    if isinstance(keys, Denial):
        _log.warning("no_example_key", reason=keys.message)
        return None
    kept = await asyncio.to_thread(_read, path)
    works = {key.record.hash for key in keys if key.record.state is KeyState.ACTIVE}
    if kept and hash_api_key(kept) in works:
        return kept
    made = await _make(use_cases)
    if isinstance(made, Denial):
        _log.warning("no_example_key", reason=made.message)
        return None
    await asyncio.to_thread(_keep, path, made.secret)
    return made.secret


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _keep(path: Path, secret: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, f"{secret}\n")


async def _make(use_cases: UseCases) -> NewKey | Denial:
    made = await use_cases.keys.create(EXAMPLE_ACCOUNT, _KEY_NAME)
    if isinstance(made, Denial) and made.reason is Reason.KEY_EXISTS:
        made = await use_cases.keys.rotate(EXAMPLE_ACCOUNT, _KEY_NAME, grace_seconds=_GRACE_SECONDS)
    if isinstance(made, Denial):
        raise AssertionError(f"the example account takes no key: {made.message}")
    return made
