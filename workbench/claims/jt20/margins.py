"""JT20 Fig. 2 and 3: the margins of all examples while convolutional and residual networks train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20.late import preset_config
from workbench.claims.lab import Lab, TrainedRun
from workbench.measures.margins import margins_median_normalized

ACCURACY = 1e-8
"""Mean risk to which the figures' runs went, or below (App. A)."""
AGREES = 0.9
"""Spearman's rank correlation from which on an order counts as kept: two white noises come to it in no
draw, and two orders that differ by a tenth of the samples' places are about there."""
SEEDS: Mapping[Size, int] = {"quick": 2, "full": 3}
"""Starts of every network: how far apart they end is what a movement is small against."""
SMALL = ("data.n=100", "data.classes=[0, 1, 2, 3]", "train.batch=50")

ALEXNET: Mapping[Size, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "quick": (
        (
            "H-AlexNet",
            (*SMALL, "model.channels=[4, 8]", "model.widths=[32, 24]", "train.steps=1500"),
        ),
    ),
    "full": (("H-AlexNet", ()),),
}
RESIDUAL: Mapping[Size, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "quick": (
        (
            "skips, biases, batch norm",
            (*SMALL, "model.width=16", "model.blocks=1", "train.steps=1500", "record.every=5"),
        ),
    ),
    "full": (
        ("skips, biases, batch norm", ()),
        ("skips, biases", ("model.batch_norm=false",)),
        ("skips, batch norm", ("model.biases=none",)),
    ),
}


@dataclass(frozen=True, eq=False)
class Margins:
    """Margins of a run from the first record without an error on: `depth` (T) = ln(n/𝓛), `values` (T, n)
    over the median of those that are not negative; `log_mean_risk` the least mean risk, natural log.
    `by_norm` (T, n): q_i/ρ^L of a homogeneous network."""

    depth: Float[np.ndarray, " T"]
    values: Float[np.ndarray, "T n"]
    log_mean_risk: float
    by_norm: Float[np.ndarray, "T n"] | None = None

    @property
    def halvings(self) -> Float[np.ndarray, " K"]:
        """The greatest ln(n/𝓛), its half, its quarter … as far as there are records; rising."""
        places = []
        depth = float(self.depth.max())
        while depth >= max(1.0, float(self.depth[0])):
            places.append(depth)
            depth /= 2.0
        return np.array(places[::-1])

    def means(self, values: Float[np.ndarray, "T n"]) -> list[Float[np.ndarray, " n"]]:
        """Every sample's mean margin in every doubling with a record: steps jitter, and where margins are
        nearly equal a single record's order is the jitter's."""
        windows = [
            values[(self.depth > low) & (self.depth <= high)]
            for low, high in pairwise(self.halvings)
        ]
        return [window.mean(axis=0) for window in windows if len(window)]

    def changes(self) -> Float[np.ndarray, " k"]:
        """How far the margins move from doubling to doubling."""
        return np.array([apart(a, b) for a, b in pairwise(self.means(self.values))])

    def agreement(self) -> Float[np.ndarray, " k"]:
        """Spearman's rank correlation of the samples' order in every doubling with that in the next."""
        return np.array([rank(a, b) for a, b in pairwise(self.means(self.values))])


@dataclass(frozen=True, eq=False)
class Starts:
    """The same network and samples from several starts."""

    name: str
    runs: tuple[Margins, ...]

    def spread(self) -> float:
        """How far apart the margins of two starts are in their last doublings, the two nearest."""
        last = [run.means(run.values)[-1] for run in self.runs]
        return least(apart(a, b) for a, b in combinations(last, 2))


def apart(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """‖b − a‖/‖b‖."""
    return float(np.linalg.norm(b - a) / np.linalg.norm(b))


def rank(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """Spearman's rank correlation."""
    return float(spearmanr(a, b)[0])


def _experiment(
    lab: Lab, size: Size, preset: str, cases: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[list[Starts], Path | None]:
    found, folder = [], None
    for name, settings in cases:
        runs = []
        for seed in range(SEEDS[size]):
            seeded = (*settings, f"init.seed={seed}")
            run = lab.train(preset_config(f"{name}, start {seed}", seeded, preset))
            folder = folder or run.folder
            margins = _margins(run)
            if margins is not None:
                runs.append(margins)
        if len(runs) == SEEDS[size]:
            found.append(Starts(name, tuple(runs)))
    return found if len(found) == len(cases) else [], folder


def _margins(run: TrainedRun) -> Margins | None:
    """What a run says of its margins; None where it never was without an error."""
    right = np.flatnonzero(run.series["accuracy"] == 1.0)
    if not right.size:
        return None
    late = slice(int(right[0]), None)
    by_norm = run.series["margins"][late] if "margins" in run.series else None
    # ρ^L cancels in the quotient, so that a homogeneous network's need not be recorded twice.
    values = (
        run.series["margins_median_normalized"][late]
        if by_norm is None
        else margins_median_normalized(by_norm)
    )
    log_n = float(np.log(values.shape[1]))
    depth = (log_n - run.log_risk)[late]
    if not np.isfinite(values).all():
        return None
    # An axis that goes back shows nothing new.
    ahead = depth >= np.maximum.accumulate(depth)
    return Margins(
        depth[ahead],
        values[ahead],
        float(run.log_risk.min()) - log_n,
        None if by_norm is None else by_norm[ahead],
    )


def f2_experiment(lab: Lab, size: Size) -> tuple[list[Starts], Path | None]:
    """H-AlexNet on digits."""
    return _experiment(lab, size, "jt20-fig2", ALEXNET[size])


def f3_experiment(lab: Lab, size: Size) -> tuple[list[Starts], Path | None]:
    """Residual networks on digits."""
    return _experiment(lab, size, "jt20-fig3", RESIDUAL[size])


def measure(found: Sequence[Starts]) -> Measured:
    """How the margins move from doubling to doubling of ln(n/𝓛), against starts, and keep their order."""
    runs = [run for starts in found for run in starts.runs]
    changes = [[run.changes() for run in starts.runs] for starts in found]
    nothing = float("nan")
    enough = bool(runs) and all(len(c) >= 2 for of_start in changes for c in of_start)
    names = (
        "mean risk, log10",
        "change in the last doubling over the first",
        "change in the last doubling over the least between two starts",
        "rank agreement of the last two doublings",
    )
    if not enough:
        return Measured(dict.fromkeys(names, nothing))
    spreads = [starts.spread() for starts in found]
    values = (
        most(run.log_mean_risk / np.log(10.0) for run in runs),
        most(c[-1] / c[0] for of_start in changes for c in of_start),
        most(
            c[-1] / spread
            for of_start, spread in zip(changes, spreads, strict=True)
            for c in of_start
        ),
        least(run.agreement()[-1] for run in runs),
    )
    normed = [run.means(run.by_norm) for run in runs if run.by_norm is not None]
    return Measured(
        dict(zip(names, values, strict=True)),
        {
            "doublings of ln(n/𝓛) without an error": float(
                min(len(run.halvings) - 1 for run in runs)
            ),
            "change in the last doubling": most(c[-1] for of_start in changes for c in of_start),
            "least between two starts": least(spreads),
            "rank agreement of the first two doublings": least(r.agreement()[0] for r in runs),
            "rank agreement of two starts": most(
                rank(a.means(a.values)[-1], b.means(b.values)[-1])
                for starts in found
                for a, b in combinations(starts.runs, 2)
            ),
            **(
                {"change of q_i/ρ^L in the last doubling": most(apart(*m[-2:]) for m in normed)}
                if normed
                else {}
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """To the figure's accuracy; the later, the less the margins move, less than from start to start, and
    their order stays."""
    bounds: list[Bound] = [
        ("mean risk, log10", "≤", float(np.log10(ACCURACY)), ""),
        ("change in the last doubling over the first", "<", 1.0, ""),
        ("change in the last doubling over the least between two starts", "<", 1.0, ""),
        ("rank agreement of the last two doublings", "≥", AGREES, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-F2",
        paper="JT20",
        place="Figure 2a",
        statement="Against ln(n/𝓛) the margins of all examples of the homogeneous AlexNet, over the median "
        "of those that are not negative, settle, and their order with them, on the way to a mean risk of "
        "10^−8.",
        method="Handwritten digits (the paper: CIFAR-10), cross-entropy, SGD with steps ∝ 1/𝓛, from several "
        "starts; margins' means over doublings of ln(n/𝓛), from the first record without an error on.",
        experiment=f2_experiment,
        measure=measure,
        criterion=criterion,
        figure="margins-ordered",
    ),
    Claim(
        id="JT20-F3",
        paper="JT20",
        place="Figures 2b and 3",
        statement="The same is seen of networks with skips, biases and batch normalization, outside the "
        "theory, with margins over the median of those that are not negative.",
        method="Small residual networks on handwritten digits (the paper: DenseNet-121 and ResNet-18 on "
        "CIFAR-10), as Figure 2a.",
        experiment=f3_experiment,
        measure=measure,
        criterion=criterion,
        figure="margins-ordered",
    ),
)
