"""LiteLLM with a budget, as its documentation sets it up, in an environment of its own.

https://docs.litellm.ai/docs/proxy/provider_budget_routing has the configuration: the budget of a
provider is counted in each process and brought to a shared Redis, here a Valkey, every second.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fluxrouter_testing.processes import running
from fluxrouter_testing.valkey import ThrowawayValkey, free_port
from fluxrouter_testing.waiting import eventually_async

__all__ = ["KEY", "MODEL", "VERSION", "Proxy", "litellm", "prepare"]

VERSION = "1.80.11"
MODEL = "gpt-standard"
KEY = "sk-benchmark"

_FOLDER = Path(__file__).resolve().parents[1] / "build" / "litellm"
_REQUIREMENTS = Path(__file__).with_name("litellm.txt")
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Proxy:
    """One running process: where it listens, and its process id."""

    address: str
    pid: int


def prepare() -> Path:
    """Returns the program, installed when it is not there yet; says so, for it takes a minute."""
    program = _FOLDER / "bin" / "litellm"
    if not program.exists():
        print(f"bench-edge: installing LiteLLM {VERSION} into {_FOLDER}, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(_FOLDER)], check=True)
        pip = [str(_FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--requirement", str(_REQUIREMENTS)], check=True)
    return program


@asynccontextmanager
async def litellm(
    store: ThrowawayValkey, upstream: str, folder: Path, *, budget_usd: float
) -> AsyncIterator[Proxy]:
    """Runs one process until left.

    Args:
        store: Where budgets are shared; listens on TCP.
        upstream: Base URL of the provider.
        folder: For its files.
        budget_usd: Of the provider, for a day.
    """
    port = free_port()
    config = folder / f"litellm-{port}.yaml"
    config.write_text(json.dumps(_config(store, upstream, budget_usd)), encoding="utf-8")
    command = [
        str(prepare()),
        *("--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        *("--num_workers", "1"),
    ]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"}
    os.environ.update(quiet)
    with running(command, log=folder / f"litellm-{port}.log") as child:
        address = f"127.0.0.1:{port}"
        await eventually_async(lambda: _listens(port), _START_SECONDS)
        yield Proxy(address, child.pid)


def _config(store: ThrowawayValkey, upstream: str, budget_usd: float) -> dict[str, object]:
    address = store.tcp_address
    return {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": upstream,
                    "api_key": "none",
                    # The rates of our example catalog's lane: $2 and $10 for a million tokens.
                    "input_cost_per_token": 2e-06,
                    "output_cost_per_token": 1e-05,
                },
            }
        ],
        "router_settings": {
            "provider_budget_config": {"openai": {"budget_limit": budget_usd, "time_period": "1d"}},
            "redis_host": address.host,
            "redis_port": address.port,
            "redis_password": address.password,
            "num_retries": 0,
        },
        "general_settings": {"master_key": KEY},
    }


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
