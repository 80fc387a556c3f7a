"""Steepest descent of homogeneous networks (Tsilivis et al. 2025): whose margin a rule raises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedMember
from workbench.claims.over_seeds import over_seeds
from workbench.study.source import load_study

SERIES: Mapping[str, str] = {
    "sign": "_linf",
    "coordinate": "_l1",
    "spectral": "_spectral",
    "normalized": "",
}
"""What the series of the norm that a rule is steepest in end with."""
SQUARED = ("model.kind=squared-relu", "model.signs=alternate", "init.scale=0.2")
NETWORKS: Mapping[Size, Mapping[str, tuple[str, ...]]] = {
    "quick": {"two-layer ReLU": ()},
    "full": {"two-layer ReLU": (), "squared ReLU": SQUARED},
}
SEEDS: Mapping[Size, range] = {"quick": range(5), "full": range(20)}
STEPS: Mapping[Size, int] = {"quick": 800, "full": 6_000}
LENGTHS: Mapping[Size, tuple[tuple[float, ...], float]] = {
    "quick": ((0.006, 0.06, 0.015, 10.0), 0.025),
    "full": ((0.001, 0.01, 0.0025, 10.0), 0.004),
}
"""Of a step in its rule's norm, as in `SERIES`; the normalized gradient's is the last."""
FALLEN = 0.01
"""Part of its whole rise by which γ~ may lie below an earlier value: explicit steps go to and fro across the
kinks along which the flow slides."""
SEPARATED = 0.5


@dataclass(frozen=True, eq=False)
class Seed:
    """Of one start. `margins` (4, 4): γ̄ at the end, a rule a row, a norm a column, both as in `SERIES`.
    `smoothed`: γ~ in its rule's norm of every rule, from the first record with 𝓛 < 1 on."""

    margins: Float[np.ndarray, "4 4"]
    smoothed: tuple[Float[np.ndarray, " T"], ...]


def experiment(lab: Lab, size: Size) -> tuple[Mapping[str, Sequence[Seed]], None]:
    """Study four-norms for every network, each rule from every start."""
    seeds, (lengths, normalized) = SEEDS[size], LENGTHS[size]
    found = {}
    for name, words in NETWORKS[size].items():
        study = load_study(
            "four-norms",
            [f"init.seed=range({seeds.start},{seeds.stop})"],
            [
                f"train.rule={','.join(SERIES)}",
                f"train.lr={','.join(map(str, lengths))}",
            ],
            [
                f"train.steps={STEPS[size]}",
                f"train.max_update={normalized}",
                "device.kind=cpu",
                *words,
            ],
        )
        found[name] = seeds_of(lab.study(study))
    return found, None


def seeds_of(members: Sequence[TrainedMember]) -> list[Seed]:
    """Members by their start; those that not every rule separates have margins that are not above 0."""
    by_seed: dict[int, dict[str, TrainedMember]] = defaultdict(dict)
    for member in members:
        by_seed[member.settings["init.seed"]][member.settings["train.rule"]] = member
    found = []
    for of_rule in by_seed.values():
        margins = [
            [of_rule[rule].series["margin_normalized" + end][-1] for end in SERIES.values()]
            for rule in SERIES
        ]
        smoothed = []
        for rule, end in SERIES.items():
            values = of_rule[rule].series["margin_smoothed" + end]
            above = np.flatnonzero(~(values > 0))
            smoothed.append(values[int(above[-1]) + 1 if len(above) else 0 :])
        found.append(Seed(np.array(margins), tuple(smoothed)))
    return found


SHARE = "starts that all rules separate, share, least"
FALL = "γ~ in the rule's norm below an earlier value, over its rise, largest"


def leads(rule: str) -> str:
    """The quantity of a rule."""
    return (
        f"ln of the margin in {rule}'s norm over the best of the other rules': 95 % interval from"
    )


def measure(networks: Mapping[str, Sequence[Seed]]) -> Measured:
    """Leads over seeds, the least over networks, and falls."""
    shares, falls = [], []
    lead: dict[str, list[float]] = defaultdict(list)
    means: dict[str, float] = {}
    for name, seeds in networks.items():
        known = [s for s in seeds if (s.margins > 0).all() and all(len(g) > 1 for g in s.smoothed)]
        shares.append(len(known) / len(seeds))
        falls += [drawdown(g) for s in known for g in s.smoothed]
        for column, rule in enumerate(SERIES):
            ahead = [
                float(
                    np.log(
                        s.margins[column, column] / np.delete(s.margins[:, column], column).max()
                    )
                )
                for s in known
            ]
            interval = over_seeds(np.array(ahead))
            lead[rule].append(interval.low)
            means[f"{name}, {rule}: mean of that ln"] = interval.mean
    return Measured(
        {
            SHARE: least(shares),
            FALL: most(falls),
            **{leads(rule): least(lead[rule]) for rule in SERIES},
        },
        {"starts": float(sum(map(len, networks.values()))), **means},
    )


def drawdown(values: Float[np.ndarray, " T"]) -> float:
    """How far a value lies below an earlier one, largest, over the last less the first."""
    if len(values) < 2:
        return float("nan")
    rise = float(values[-1] - values[0])
    down = float(np.max(np.maximum.accumulate(values) - values))
    return down / rise if rise > 0 else float("nan")


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Each rule leads in its own norm, and γ~ there does not fall."""
    bounds: list[Bound] = [
        (SHARE, "≥", SEPARATED, ""),
        (FALL, "≤", FALLEN, ""),
        *((leads(rule), "≥", 0.0, "") for rule in SERIES),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="TG25-MARGINS",
        paper="TG25",
        place="homogeneous networks, over many starts",
        statement="Of sign, coordinate, spectral and normalized gradient descent from the same start each "
        "ends with the largest margin in its own norm (ℓ∞, ℓ1, spectral, ℓ2), and γ~ = −log 𝓛/‖θ‖^L in that "
        "norm does not fall once 𝓛 < 1.",
        method="Study four-norms: two layers of ReLU, and squared ReLU, on separable data, every rule from "
        "every seed, in short steps of one length. Student's interval over seeds of ln of a rule's margin in "
        "its norm over the best of the other three there; the depth of γ~ below its earlier values.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
