"""One release from its installation to its end, on a real cluster, under real traffic."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxrouter_testing.cluster.access import say
from fluxrouter_testing.cluster.callers import Callers, Load
from fluxrouter_testing.cluster.images import Image
from fluxrouter_testing.cluster.release import CHART, NAME, Release, trial_values
from fluxrouter_testing.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
DOLLAR = 10**9
FREE_KEY = "free-demo-key"
#: 100 requests a second, and far from its ceiling.
LOAD_KEY = "builder-demo-production"
#: Some dozen of them spend a dollar, whatever the tier; half of it is output.
LARGE = {"input_tokens": 24_000, "output_tokens": 8_000}
WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def values(images: tuple[Image, Image]) -> dict[str, Any]:
    return trial_values(images[0])


def end(load: Load, what: str) -> dict[str, Any]:
    """Ends the load, and says what became of it."""
    count = load.end()
    served = f"{count['grpc']} gRPC and {count['http']} HTTP requests served"
    say(f"{what}: {served}, {count['failed']} failed")
    return count


def settled(callers: Callers, key: str) -> int:
    """What an account was charged so far, in nano-USD; the replicas agree about it."""
    _, amounts = callers.spend_of(callers.order(callers.release.secret(key, "api-key")))
    (amount,) = set(amounts)
    return amount


def test_an_installation_waits_until_it_is_ready(release: Release, values: dict[str, Any]) -> None:
    release.install(values)
    assert release.revision()["status"] == "deployed"
    assert len(release.pods("server")) == 2


def test_no_container_had_to_be_restarted(release: Release) -> None:
    for pod in release.get("pods")["items"]:
        restarts = [status["restartCount"] for status in pod["status"]["containerStatuses"]]
        assert restarts == [0] * len(restarts), pod["metadata"]["name"]


def test_every_server_has_the_fast_transport(release: Release) -> None:
    chosen = release.log_events("server", "transport_chosen")
    assert [event["transport"] for event in chosen] == ["envoy", "envoy"]


def test_resources_that_kubectl_applies_come_into_force(release: Release) -> None:
    release.apply_resources()
    (free,) = (p for p in release.get("plans")["items"] if p["metadata"]["name"] == "free")
    assert free["spec"]["capUsd"] == "1.00"


def test_helm_test_routes_and_settles_a_request(release: Release) -> None:
    assert re.search(r"Phase:\s+Succeeded", release.test())


def test_the_free_plan_over_http_ends_with_402(release: Release, callers: Callers) -> None:
    callers.stand_in_for_providers()
    order = callers.order(release.secret(FREE_KEY, "api-key"), **LARGE)
    spent = callers.spend("http", order)
    say(f"{spent['served']} requests over HTTP cost ${spent['billed_nano_usd'] / DOLLAR:.6f}")
    assert (spent["status"], spent["refusal"]) == (402, "cap_reached")
    assert 0 < spent["billed_nano_usd"] <= DOLLAR


def test_the_free_plan_over_grpc_ends_at_its_cap(release: Release, callers: Callers) -> None:
    """The edge holds more for a prompt than a caller who has counted its tokens asks for."""
    order = callers.order(release.secret(FREE_KEY, "api-key"), **LARGE)
    spent = callers.spend("grpc", order)
    say(f"{spent['served']} requests over gRPC cost ${spent['billed_nano_usd'] / DOLLAR:.6f}")
    assert spent["refusal"] == "CAP_REACHED"
    assert 0.9 * DOLLAR < settled(callers, FREE_KEY) <= DOLLAR


def test_a_raised_plan_is_enforced_by_all_replicas(release: Release, callers: Callers) -> None:
    order = callers.order(release.secret(FREE_KEY, "api-key"), **LARGE)
    before = callers.try_replicas(order)
    release.patch("plan/free", {"capUsd": "2.00", "includedCreditUsd": "2.00"})
    release.wait_ready()
    after = callers.try_replicas(order)
    assert len(order.addresses) == 2
    assert before == [(DOLLAR, "CAP_REACHED")] * 2
    assert after == [(2 * DOLLAR, "")] * 2


def test_kubectl_shows_what_was_spent(release: Release, callers: Callers) -> None:
    expected = settled(callers, FREE_KEY)
    eventually(lambda: release.spend_shown("free-demo") == expected, WAIT_SECONDS)
    say("\n" + release.kubectl("get", "accounts").rstrip())


def test_a_deleted_server_pod_fails_no_request(release: Release, callers: Callers) -> None:
    before = settled(callers, LOAD_KEY)
    with callers.load(callers.order(release.secret(LOAD_KEY, "api-key"))) as load:
        release.delete_pod("server")
        load.served_more()
        count = end(load, "deleted a server's pod")
    assert count["failures"] == []
    assert settled(callers, LOAD_KEY) - before == count["billed_nano_usd"] > 0


def test_a_deleted_operator_pod_fails_no_request(release: Release, callers: Callers) -> None:
    with callers.load(callers.order(release.secret(LOAD_KEY, "api-key"))) as load:
        release.delete_pod("operator")
        release.patch("plan/free", {"capUsd": "3.00", "includedCreditUsd": "3.00"})
        release.wait_ready()
        count = end(load, "deleted the operator's pod")
    caps, _ = callers.spend_of(callers.order(release.secret(FREE_KEY, "api-key")))
    assert count["failures"] == []
    assert caps == [3 * DOLLAR] * 2


def test_an_upgrade_to_other_values_fails_no_request(
    release: Release, callers: Callers, values: dict[str, Any]
) -> None:
    other = {**values, "server": {**values["server"], "replicas": 3}, "log": {"level": "warning"}}
    with callers.load(callers.order(release.secret(LOAD_KEY, "api-key"))) as load:
        release.upgrade(other)
        load.served_more()
        count = end(load, "upgraded to other values")
    assert len(release.pods("server")) == 3
    assert count["failures"] == []


def test_a_rollback_fails_no_request(release: Release, callers: Callers) -> None:
    with callers.load(callers.order(release.secret(LOAD_KEY, "api-key"))) as load:
        release.rollback()
        load.served_more()
        count = end(load, "rolled back")
    assert len(release.pods("server")) == 2
    assert count["failures"] == []


def test_an_upgrade_to_another_version_fails_no_request(
    release: Release, callers: Callers, images: tuple[Image, Image], tmp_path: Path
) -> None:
    """From the last release's chart, or where there is none yet, to one that says it is newer."""
    newest = CHART
    if (previous := previous_chart(tmp_path)) is not None:
        release.upgrade(trial_values(images[0]), chart=previous)
    else:
        newest = following_chart(tmp_path)
    image = {"repository": images[1].repository, "tag": images[1].tag}
    with callers.load(callers.order(release.secret(LOAD_KEY, "api-key"))) as load:
        release.upgrade({**trial_values(images[0]), "image": image}, chart=newest)
        load.served_more()
        count = end(load, "upgraded to another version")
    servers = [pod["spec"]["containers"][0]["image"] for pod in release.pods("server")]
    assert servers == [str(images[1])] * 2
    assert count["failures"] == []


def test_accounts_and_their_spending_survived_all_that(release: Release, callers: Callers) -> None:
    assert DOLLAR < settled(callers, FREE_KEY) <= 3 * DOLLAR
    assert len(release.get("accounts")["items"]) == 3


def test_uninstalling_keeps_kinds_and_accounts(release: Release) -> None:
    release.uninstall()
    assert release.pods("server") == []
    assert len(release.get("accounts")["items"]) == 3


def previous_chart(folder: Path) -> Path | None:
    """Returns the chart of the last release; None where no release had one."""
    git = ("git", "-C", str(ROOT))
    found = subprocess.run(
        [*git, "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD~"],
        capture_output=True,
        text=True,
        check=False,
    )
    tag = found.stdout.strip()
    archive = folder / "previous.tar"
    command = [*git, "archive", f"--output={archive}", tag, "charts/fluxrouter"]
    if not tag or subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    shutil.unpack_archive(archive, folder)
    return folder / "charts" / "fluxrouter"


def following_chart(folder: Path) -> Path:
    """Returns a copy of the chart whose version is higher."""
    copy = folder / NAME
    shutil.copytree(CHART, copy)
    about = yaml.safe_load((copy / "Chart.yaml").read_text())
    major, minor, patch = str(about["version"]).split(".")
    about["version"] = f"{major}.{minor}.{int(patch) + 1}"
    (copy / "Chart.yaml").write_text(yaml.safe_dump(about))
    return copy
