"""JT20 Fig. 2 and 3: the margins of all examples while convolutional and residual networks train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from workbench.arrays import Float
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20_late import preset_config
from workbench.claims.kh24_checks import Bound, judged, least, most
from workbench.claims.lab import Lab

ACCURACY = 1e-8
"""Mean risk to which the figures' runs went, or below (App. A)."""
BY_NORM = "margins"
BY_MEDIAN = "margins_median_normalized"
"""The series of margins, with an order and without one."""
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
    normalized; `mean_risk` the least mean risk, natural log."""

    name: str
    depth: Float[np.ndarray, " T"]
    values: Float[np.ndarray, "T n"]
    log_mean_risk: float

    @property
    def halvings(self) -> Float[np.ndarray, " K"]:
        """The greatest ln(n/𝓛), its half, its quarter … as far as there are records; rising."""
        places = []
        depth = float(self.depth.max())
        while depth >= max(1.0, float(self.depth[0])):
            places.append(depth)
            depth /= 2.0
        return np.array(places[::-1])

    def windows(self) -> list[Float[np.ndarray, "t n"]]:
        """Records of every doubling of ln(n/𝓛)."""
        edges = self.halvings
        return [
            self.values[(self.depth > low) & (self.depth <= high)] for low, high in pairwise(edges)
        ]

    def means(self) -> list[Float[np.ndarray, " n"]]:
        """Every sample's mean margin in every doubling with a record: steps on batches jitter."""
        return [window.mean(axis=0) for window in self.windows() if len(window)]

    def changes(self) -> Float[np.ndarray, " k"]:
        """‖m_{k+1} − m_k‖/‖m_{k+1}‖ between doublings, each vector over its own mean: their shape."""
        shapes = [mean / abs(mean.mean()) for mean in self.means()]
        return np.array([np.linalg.norm(b - a) / np.linalg.norm(b) for a, b in pairwise(shapes)])

    def agreement(self) -> Float[np.ndarray, " k"]:
        """Spearman's rank correlation of the samples' order in every doubling with that in the last."""
        means = self.means()
        return np.array([float(spearmanr(mean, means[-1])[0]) for mean in means[:-1]])


def _run(
    lab: Lab, preset: str, series: str, cases: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[list[Margins], Path | None]:
    found, folder = [], None
    for name, settings in cases:
        config = preset_config(name, settings, preset)
        run = lab.train(config)
        folder = folder or run.folder
        right = np.flatnonzero(run.series["accuracy"] == 1.0)
        values = run.series[series]
        if not right.size or not np.isfinite(values[right[0] :]).all():
            continue
        log_n = float(np.log(values.shape[1]))
        depth = (log_n - run.log_risk)[right[0] :]
        # An axis that goes back shows nothing new.
        ahead = depth >= np.maximum.accumulate(depth)
        lowest = float(run.log_risk.min()) - log_n
        found.append(Margins(name, depth[ahead], values[right[0] :][ahead], lowest))
    return found, folder


def f2_experiment(lab: Lab, size: Size) -> tuple[list[Margins], Path | None]:
    """H-AlexNet on digits."""
    return _run(lab, "jt20-fig2", BY_NORM, ALEXNET[size])


def f3_experiment(lab: Lab, size: Size) -> tuple[list[Margins], Path | None]:
    """Residual networks on digits."""
    return _run(lab, "jt20-fig3", BY_MEDIAN, RESIDUAL[size])


def measure(runs: Sequence[Margins]) -> Measured:
    """How the margins' shape changes from doubling to doubling of ln(n/𝓛), and their order settles."""
    changes = [run.changes() for run in runs]
    agreement = [run.agreement() for run in runs]
    enough = all(len(c) >= 2 for c in changes) and bool(runs)
    nothing = float("nan")
    return Measured(
        {
            "mean risk, log10": most(run.log_mean_risk / np.log(10.0) for run in runs),
            "change in the last doubling over the first": most(c[-1] / c[0] for c in changes)
            if enough
            else nothing,
            "rank agreement with the last doubling, gain from first to last": least(
                a[-1] - a[0] for a in agreement
            )
            if enough
            else nothing,
        },
        {
            "doublings of ln(n/𝓛) without an error": float(
                min((len(run.halvings) - 1 for run in runs), default=0)
            ),
            **({"change in the last doubling": most(c[-1] for c in changes)} if enough else {}),
            **({"rank agreement, first": least(a[0] for a in agreement)} if enough else {}),
            **({"rank agreement, last": least(a[-1] for a in agreement)} if enough else {}),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """To the figure's accuracy; the later, the less the margins change and their order with them."""
    bounds: list[Bound] = [
        ("mean risk, log10", "≤", float(np.log10(ACCURACY)), ""),
        ("change in the last doubling over the first", "<", 1.0, ""),
        ("rank agreement with the last doubling, gain from first to last", "≥", 0.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-F2",
        paper="JT20",
        place="Figure 2a",
        statement="Against ln(n/𝓛) the normalized margins of all examples of the homogeneous AlexNet "
        "settle, and their order with them, on the way to a mean risk of 10^−8.",
        method="Handwritten digits (the paper: CIFAR-10), cross-entropy, SGD with steps ∝ 1/𝓛; margins' "
        "means over doublings of ln(n/𝓛), from the first record without an error on.",
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
