"""Trains the model that comes with FluxRouter.

Run `python -m fluxrouter_server.calibration.default_model` after a change to prompts or features.

It learns named features alone. The wording of written prompts is that of whoever wrote them, and
would mislead on real traffic; that they are long, or full of notation, or ask for code would not.
"""

import argparse
from pathlib import Path

import fluxrouter_server.routing
from fluxrouter_server.calibration.default_prompts import default_dataset
from fluxrouter_server.calibration.shipped import DEFAULT_MODEL_FILE
from fluxrouter_server.calibration.training import train
from fluxrouter_server.routing.model_file import write_model
from fluxrouter_server.routing.tier_model import TierModel

# Above the usual weight: judged labels tell kinds of tasks apart, and overstate how sure a dearer
# model's advantage is within one. With it plain questions go to the cheapest tier.
_COST_WEIGHT = 0.25

# A judged quality is the mean of many answers, where a measured label is one right or wrong answer.
_CERTAINTY = 40.0

_FACTS = {
    "source": "prompts written for FluxRouter, filled from templates",
    "label_kind": "judged by kind of task, not measured",
    "limits": "tells kinds of tasks apart; near chance within one kind: calibrate with own labels",
}


def train_default() -> TierModel:
    """Return the default model, trained from the written prompts."""
    return train(
        default_dataset(),
        name="default-v1",
        facts=_FACTS,
        cost_weight=_COST_WEIGHT,
        words=False,
        certainty=_CERTAINTY,
    )


def main() -> None:
    """Train the model and write it where the package keeps it, or to another path."""
    kept = Path(fluxrouter_server.routing.__path__[0]) / DEFAULT_MODEL_FILE
    parser = argparse.ArgumentParser(description="Train the default model from written prompts.")
    parser.add_argument("out", nargs="?", type=Path, default=kept, help="where to write it")
    out: Path = parser.parse_args().out
    out.write_bytes(write_model(train_default()))


if __name__ == "__main__":
    main()
