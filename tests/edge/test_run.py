"""What `make run` starts: one command, and whoever waits for it has all that a client needs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest

from fluxrouter_server.transport.envoy_programs import find_envoy
from fluxrouter_testing.processes import running
from fluxrouter_testing.waiting import eventually

READY_SECONDS = 20


def test_a_server_with_edge_and_examples_is_ready_in_20_seconds_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUXROUTER_TRANSPORT", raising=False)  # as other tests may have it set
    if isinstance(why_not := find_envoy(), str):
        pytest.skip(why_not)
    ready, log = tmp_path / "ready.json", tmp_path / "server.log"
    command = [
        *(sys.executable, "-m", "fluxrouter_server", "serve", "--edge", "--examples"),
        *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
        *("--data-dir", str(tmp_path / "data"), "--ready-file", str(ready)),
    ]
    begun = time.monotonic()
    with running(command, log=log) as child:
        child.wait_for(ready)
        assert time.monotonic() - begun < READY_SECONDS
        facts = json.loads(ready.read_text(encoding="utf-8"))
        with openai.OpenAI(base_url=facts["base_url"], api_key=facts["api_key"]) as client:
            answer = client.chat.completions.create(
                model="flux-auto", messages=[{"role": "user", "content": "Hello"}]
            )
        assert "upstream simulator" in str(answer.choices[0].message.content)
        curl = printed_curl(log.read_text(encoding="utf-8"))
        # The example's account is on the Free plan: one request a second.
        eventually(lambda: '"chat.completion"' in run(curl), 20)


def printed_curl(text: str) -> str:
    """The request as people paste it, over several lines."""
    lines = text[text.index("  curl ") :].splitlines()
    end = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: end + 1])


def run(script: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, check=False, timeout=20, text=True
    )
    return done.stdout
