"""Servers that are down, clusters that restart, stores that lost everything."""

import base64
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from fluxrouter.v1 import control_pb2, router_pb2
from fluxrouter_server.cli.session import CallRefused
from fluxrouter_testing.kubernetes_platform import Platform, running_platform
from fluxrouter_testing.kubernetes_samples import account_document, plan_document
from fluxrouter_testing.kubernetes_traffic import route, spend
from fluxrouter_testing.processes import Child


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A whole FluxRouter whose parts a test may stop, as long as it mends them."""
    with running_platform() as started:
        yield started


@pytest.fixture
def name(platform: Platform) -> str:
    """A plan and an account of this name, which no other test has."""
    unique = platform.new_name("o")
    platform.apply(plan_document(unique), account_document(unique, plan=unique))
    platform.wait_ready("account", unique)
    return unique


def test_a_silent_server_is_said_and_taken_back(platform: Platform, name: str) -> None:
    with stopped(platform.fleet.servers[0].child):
        unknown = platform.wait_condition("account", name, "Enforced=Unknown/ServerUnreachable")
        assert "What it enforced before stays in force" in unknown["message"]
        platform.wait_condition("plan", name, "Ready=Unknown/ServerUnreachable")
        platform.apply(plan_document(name, capUsd="0.50"))
        platform.wait_condition("plan", name, "Enforced=Unknown/ServerUnreachable")
    platform.wait_ready("account", name)
    platform.wait_ready("plan", name)
    assert cap_nano_usd(platform, name) == 500_000_000


def test_a_dead_server_is_said_until_another_takes_its_place(platform: Platform, name: str) -> None:
    """Nobody listens at its address meanwhile, which is another error than silence."""
    fleet = platform.fleet
    dead = fleet.servers[0]
    dead.child.kill()
    platform.wait_condition("account", name, "Enforced=Unknown/ServerUnreachable")
    platform.apply(plan_document(name, capUsd="0.50"))
    platform.wait_condition("plan", name, "Enforced=Unknown/ServerUnreachable")
    fleet.servers[0] = fleet.start_server("--listen", dead.address)
    platform.wait_ready("account", name)
    platform.wait_ready("plan", name)
    assert cap_nano_usd(platform, name) == 500_000_000


def test_a_deletion_waits_for_the_server(platform: Platform, name: str) -> None:
    with stopped(platform.fleet.servers[0].child):
        platform.api.kubectl("delete", "account", name, "--wait=false")
        platform.wait_condition("plan", name, "Enforced=Unknown/ServerUnreachable")
        account = platform.resource("account", name)
        assert account is not None
        assert account["metadata"]["finalizers"] == ["fluxrouter.ai/operator"]
    platform.wait(lambda: platform.resource("account", name) is None)
    with pytest.raises(CallRefused, match=r"no account|is deleted"):
        route(platform, name)


def test_enforcement_goes_on_without_the_operator(platform: Platform, name: str) -> None:
    platform.operator.stop()
    try:
        platform.apply(account_document(name, plan=name, suspended=True))
        assert route(platform, name).model == "small-1"
    finally:
        platform.operator.start()
    platform.wait_ready("account", name)
    with pytest.raises(CallRefused, match="suspended"):
        route(platform, name)


def test_a_restarted_operator_says_nothing_anew(platform: Platform, name: str) -> None:
    before = platform.wait_ready("account", name)
    platform.wait(lambda: "spend" in platform.status("account", name))
    before = platform.status("account", name)
    platform.operator.stop()
    platform.operator.start()
    platform.apply(plan_document(name, feeUsd="1"))
    platform.wait_ready("plan", name)
    assert platform.status("account", name) == before
    assert platform.events(name) == []


def test_a_restart_of_the_api_server_is_survived(platform: Platform, name: str) -> None:
    platform.api.stop()
    platform.api.start()
    platform.apply(plan_document(name, capUsd="0.50"))
    platform.wait_ready("plan", name)
    assert cap_nano_usd(platform, name) == 500_000_000


def test_an_expired_watch_is_survived(platform: Platform, name: str) -> None:
    """What happens while the operator sees nothing is forgotten by the time it looks again."""
    gone = f"{name}-gone"
    platform.apply(account_document(gone, plan=name))
    platform.wait_ready("account", gone)
    with stopped(platform.operator.child):
        platform.apply(plan_document(name, capUsd="0.25"))
        platform.apply(account_document(f"{name}-new", plan=name))
        platform.api.kubectl("delete", "account", gone, "--wait=false")
        platform.api.compact()
        platform.api.stop()
        platform.api.start()
    platform.wait_ready("account", f"{name}-new")
    platform.wait_ready("plan", name)
    assert cap_nano_usd(platform, name) == 250_000_000
    platform.wait(lambda: platform.resource("account", gone) is None)
    with pytest.raises(CallRefused, match=r"no account|is deleted"):
        route(platform, gone)


def test_a_store_that_lost_everything_gets_it_back(platform: Platform, name: str) -> None:
    keys = [{"name": "ci", "secret": {"name": f"{name}-ci"}}]
    platform.apply(account_document(name, plan=name, apiKeys=keys))
    platform.wait_ready("account", name)
    lose_everything(platform)
    platform.wait(lambda: is_enforced(platform, name))
    platform.wait_ready("account", name)
    platform.wait_ready("catalog", "default")
    platform.wait(lambda: key_works(platform, f"{name}-ci"))


def test_a_plan_that_somebody_changed_at_the_server_is_put_right(
    platform: Platform, name: str
) -> None:
    changed = control_pb2.Resource()
    changed.plan.metadata.name = name
    changed.plan.spec.cap_usd = changed.plan.spec.included_credit_usd = "0.10"
    apply(platform, changed)
    platform.wait(lambda: cap_nano_usd(platform, name) == 1_000_000_000)


def test_an_account_that_somebody_changed_at_the_server_is_put_right(
    platform: Platform, name: str
) -> None:
    changed = control_pb2.Resource()
    changed.account.metadata.name = name
    changed.account.spec.plan = name
    changed.account.spec.overrides.cap_usd = "0.10"
    apply(platform, changed)
    platform.wait(lambda: cap_nano_usd(platform, name) == 1_000_000_000)


@contextmanager
def stopped(child: Child) -> Iterator[None]:
    """Lets a process hang for the length of a block."""
    child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        child.signal(signal.SIGCONT)


def lose_everything(platform: Platform) -> None:
    """Empties the store, and tells the server that this is how it begins anew."""
    fleet = platform.fleet
    path = fleet.store_url.removeprefix("unix://")
    with redis.Redis(unix_socket_path=path) as store:
        store.flushall()
    folder = str(fleet.folder / "server-0")
    command = ["doctor", "--store", fleet.store_url, "--data-dir", folder, "--reinitialize"]
    subprocess.run(
        [sys.executable, "-m", "fluxrouter_server", *command, "--yes"],
        check=True,
        capture_output=True,
    )


def is_enforced(platform: Platform, account: str) -> bool:
    try:
        return cap_nano_usd(platform, account) == 1_000_000_000
    except CallRefused:
        return False


def cap_nano_usd(platform: Platform, account: str) -> int:
    return spend(platform, account).cap_nano_usd


def key_works(platform: Platform, secret: str) -> bool:
    path = f"/api/v1/namespaces/default/secrets/{secret}"
    text = base64.b64decode(platform.api.call("GET", path)["data"]["api-key"]).decode()
    request = router_pb2.RouteRequest(
        api_key=text, model="flux-auto", input_tokens=100, max_output_tokens=1
    )
    try:
        platform.session.call(platform.session.router.Route, request)
    except CallRefused:
        return False
    return True


def apply(platform: Platform, resource: control_pb2.Resource) -> None:
    request = control_pb2.ApplyRequest(resources=[resource])
    platform.session.call(platform.session.control.Apply, request)
