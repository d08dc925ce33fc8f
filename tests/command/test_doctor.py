"""`fluxrouter doctor` names what is wrong with a set-up and how to mend it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fluxrouter_testing.processes import running
from fluxrouter_testing.store_cluster import running_cluster
from fluxrouter_testing.valkey import running_valkey

Run = Callable[..., subprocess.CompletedProcess[str]]


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def make_embedded_store(folder: Path) -> Path:
    """Lets a server make its embedded store, and ends the server."""
    data_dir, ready = folder / "data", folder / "ready"
    command = [
        *(sys.executable, "-m", "fluxrouter_server", "serve", "--transport", "grpc"),
        *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
        *("--data-dir", str(data_dir), "--ready-file", str(ready)),
    ]
    with running(command, log=folder / "log") as server:
        server.wait_for(ready)
    return data_dir


def test_an_external_store_that_was_never_used_is_told_from_one_that_is_ready(
    fluxrouter: Run,
) -> None:
    with running_valkey(durable=True) as valkey:
        done = fluxrouter("doctor", "--store", f"unix://{valkey.address.path}", "-o", "json")
    assert done.returncode == 1
    assert "--initialize-store" in str(findings(done)["layout"]["problem"])
    assert findings(done)["persistence"]["ok"] is True


def test_every_node_of_a_cluster_is_examined(fluxrouter: Run) -> None:
    with running_cluster(durable=True) as cluster:
        cluster.primaries[1].command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        done = fluxrouter("doctor", "--store", cluster.url, "-o", "json")
    assert done.returncode == 1
    assert str(cluster.primaries[1].tcp_address.port) in done.stdout
    assert "maxmemory-policy noeviction" in done.stdout


def test_a_store_that_keeps_nothing_on_disk_is_a_problem_with_a_remedy(fluxrouter: Run) -> None:
    with running_valkey() as valkey:
        done = fluxrouter("doctor", "--store", f"unix://{valkey.address.path}", "-o", "json")
    assert findings(done)["persistence"]["ok"] is False
    assert "appendonly yes" in str(findings(done)["persistence"]["remedy"])


def test_a_store_that_is_not_there_is_named(fluxrouter: Run, tmp_path: Path) -> None:
    done = fluxrouter("doctor", "--store", f"unix://{tmp_path}/absent.sock")
    assert done.returncode == 1
    assert "absent.sock" in done.stdout


def test_a_store_that_lost_its_data_begins_anew_only_when_told(
    fluxrouter: Run, tmp_path: Path
) -> None:
    data_dir = make_embedded_store(tmp_path)
    healthy = fluxrouter("doctor", "--data-dir", str(data_dir))
    shutil.rmtree(data_dir / "appendonlydir")
    lost = fluxrouter("doctor", "--data-dir", str(data_dir), "-o", "json")
    declined = fluxrouter("doctor", "--data-dir", str(data_dir), "--reinitialize", stdin="n\n")
    told = fluxrouter("doctor", "--data-dir", str(data_dir), "--reinitialize", "--yes")
    mended = fluxrouter("doctor", "--data-dir", str(data_dir))

    assert (healthy.returncode, lost.returncode) == (0, 1)
    assert "--reinitialize" in str(findings(lost)["layout"]["problem"])
    assert declined.returncode == 1
    assert (told.returncode, mended.returncode) == (0, 0), told.stderr


def test_a_store_keeps_its_spans_until_they_are_changed(fluxrouter: Run, tmp_path: Path) -> None:
    data_dir = make_embedded_store(tmp_path)
    spans = ("--late-window-seconds", "60")
    other = fluxrouter("doctor", "--data-dir", str(data_dir), *spans, "-o", "json")
    assert "--change-spans" in str(findings(other)["layout"]["problem"])
    changed = fluxrouter("doctor", "--data-dir", str(data_dir), *spans, "--change-spans")
    assert (changed.returncode, changed.stdout.split()[0]) == (0, "256"), changed.stderr
    again = fluxrouter("doctor", "--data-dir", str(data_dir), *spans, "-o", "json")
    assert findings(again)["layout"]["ok"] is True
