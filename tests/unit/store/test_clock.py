from pathlib import Path

import pytest

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.clock import EstimatedClock, SimulatedClock, clock_file


def test_the_estimate_goes_on_from_the_latest_answer() -> None:
    monotonic_ns = 5_000_000
    clock = EstimatedClock(monotonic_ns=lambda: monotonic_ns)
    clock.observe(1_790_000_000_000_000)
    assert clock.now_us() == 1_790_000_000_000_000
    monotonic_ns += 2_000
    assert clock.now_us() == 1_790_000_000_000_002
    clock.observe(1_700_000_000_000_000)
    assert clock.now_us() == 1_700_000_000_000_000


def test_the_real_clock_is_left_to_the_store() -> None:
    assert EstimatedClock().argument() == ""


def test_a_simulated_clock_says_what_it_is_told_and_learns_nothing() -> None:
    now_us = 1_000
    clock = SimulatedClock(lambda: now_us)
    clock.observe(5_000)
    assert (clock.now_us(), clock.argument()) == (1_000, 1_000)
    now_us = 2_000
    assert (clock.now_us(), clock.argument()) == (2_000, 2_000)


def test_servers_can_share_a_clock_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.write_text("1790000000000000\n")
    clock = clock_file(path)
    assert clock.now_us() == 1_790_000_000_000_000
    path.write_text("1790000000000001")
    assert clock.now_us() == 1_790_000_000_000_001


@pytest.mark.parametrize("text", [None, "", "noon"])
def test_a_clock_file_without_an_instant_says_what_to_write(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "clock"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StoreRefused, match="µs since 1970"):
        clock_file(path).now_us()
