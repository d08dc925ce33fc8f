"""Families of prompts and how their templates are filled."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

_SLOT = re.compile(r"<(\w+?)\d?>")

#: A template with slots, or a function that makes a prompt.
Source = str | Callable[[Random], str]


@dataclass(frozen=True, slots=True)
class Level:
    """Prompts that are about equally hard.

    `quality` is the judged quality, 0 to 1, of a fast, a standard and a reasoning model.
    """

    quality: tuple[float, float, float]
    sources: tuple[Source, ...]
    prompts: int = 40


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of task, at one or more levels."""

    name: str
    levels: tuple[Level, ...]


def _listed(words: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(words.split(separator))


SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": _listed(
            "Ana Ben Chloe Dmitri Elif Farid Grace Hana Igor Jamal Kofi Lena Mei Nadia Omar Priya"
            " Quinn Rosa Sven Tomas Uma Viktor Wanda Yusuf Zoe Marcus Helga Diego Aisha Paul"
        ),
        "thing": _listed(
            "marbles stickers notebooks peaches tickets bricks candles seedlings coins postcards"
            " lanterns bottles muffins ribbons screws tiles stamps cups chairs plants"
        ),
        "place": _listed(
            "bakery library warehouse farm school museum harbour garage market orchard theatre"
            " clinic factory hotel stadium"
        ),
        "city": _listed(
            "Lisbon Nairobi Osaka Bogota Hamburg Toronto Jakarta Krakow Cairo Lima Hanoi Oslo Perth"
            " Chicago Marseille"
        ),
        "country": _listed(
            "Portugal Kenya Japan Colombia Germany Canada Indonesia Poland Egypt Peru Vietnam"
            " Norway Australia France Mexico"
        ),
        "language": ("French", "German", "Spanish", "Italian", "Portuguese", "Japanese", "Polish"),
        "animal": _listed("otter heron badger gecko falcon beetle dolphin lynx moth tortoise"),
        "dish": _listed("lentil soup|ratatouille|dumplings|paella|banana bread|curry", "|"),
        "company": _listed("Norvale Brightpath Cedarline Oakum Tidewater Marlow Vantor"),
        "product": (
            "a wireless speaker",
            "an espresso machine",
            "a budgeting app",
            "running shoes",
            "a solar lamp",
            "an online course",
            "a bike helmet",
        ),
        "topic": (
            "remote work",
            "urban gardening",
            "the history of tea",
            "sleep and memory",
            "electric buses",
            "coral reefs",
            "open-source licences",
            "learning the piano",
            "renewable energy",
            "minimalism",
        ),
        "event": (
            "the quarterly review",
            "a birthday party",
            "the product launch",
            "a team offsite",
            "the parents' evening",
            "a charity run",
        ),
        "rows": ("orders", "customers", "invoices", "shipments", "employees", "sessions"),
        "code_language": ("Python", "JavaScript", "TypeScript", "Go", "Rust", "Java", "C++"),
        "system": (
            "a payment service",
            "a message queue",
            "a search index",
            "a mobile app's backend",
            "a data pipeline",
            "a feature-flag service",
            "a chat server",
        ),
        "small": tuple(str(n) for n in range(2, 13)),
        "n": tuple(str(n) for n in range(12, 99)),
        "big": tuple(str(n) for n in range(120, 990, 7)),
        "price": tuple(f"{a}.{b:02d}" for a in range(2, 30, 3) for b in (25, 50, 99)),
        "percent": tuple(str(n) for n in range(5, 65, 5)),
        "var": _listed("x y z t k m"),
    }
)


def fill(template: str, random: Random) -> str:
    """Return a template with each `<slot>` filled; `<name1>` and `<name2>` get different words.

    Raises:
        KeyError: if a slot is unknown.
    """
    chosen: dict[str, str] = {}

    def value(match: re.Match[str]) -> str:
        slot = match[0]
        if slot not in chosen:
            free = [word for word in SLOTS[match[1]] if word not in chosen.values()]
            chosen[slot] = random.choice(free)
        return chosen[slot]

    return _SLOT.sub(value, template)


def prompts_of(level: Level, random: Random) -> Iterator[str]:
    """Yield a level's prompts, its sources in turn, each prompt once."""
    seen: set[str] = set()
    for attempt in range(level.prompts * 4):
        source = level.sources[attempt % len(level.sources)]
        prompt = source(random) if callable(source) else fill(source, random)
        if prompt not in seen:
            seen.add(prompt)
            yield prompt
        if len(seen) == level.prompts:
            return
