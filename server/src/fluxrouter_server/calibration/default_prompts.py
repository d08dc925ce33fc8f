"""All written prompts with their judged labels, as one data set, the same on every machine."""

from random import Random

from fluxrouter_server.calibration.dataset import Dataset
from fluxrouter_server.calibration.prompts import (
    arithmetic,
    knowledge,
    languages,
    mathematics,
    office,
    programs,
    thinking,
)
from fluxrouter_server.calibration.prompts.grammar import Family, prompts_of
from fluxrouter_server.domain.catalog import Tier

#: Every family, in the order in which their prompts are made.
FAMILIES: tuple[Family, ...] = (
    *arithmetic.FAMILIES,
    *mathematics.FAMILIES,
    *programs.FAMILIES,
    *knowledge.FAMILIES,
    *office.FAMILIES,
    *thinking.FAMILIES,
    *languages.FAMILIES,
)

_SEED = 20260101


def default_dataset() -> Dataset:
    """Return the prompts with the judged quality of a model of each tier."""
    prompts: list[str] = []
    scores: list[tuple[float, ...]] = []
    for family in FAMILIES:
        random = Random(f"{_SEED} {family.name}")  # noqa: S311 - variety, not secrecy
        for level in family.levels:
            for prompt in prompts_of(level, random):
                prompts.append(prompt)
                scores.append(level.quality)
    return Dataset(tuple(Tier), tuple(prompts), tuple(scores))
