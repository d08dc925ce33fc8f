"""What a calibration found: figures, a table for people, and whether the model ships."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the 95% interval that belongs to it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class EqualQuality:
    """What it takes to recover a part of the gap: shares of strong calls, and mean costs."""

    recovered: float
    share: float
    length_share: float
    cost: float
    random_cost: float


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the curves: the share of strong calls, and the accuracy that three rules reach."""

    share: float
    accuracy: float
    length_accuracy: float
    random_accuracy: float


@dataclass(frozen=True, slots=True)
class Balance:
    """What choosing between all tiers comes to at the balanced cost weight."""

    cost_weight: float
    accuracy: Interval
    cost: Interval
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one model on one data set.

    `method` says whether they come from cross-validation or from rows of their own. `accuracies`
    are of each tier alone. APGR and CPT50 are between the cheapest and the dearest tier. The length
    rule sends the longest prompts to the dearest tier, or the shortest, whichever is better in
    hindsight.
    """

    model: str
    model_sha256: str
    method: str
    rows: int
    trained_on: int
    accuracies: Mapping[str, float]
    apgr: Interval
    cpt50: Interval
    length_apgr: Interval
    gain_over_length: Interval
    equal_quality: tuple[EqualQuality, ...]
    balance: Balance
    points: tuple[Point, ...]

    @property
    def beats_length(self) -> bool:
        """Whether the whole interval of the paired difference to the length rule is above 0."""
        return self.gain_over_length.low > 0

    def as_json(self) -> dict[str, object]:
        """Return the report as values that JSON can hold."""
        return {**asdict(self), "beats_length": self.beats_length}

    def as_text(self) -> str:
        """Return the report as a table for a terminal."""
        accuracies = ", ".join(f"{tier} {value:.3f}" for tier, value in self.accuracies.items())
        shares = ", ".join(f"{tier} {share:.0%}" for tier, share in self.balance.shares.items())
        balance = self.balance
        spent = f"cost {balance.cost.value:.2f} [{balance.cost.low:.2f}, {balance.cost.high:.2f}]"
        lines = [
            f"model                   {self.model}",
            f"sha256                  {self.model_sha256}",
            f"labels                  {self.rows} rows, {self.method}",
            f"accuracy of each tier   {accuracies}",
            f"APGR                    {self.apgr}   (random 0.500)",
            f"APGR of the length rule {self.length_apgr}",
            f"paired difference       {self.gain_over_length}",
            f"CPT50                   {self.cpt50}   (random 0.500)",
            f"balanced policy         accuracy {balance.accuracy}, {spent}",
            f"  at cost weight {balance.cost_weight:<7.4g}{shares}",
            "",
            "cost at equal quality   strong calls       mean cost",
            "  gap recovered         model  length      model  random",
            *(
                f"  {row.recovered:>5.0%}                {row.share:>7.1%} {row.length_share:>7.1%}"
                f"   {row.cost:>8.2f} {row.random_cost:>7.2f}"
                for row in self.equal_quality
            ),
            "",
            self.verdict(),
        ]
        return "\n".join(lines)

    def verdict(self) -> str:
        """Say in a sentence whether the model is worth using, and why."""
        difference = self.gain_over_length
        interval = f"[{difference.low:+.3f}, {difference.high:+.3f}]"
        if self.beats_length:
            return (
                f"The model beats prompt length by {difference.value:+.3f} APGR, and the 95%"
                f" interval {interval} is above 0."
            )
        return (
            "REFUSED: the model does not beat prompt length with confidence. The difference is"
            f" {difference.value:+.3f} APGR, and its 95% interval {interval} reaches down to 0 or"
            " below. More labels make it narrower; labels of prompts that differ more make the"
            " difference larger."
        )
