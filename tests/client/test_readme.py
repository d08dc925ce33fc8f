"""The README's example of the client, as it stands there."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxrouter.client import AsyncClient
from fluxrouter_testing.customers import account, plan
from fluxrouter_testing.spender import Spender

README = Path(__file__).resolve().parents[2] / "README.md"


@dataclass(frozen=True)
class Reply:
    text: str
    input_tokens: int
    output_tokens: int


async def call_model(upstream: str, model: str, prompt: str, max_tokens: int) -> Reply:
    """A model that answers little; small prompts are cheap, and this one uses all it may."""
    assert upstream
    assert model
    return Reply(f"You said: {prompt}", 1000, max_tokens)


def example() -> dict[str, Any]:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "from fluxrouter.client import" in block)
    names: dict[str, Any] = {"call_model": call_model}
    exec(compile(code, str(README), "exec"), names)
    return names


async def test_the_example_answers_until_the_money_is_gone(customer: Spender) -> None:
    name = "free-demo"
    await customer.connection.apply(plan("free-demo", "0.05"), account(name, "free-demo"))
    answer = example()["answer"]
    async with AsyncClient(customer.address) as flux:
        assert await answer(flux, "hello") == "You said: hello"
        said = ""
        while not said.startswith("This month's budget is used up"):
            said = await answer(flux, "hello")
    spend = await customer.connection.spend(name)
    assert spend.held_nano_usd == 0
    assert 0 < spend.settled_nano_usd <= 50_000_000
