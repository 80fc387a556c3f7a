"""JT20 Propositions 4.4 and 4.6: which direction deep linear and squared-ReLU networks go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20_late import LateRun, late_run, preset_config, ratio_over
from workbench.claims.kh24_checks import NEAR, Bound, judged, least, most
from workbench.claims.lab import Lab
from workbench.inspector.margin import margin_certificate
from workbench.inspector.state import InspectedState
from workbench.theory.linear_program import margin_program, squared_relu_features
from workbench.theory.margin_polish import Polished
from workbench.theory.ntk import angle_between
from workbench.theory.svm import HardMargin, hard_margin_svm

EXACT = 1e-8
"""Relative gap between a KKT point's margin and the program's value: the point's own residual is 1e−10."""

# --- Proposition 4.4 -------------------------------------------------------------------------------

LINEAR = ("model.kind=deep-linear", "init.kind=gaussian", "init.scale=0.3", "init.seed=1")
GAUSSIAN = ("data.kind=gaussian-separable", "data.n=40")
DEEP: Mapping[Size, tuple[tuple[str, float, tuple[str, ...]], ...]] = {
    "quick": (
        ("3 linear layers, logistic", 3.0, ("model.depth=3", "data.d=5", "loss.kind=logistic")),
    ),
    "full": (
        ("3 linear layers, logistic", 3.0, ("model.depth=3", "data.d=5", "loss.kind=logistic")),
        ("2 linear layers", 2.0, ("model.depth=2", "data.d=5")),
        ("4 linear layers", 4.0, ("model.depth=4", "data.d=2")),
    ),
}


@dataclass(frozen=True, eq=False)
class Product:
    """A deep linear flow by doublings of ln(1/𝓛): degrees between the product's row and ū, and
    max_j ‖A_j/‖A_j‖ − v_j v_{j−1}ᵀ‖, v_0 = ū and v_j = A_j v_{j−1}/‖A_j v_{j−1}‖."""

    name: str
    doublings: int
    angle: Float[np.ndarray, " K"]
    apart: Float[np.ndarray, " K"]
    svm_gap: float


def p44_experiment(lab: Lab, size: Size) -> tuple[list[Product], Path | None]:
    """Flows of deep linear networks on separable data that need not have d support vectors."""
    found, folder = [], None
    for name, order, settings in DEEP[size]:
        config = preset_config(name, (*LINEAR, "model.width=8", *GAUSSIAN, *settings))
        run = late_run(lab, name, config, smooth=True, order=order)
        if run is None:
            continue
        folder = folder or run.run.folder
        found.append(_product(run))
    return found, folder


def _product(run: LateRun) -> Product:
    svm = hard_margin_svm(run.risk.y[:, None] * run.risk.x)
    if not isinstance(svm, HardMargin):
        raise ValueError("the samples of this claim are separable")
    angle, apart = [], []
    for theta in run.theta:
        layers = [run.run.structure.view(theta, p.name) for p in run.run.structure.parameters]
        product = np.linalg.multi_dot(layers[::-1])[0] if len(layers) > 1 else layers[0][0]
        angle.append(np.degrees(angle_between(product, svm.direction)))
        apart.append(_off_rank_one(layers, svm.direction))
    return Product(
        run.name,
        len(run.doublings) - 1,
        run.at(np.array(angle)),
        run.at(np.array(apart)),
        svm.gap,
    )


def _off_rank_one(layers: Sequence[Array], first: Float[np.ndarray, " d"]) -> float:
    """max_j ‖A_j/‖A_j‖ − v_j v_{j−1}ᵀ‖_F for the chain of v_j that starts at v_0; ∞ where it ends."""
    worst, v = 0.0, first
    for layer in layers:
        out = layer @ v
        size = float(np.linalg.norm(out))
        if not size > 0:
            return float("inf")
        out = out / size
        worst = max(worst, float(np.linalg.norm(layer / np.linalg.norm(layer) - np.outer(out, v))))
        v = out
    return worst


def p44_measure(products: Sequence[Product]) -> Measured:
    """How the angle and the distance from rank one fall."""
    return Measured(
        {
            "doublings of ln(1/𝓛)": float(min((p.doublings for p in products), default=np.nan)),
            "angle of the product to ū over the one before": most(
                float(np.max(ratio_over(p.angle[-5:]))) for p in products
            ),
            "angle of the product to ū at the end": most(float(p.angle[-1]) for p in products),
            "distance of a layer from v_j v_{j−1}ᵀ over the one before": most(
                float(np.max(ratio_over(p.apart))) for p in products
            ),
            "SVM's duality gap": most(abs(p.svm_gap) for p in products),
        },
        {
            "angle of the product to ū at the first record": most(
                float(p.angle[0]) for p in products
            ),
            "distance of a layer from v_j v_{j−1}ᵀ, first": most(
                float(p.apart[0]) for p in products
            ),
            "distance of a layer from v_j v_{j−1}ᵀ, last": most(
                float(p.apart[-1]) for p in products
            ),
        },
    )


def p44_criterion(measured: Measured) -> tuple[Check, ...]:
    """ū is the product's direction, and every layer falls to the chain that starts there."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", 8, ""),
        ("angle of the product to ū over the one before", "<", 1.0, ""),
        ("angle of the product to ū at the end", "<", NEAR, "°"),
        ("distance of a layer from v_j v_{j−1}ᵀ over the one before", "<", 1.0, ""),
        ("SVM's duality gap", "<", 1e-9, ""),
    ]
    return judged(measured, bounds)


# --- Proposition 4.6 -------------------------------------------------------------------------------

SQUARED: Mapping[Size, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "quick": (("12 squared ReLU, exponential", ()),),
    "full": (
        ("12 squared ReLU, exponential", ()),
        ("12 squared ReLU, logistic", ("loss.kind=logistic", "init.seed=3")),
        ("12 squared ReLU, 40 inputs", ("data.n=40", "data.margin=0.25", "init.seed=4")),
    ),
}
LINE = (
    "data.kind=inline",
    "data.x=[[1.0], [0.8], [-0.6], [-0.9]]",
    "data.y=[1, 1, -1, -1]",
    "model.width=4",
    "init.kind=inline",
    "init.values={u = [[0.3], [0.25], [-0.2], [-0.35]]}",
)
"""On the line a neuron's direction is its sign and never turns: four neurons cover S⁰ with ε = 0."""


@dataclass(frozen=True, eq=False)
class Program:
    """The margin of a flow at doublings of ln(1/𝓛), and the linear program's value over the neurons'
    directions there; the same at the KKT point of (P) nearby; `cover` only where there is a cover."""

    name: str
    margin: Float[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]
    gap: float
    kkt_margin: float
    kkt_value: float
    kkt_residual: float
    cover: Cover | None


@dataclass(frozen=True)
class Cover:
    """The covering condition at the record t_0 where its ε is least, with the neurons' own last
    directions as θ̄; `value`: the greatest margin of any signed measure on the sphere, from above."""

    epsilon: float
    value: float


def p46_experiment(lab: Lab, size: Size) -> tuple[list[Program], Path | None]:
    """Flows of squared-ReLU neurons of either sign, in the plane and on the line."""
    found, folder = [], None
    for name, settings in (*SQUARED[size], ("4 squared ReLU on the line", LINE)):
        config = preset_config(name, settings)
        run = late_run(lab, name, config, smooth=True, order=2.0)
        if run is None:
            continue
        folder = folder or run.run.folder
        found.append(_program(run))
    return found, folder


def _program(run: LateRun) -> Program:
    margins = run.margins.min(axis=1)
    at = [int(np.searchsorted(run.depth, depth)) for depth in run.doublings]
    at = [min(row, len(run.depth) - 1) for row in at]
    solved = [margin_program(_features(run, run.theta[row])) for row in at]
    point = _polished(run)
    exact = margin_program(_features(run, point.theta))
    margin = float((_features(run, point.theta) @ _shares(run, point.theta)).min())
    return Program(
        run.name,
        margins[at],
        np.array([program.value for program in solved]),
        most(abs(program.gap) / program.value_above for program in [*solved, exact]),
        margin,
        exact.value,
        point.residual if point.found else float("nan"),
        _cover(run) if run.risk.x.shape[1] == 1 else None,
    )


def _features(run: LateRun, theta: Array) -> Float[np.ndarray, "n H"]:
    """φ_ij at the neurons' directions; 0 for a neuron that is 0."""
    u = run.run.structure.incoming(theta)
    size = np.linalg.norm(u, axis=1, keepdims=True)
    directions = np.divide(u, size, out=np.zeros_like(u), where=size > 0)
    signs = run.run.structure.neuron_signs(theta)
    return squared_relu_features(directions, signs, run.risk.x, run.risk.y)


def _shares(run: LateRun, theta: Array) -> Float[np.ndarray, " H"]:
    """s_j = ‖w_j‖²/‖W‖²."""
    square = np.sum(run.run.structure.incoming(theta) ** 2, axis=1)
    return square / square.sum()


def _polished(run: LateRun) -> Polished:
    """The KKT point of (P) next to the flow's last point."""
    state = InspectedState.of(
        run.risk, run.run.structure, run.theta[-1], order=run.order, learning_rate=1.0
    )
    found = margin_certificate(state).polished
    if found is None:
        raise ValueError("networks of this size are polished")
    return found


def _cover(run: LateRun) -> Cover:
    """ε on the line: how far a sign is from the nearest neuron's of either kind, and neurons from where
    they started; and the program's value over all of S⁰."""
    u = run.run.structure.incoming(run.theta)[..., 0]
    signs = run.run.structure.neuron_signs(run.theta[0])
    turned = float(np.abs(np.sign(u[0]) - np.sign(u[-1])).max())
    holes = [
        min(abs(float(np.sign(v)) - place) for v in u[0][signs == sign])
        for place in (-1.0, 1.0)
        for sign in (-1.0, 1.0)
    ]
    every = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    features = squared_relu_features(
        every, np.array([1.0, -1.0, 1.0, -1.0]), run.risk.x, run.risk.y
    )
    return Cover(max(turned, *holes), margin_program(features).value_above)


def p46_measure(programs: Sequence[Program]) -> Measured:
    """Gaps between margin and program, along the flow and at the KKT point; the global value."""
    gaps = [(p.value - p.margin) / p.value for p in programs]
    covered = [p for p in programs if p.cover is not None]
    return Measured(
        {
            "margin below the program's value, over the doubling before": most(
                float(np.max(ratio_over(gap))) for gap in gaps
            ),
            "KKT point: margin apart from the program's value": most(
                abs(p.kkt_value - p.kkt_margin) / p.kkt_value for p in programs
            ),
            "KKT point: residual": most(p.kkt_residual for p in programs),
            "program's duality gap": most(p.gap for p in programs),
            "cover: margin over the global value − 4ε": least(
                p.kkt_margin / (p.cover.value - 4.0 * p.cover.epsilon)
                for p in covered
                if p.cover is not None
            ),
        },
        {
            "margin below the program's value at the end": most(float(gap[-1]) for gap in gaps),
            "flow's margin below the KKT point's": most(
                1.0 - float(p.margin[-1]) / p.kkt_margin for p in programs
            ),
            "cover: ε": most(p.cover.epsilon for p in covered if p.cover is not None),
        },
    )


def p46_criterion(measured: Measured) -> tuple[Check, ...]:
    """The margin goes to the program's value; at the KKT point they are one, and no cover beats it."""
    bounds: list[Bound] = [
        ("margin below the program's value, over the doubling before", "<", 1.0, ""),
        ("KKT point: margin apart from the program's value", "<", EXACT, ""),
        ("KKT point: residual", "≤", 1e-10, ""),
        ("program's duality gap", "<", EXACT, ""),
        ("cover: margin over the global value − 4ε", "≥", 1.0 - EXACT, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-P4.4",
        paper="JT20",
        place="Proposition 4.4",
        statement="A deep linear network's product goes to the direction ū of the largest linear margin, "
        "and every layer over its norm to v_j v_{j−1}ᵀ with v_0 = ū.",
        method="The flow of deep linear networks on separable data to 10^−3000; ū from the hard-margin SVM "
        "with its duality gap; v_j is the chain that starts at ū.",
        experiment=p44_experiment,
        measure=p44_measure,
        criterion=p44_criterion,
        figure="norms",
    ),
    Claim(
        id="JT20-P4.6",
        paper="JT20",
        place="Proposition 4.6",
        statement="For squared ReLU with alternating signs the margin goes to the linear program's value "
        "over the limit directions; with directions that cover the sphere to ε, to the global value − 4ε "
        "at least.",
        method="The flow to 10^−3000 and the KKT point of (P) next to it; the program solved with both of "
        "its certificates. The cover: four neurons on the line, where ε = 0.",
        experiment=p46_experiment,
        measure=p46_measure,
        criterion=p46_criterion,
        figure="margins",
        erratum="The proposition sets θ̄_j = 0 for neurons whose share goes to 0, and asks all θ_j(t_0) to be "
        "within ε of θ̄_j: with one such neuron ε ≥ 1, and the bound says nothing for ‖x‖ ≤ 1. The "
        "neuron's own last direction is meant.",
    ),
)
