"""JT19's figures: one layer against many, two circles through the layers, dense layers of a ReLU network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import NEAR, Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt19.runs import (
    GAUSSIAN,
    SEEN,
    TENFOLD,
    Chain,
    chain,
    config,
    flow,
    line_angle,
    order,
)
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.toml import override, parse_config
from workbench.measures.mapped import mapped
from workbench.presets import read_preset

ORDER = 0.9
"""Share of an order that a fit over two tenfolds must show."""
ANGLE_SEEN = 1e-9

# --- Fig. 1 --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Depths:
    """The same samples for a network of several layers and for a linear predictor."""

    deep: Chain
    single: Chain


def _depths(
    lab: Lab, name: str, depth: int, data: Mapping[str, object], width: int
) -> tuple[Depths, Path | None]:
    deep = config(f"{name}, {depth} layers", depth, GAUSSIAN, flow(), data=data, width=width)
    single = config(f"{name}, 1 layer", 1, GAUSSIAN, flow(), data=data)
    found = Depths(chain(lab, deep), chain(lab, single))
    return found, found.deep.run.folder


def _between(evidence: Depths) -> list[float]:
    """Angles between the two predictors at equal risks, radians."""
    pairs = zip(evidence.deep.at(TENFOLD), evidence.single.at(TENFOLD), strict=False)
    return [
        float(line_angle(evidence.deep.product[[a]], evidence.single.product[b])[0])
        for a, b in pairs
    ]


def _toward_svm(evidence: Depths) -> float:
    """The larger angle of the two predictors to ū at the end, degrees."""
    runs = (evidence.deep, evidence.single)
    return most(float(np.degrees(line_angle(c.product[[-1]], c.svm.direction)[0])) for c in runs)


def _ratio_orders(case: Chain) -> float:
    """The least order of 1 − ‖W_k‖_2/‖W_k‖_F in ‖W_k‖_F."""
    at = case.at(TENFOLD)
    return least(
        order(list(case.norms[at, k]), list(case.off_rank1[at, k]), SEEN)
        for k in range(case.norms.shape[1])
    )


def _f1(lab: Lab, size: Size) -> tuple[Depths, Path | None]:
    data = parse_config(read_preset("jt19-fig1"), "jt19-fig1").data
    return _depths(lab, "JT19 Fig. 1", 4, data.model_dump(), 6 if size == "quick" else 16)


def f1_measure(evidence: Depths) -> Measured:
    """The angle between the predictors, to the SVM, and the ratios' approach to 1."""
    between = _between(evidence)
    return Measured(
        {
            "angle between the two predictors at 𝓡 = 1e−10,000": np.degrees(between[-1])
            if len(between) == len(TENFOLD)
            else float("nan"),
            "largest angle to ū at the end": _toward_svm(evidence),
            "1 − ‖W_k‖_2/‖W_k‖_F: order in ‖W_k‖_F, least": _ratio_orders(evidence.deep),
            "log10 of the risk at the end, largest": -least(
                c.fallen[-1] for c in (evidence.deep, evidence.single)
            ),
        },
        {
            "‖W_k‖_2/‖W_k‖_F at the start, least": float(1 - np.max(evidence.deep.off_rank1[0])),
            "‖W_k‖_2/‖W_k‖_F at the end, least": float(1 - np.max(evidence.deep.off_rank1[-1])),
        },
    )


def f1_criterion(measured: Measured) -> tuple[Check, ...]:
    """One direction, as near as two count as one; ratios go to 1 as Lemma 2.6 has them."""
    bounds: list[Bound] = [
        ("angle between the two predictors at 𝓡 = 1e−10,000", "≤", NEAR, "degrees"),
        ("largest angle to ū at the end", "≤", NEAR, "degrees"),
        ("1 − ‖W_k‖_2/‖W_k‖_F: order in ‖W_k‖_F, least", "≥", 2.0 * ORDER, ""),
        ("log10 of the risk at the end, largest", "≤", -TENFOLD[-1], ""),
    ]
    return judged(measured, bounds)


# --- Fig. 2 --------------------------------------------------------------------------------------


def _f2(lab: Lab, size: Size) -> tuple[Depths, Path | None]:
    data = parse_config(read_preset("jt19-fig2"), "jt19-fig2").data
    return _depths(lab, "JT19 Fig. 2", 3, data.model_dump(), 6 if size == "quick" else 16)


def f2_measure(evidence: Depths) -> Measured:
    """The second singular value of the mapped data over the first, and the line they collapse onto."""
    case = evidence.deep
    at, depth = case.at(TENFOLD), len(case.weights)
    structure, x = case.run.structure, case.data.x
    flat, line = [], []
    for k in range(1, depth):
        pictures = [mapped(case.run.theta[t], structure, x, k) for t in at]
        flat.append([p.flatness for p in pictures])
        ends = case.triples[k - 1][0][at, :, 0]
        line.append(
            [float(line_angle(p.axes[:1], u)[0]) for p, u in zip(pictures, ends, strict=True)]
        )
    sizes = list(np.min(case.norms[at], axis=1))
    return Measured(
        {
            "second singular value of the mapped data over the first: order in ‖W‖_F, least": least(
                order(sizes, row, SEEN) for row in flat
            ),
            "angle between the mapped data's line and u_k: order in ‖W‖_F, least": least(
                order(sizes, row, ANGLE_SEEN) for row in line
            ),
            "largest angle of a predictor to ū at the end": _toward_svm(evidence),
            "log10 of the risk at the end, largest": -least(
                c.fallen[-1] for c in (evidence.deep, evidence.single)
            ),
        },
        {
            "second over first singular value at the end, largest": most(row[-1] for row in flat)
            if at
            else float("nan"),
            "angle between line and u_k at the end, degrees, largest": most(
                np.degrees(row[-1]) for row in line
            )
            if at
            else float("nan"),
        },
    )


def f2_criterion(measured: Measured) -> tuple[Check, ...]:
    """Flat as σ_2/σ_1 ≤ √D/‖W_k‖_2 makes it, order 1; along span(u_k)."""
    bounds: list[Bound] = [
        (
            "second singular value of the mapped data over the first: order in ‖W‖_F, least",
            "≥",
            ORDER,
            "",
        ),
        ("angle between the mapped data's line and u_k: order in ‖W‖_F, least", "≥", ORDER, ""),
        ("largest angle of a predictor to ū at the end", "≤", NEAR, "degrees"),
        ("log10 of the risk at the end, largest", "≤", -TENFOLD[-1], ""),
    ]
    return judged(measured, bounds)


# --- Fig. 3 --------------------------------------------------------------------------------------

DENSE = 3
"""Fully connected layers of the network."""
NOISE_DRAWS = 200
STEPS: Mapping[Size, int] = {"quick": 2_000, "full": 12_000}
EQUAL_NORM = 1.0
"""As the paper's 4, which is small against its layers' default norms of 18 to 37: these have 1.8 to 3.7."""
HIDDEN = slice(0, DENSE - 1)
"""The last layer tells ten classes apart and needs nine directions: it is held to d^{−1/2} alone."""


@dataclass(frozen=True, eq=False)
class Dense:
    """A run of a convolutional network, with its dense layers."""

    run: TrainedRun

    @cached_property
    def ratios(self) -> Float[np.ndarray, "T m"]:
        """‖W_k‖_2/‖W_k‖_F of the dense layers."""
        found = []
        for matrix in self.shapes:
            w = self.run.structure.view(self.run.theta, matrix[0])
            finite = np.isfinite(w).all(axis=(1, 2))
            s = np.linalg.svd(np.where(finite[:, None, None], w, 0.0), compute_uv=False)
            with np.errstate(invalid="ignore"):
                found.append(np.where(finite, s[:, 0], np.nan) / np.sqrt(np.sum(s * s, axis=1)))
        return np.stack(found, axis=1)

    @property
    def shapes(self) -> list[tuple[str, int, int]]:
        """(parameter, rows, columns) of the dense layers."""
        matrices = [layer.matrix for layer in self.run.structure.layers]
        return [(m.parameter, *m.shape) for m in matrices if m is not None]

    def noise(self) -> Float[np.ndarray, " m"]:
        """The largest ratio of `NOISE_DRAWS` Gaussian matrices of each shape."""
        rng = np.random.default_rng(0)
        found = []
        for _, rows, columns in self.shapes:
            w = rng.standard_normal((NOISE_DRAWS, rows, columns))
            s = np.linalg.svd(w, compute_uv=False)
            found.append(np.max(s[:, 0] / np.sqrt(np.sum(s * s, axis=1))))
        return np.array(found)


def _f3(lab: Lab, size: Size) -> tuple[list[Dense], Path | None]:
    found = []
    for name, norm in (("default start", 0.0), ("equal norms", EQUAL_NORM)):
        settings = [
            f'name="JT19 Fig. 3, {name}"',
            f"init.frobenius={norm}",
            "model.channels=[4,6]",
            "model.widths=[40,30]",
            f"train.steps={STEPS[size]}",
            "train.batch=50",
            f"record.every={STEPS[size] // 20}",
            "record.theta=true",
            "device.kind=cpu",
            "checkpoint.keep=1",
        ]
        values = override(read_preset("jt19-fig3"), settings)
        found.append(Dense(lab.train(parse_config(values, "JT19-F3"))))
    return found, found[0].run.folder


def f3_measure(evidence: Sequence[Dense]) -> Measured:
    """Ratios at the end against the start, the lower bound d^{−1/2} and what noise alone has."""
    first = [c.ratios[0] for c in evidence]
    last = [c.ratios[-1] for c in evidence]
    lower = [np.array([min(r, c) ** -0.5 for _, r, c in case.shapes]) for case in evidence]
    names = ("default", "equal norms")
    return Measured(
        {
            "‖W_k‖_2/‖W_k‖_F over d^{−1/2} at the end, least": least(
                np.min(a / b) for a, b in zip(last, lower, strict=True)
            ),
            "hidden layers: ‖W_k‖_2/‖W_k‖_F at the end over the start, least": least(
                np.min((a / b)[HIDDEN]) for a, b in zip(last, first, strict=True)
            ),
            "hidden layers: ‖W_k‖_2/‖W_k‖_F at the end over the largest of noise, least": least(
                np.min((a / case.noise())[HIDDEN]) for a, case in zip(last, evidence, strict=True)
            ),
            "fall of log10 of the risk, least": least(
                (c.run.log_risk[0] - c.run.log_risk[-1]) / np.log(10.0) for c in evidence
            ),
        },
        {
            f"{name}: dense layer {k + 1}, ‖W‖_2/‖W‖_F at the {when}": float(values[k])
            for name, begin, end in zip(names, first, last, strict=False)
            for when, values in (("start", begin), ("end", end))
            for k in range(len(values))
        },
    )


def f3_criterion(measured: Measured) -> tuple[Check, ...]:
    """Above d^{−1/2}, which any matrix meets, the hidden ones above the start and above chance too."""
    bounds: list[Bound] = [
        ("‖W_k‖_2/‖W_k‖_F over d^{−1/2} at the end, least", "≥", 1.0, ""),
        ("hidden layers: ‖W_k‖_2/‖W_k‖_F at the end over the start, least", "≥", 1.0, ""),
        (
            "hidden layers: ‖W_k‖_2/‖W_k‖_F at the end over the largest of noise, least",
            "≥",
            1.0,
            "",
        ),
        ("fall of log10 of the risk, least", "≥", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-F1",
        paper="JT19",
        place="Figure 1",
        statement="Networks of four layers and of one converge to the same maximum-margin predictor, and "
        "every layer's ‖W_k‖_2/‖W_k‖_F goes to 1 as the risk falls.",
        method="Gradient flow from Gaussian starts to a risk of 1e−10,000, 40 separable points in the plane.",
        experiment=_f1,
        measure=f1_measure,
        criterion=f1_criterion,
        figure="layers",
    ),
    Claim(
        id="JT19-F2",
        paper="JT19",
        place="Figure 2",
        statement="Two circles mapped through more and more layers of a 3-layer linear network collapse onto "
        "the span of u_k.",
        method="Gradient flow from a Gaussian start to a risk of 1e−10,000, 100 points on two circles.",
        experiment=_f2,
        measure=f2_measure,
        criterion=f2_criterion,
        figure="mapped",
    ),
    Claim(
        id="JT19-F3",
        paper="JT19",
        place="Figure 3",
        statement="The dense layers of a convolutional ReLU network end with ‖W_k‖_2/‖W_k‖_F above d^{−1/2}, "
        "the hidden ones above their start and above noise, from the default start and from equal norms.",
        method="Stochastic gradient descent on the 8×8 digits, H-AlexNet's shape in small, for the paper's "
        "AlexNet on CIFAR-10.",
        experiment=_f3,
        measure=f3_measure,
        criterion=f3_criterion,
        figure="layers",
    ),
)
