"""How a server starts: on its own store, with examples, and when it must not start at all."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fluxrouter.v1 import cap_pb2, control_pb2, router_pb2
from fluxrouter_server.cli.session import CallRefused, Session
from fluxrouter_testing.fleet import Fleet
from fluxrouter_testing.processes import Child, StartError, running
from fluxrouter_testing.valkey import is_process_alive, running_valkey
from fluxrouter_testing.waiting import eventually

FREE_PORTS = ("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")


def serve(*options: str) -> list[str]:
    return [sys.executable, "-m", "fluxrouter_server", "serve", *options]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[Child, dict[str, str]]]:
    """Runs a server with its own store in the folder; yields it and its ready file."""
    ready = folder / "ready.json"
    command = serve(*FREE_PORTS, "--data-dir", str(folder / "data"), "--ready-file", str(ready))
    with running([*command, *options], log=folder / "server.log") as child:
        child.wait_for(ready)
        yield child, json.loads(ready.read_text(encoding="utf-8"))


def session(facts: dict[str, str]) -> Session:
    return Session(
        server=facts["grpc"],
        credential="",
        ca_file=None,
        certificate_file=None,
        key_file=None,
        timeout_seconds=5.0,
    )


def spend(facts: dict[str, str]) -> cap_pb2.Spend:
    opened = session(facts)
    request = cap_pb2.GetSpendRequest(api_key=facts["api_key"])
    answer: cap_pb2.GetSpendResponse = opened.call(opened.caps.GetSpend, request)
    return answer.spend


def test_the_examples_can_be_used_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path, "--examples") as (_, facts):
        opened = session(facts)
        request = router_pb2.RouteRequest(api_key=facts["api_key"], model="flux-auto", text="hi")
        route: router_pb2.RouteResponse = opened.call(opened.router.Route, request)
        held = route.held_nano_usd
    with serving(tmp_path, "--examples") as (_, again):
        assert again["api_key"] == facts["api_key"]
        assert spend(again).held_nano_usd == held


def test_the_examples_undo_nobodys_changes(tmp_path: Path) -> None:
    with serving(tmp_path, "--examples") as (_, facts):
        opened = session(facts)
        get = control_pb2.GetRequest(kind=control_pb2.RESOURCE_KIND_ACCOUNT, names=["free-demo"])
        found: control_pb2.GetResponse = opened.call(opened.control.Get, get)
        found.resources[0].account.spec.plan = "builder"
        opened.call(opened.control.Apply, control_pb2.ApplyRequest(resources=found.resources))
    with serving(tmp_path, "--examples") as (_, again):
        assert spend(again).plan == "builder"


def test_the_examples_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    with serving(tmp_path, "--examples") as (_, facts):
        kept = tmp_path / "data" / "example-api-key"
        assert kept.read_text(encoding="ascii").strip() == facts["api_key"]
        for path in (kept, tmp_path / "ready.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    with serving(tmp_path) as (child, _):
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        assert children
        child.signal(signal.SIGINT)
        assert child.process.wait(20) == 0
        assert not any(is_process_alive(int(pid)) for pid in children)


def kill_store(server: Child) -> None:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    (pid,) = (pid for pid in children if "valkey" in Path(f"/proc/{pid}/comm").read_text())
    os.kill(int(pid), signal.SIGKILL)


def test_an_embedded_store_that_dies_is_started_again_with_its_data(tmp_path: Path) -> None:
    with serving(tmp_path, "--examples") as (child, facts):
        before = spend(facts)
        kill_store(child)

        def answers() -> bool:
            with contextlib.suppress(CallRefused):
                return spend(facts).account == before.account
            return False

        assert eventually(answers, timeout_seconds=15)


def test_a_server_whose_store_keeps_dying_ends_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as (child, _):
        kill_store(child)
        eventually(lambda: child.log.read_text().count("embedded_store_started") == 2)
        kill_store(child)
        assert child.process.wait(20) == 1
        assert "ended again" in child.log.read_text()


def refusal(*options: str) -> str:
    """What a server that does not start says, on one line or two."""
    answer = subprocess.run(
        serve(*options), capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    return answer.stderr


MISTAKES: dict[str, Sequence[str]] = {
    "--listen: 'nowhere' is no address": ("--listen", "nowhere"),
    "--store: store URL: unknown scheme": ("--store", "mysql://host"),
    "--tls-cert and --tls-key": ("--tls-cert", "x.crt"),
    "--credentials-file": ("--credentials-file", "/nowhere.yaml"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_wrong_setting_is_named_and_nothing_starts(message: str) -> None:
    assert message in refusal(*MISTAKES[message])


def test_other_machines_are_not_let_in_without_a_credential(tmp_path: Path) -> None:
    said = refusal("--listen", "0.0.0.0:0", "--data-dir", str(tmp_path))
    assert "--credentials-file" in said


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, facts):
        said = refusal("--listen", facts["grpc"], "--data-dir", str(tmp_path / "other"))
        assert f"cannot listen on {facts['grpc']}" in said
        said = refusal(
            *("--listen", "127.0.0.1:0", "--metrics-listen", facts["metrics"]),
            *("--data-dir", str(tmp_path / "third")),
        )
        assert f"cannot listen on {facts['metrics']}" in said


def test_two_servers_do_not_share_an_embedded_store(tmp_path: Path) -> None:
    with serving(tmp_path):
        said = refusal(*FREE_PORTS, "--data-dir", str(tmp_path / "data"))
        assert str(tmp_path / "data") in said


def test_a_store_that_is_not_there_is_named_while_the_start_waits_for_it(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none.sock"
    with running(serve(*FREE_PORTS, "--store", url), log=tmp_path / "server.log") as child:
        eventually(lambda: f'"{url}"' in child.log.read_text(), timeout_seconds=15)
        child.signal(signal.SIGTERM)
        assert child.process.wait(10) == 0


def test_a_real_clock_is_refused_by_a_store_with_a_simulated_one(fleet: Fleet) -> None:
    said = refusal(*FREE_PORTS, "--store", fleet.store_url)
    assert "simulated" in said


def test_an_empty_store_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    with running_valkey() as store:
        url = f"unix://{store.address.path}"
        with serving(tmp_path, "--store", url) as (child, facts):
            opened = session(facts)
            request = control_pb2.ListRequest(kind=control_pb2.RESOURCE_KIND_PLAN)
            with pytest.raises(CallRefused, match="nothing tells whether it is new"):
                opened.call(opened.control.List, request)
            assert "nothing tells whether it is new" in child.log.read_text()
        with serving(tmp_path, "--store", url, "--initialize-store") as (_, facts):
            opened = session(facts)
            assert opened.call(opened.control.List, request).resources == []


def test_a_server_can_be_started_twice_on_one_port_if_both_are_told_so(fleet: Fleet) -> None:
    first = fleet.start_server("--reuse-port")
    second = fleet.start_server("--reuse-port", "--listen", first.address)
    assert second.address == first.address
    with pytest.raises(StartError, match="cannot listen"):
        fleet.start_server("--listen", first.address)
