"""JT20 Proposition 4.4: which direction deep linear networks go to, as a whole and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20.directions import fewest
from workbench.claims.jt20.late import LINEAR, THREE_LAYERS, Case, LateRun, late_runs
from workbench.claims.lab import Lab
from workbench.claims.limits import FEWEST, RATIO, last_ratio, limits_at_two_depths
from workbench.theory.margin.svm import HardMargin, hard_margin_svm
from workbench.theory.margin.tangent_svm import angle_between

DEEP: Mapping[Size, tuple[Case, ...]] = {
    "quick": (THREE_LAYERS,),
    "full": (
        THREE_LAYERS,
        ("2 linear layers", 2.0, True, (*LINEAR, "model.depth=2", "data.d=5")),
        ("4 linear layers", 4.0, True, (*LINEAR, "model.depth=4", "data.d=2")),
    ),
}


@dataclass(frozen=True, eq=False)
class Product:
    """A deep linear flow by doublings of ln(1/𝓛), as long as they are resolved: `angle`, degrees between the
    product's row and ū; `apart`, ‖A_j/‖A_j‖ − v_j v_{j−1}ᵀ‖ of every layer, v_0 = ū and v_j =
    A_j v_{j−1}/‖A_j v_{j−1}‖; `lengths` of the path of θ/‖θ‖, on which the v_j settle too."""

    name: str
    angle: Float[np.ndarray, " K"]
    apart: tuple[Float[np.ndarray, " k"], ...]
    lengths: Float[np.ndarray, " k"]
    svm_gap: float


def experiment(lab: Lab, size: Size) -> tuple[list[Product], Path | None]:
    """Flows of deep linear networks on separable data that need not have d support vectors."""
    runs = late_runs(lab, size, DEEP[size])
    return [_product(run) for run in runs], runs[0].run.folder if runs else None


def _product(run: LateRun) -> Product:
    svm = hard_margin_svm(run.risk.y[:, None] * run.risk.x)
    if not isinstance(svm, HardMargin):
        raise ValueError("the samples of this claim are separable")
    angle, apart = [], []
    for theta in run.theta:
        layers = [run.run.structure.view(theta, p.name) for p in run.run.structure.parameters]
        product = np.linalg.multi_dot(layers[::-1])[0] if len(layers) > 1 else layers[0][0]
        angle.append(angle_between(product, svm.direction))
        apart.append(off_chain(layers, svm.direction))
    columns = np.array(apart).T
    return Product(
        run.name,
        np.degrees(run.resolved(np.array(angle))),
        tuple(run.resolved(column) for column in columns),
        run.lengths(),
        svm.gap,
    )


def off_chain(layers: Sequence[Array], first: Float[np.ndarray, " d"]) -> Float[np.ndarray, " m"]:
    """‖A_j/‖A_j‖ − v_j v_{j−1}ᵀ‖_F of every layer for the chain of v_j that starts at v_0; ∞ once it ends."""
    apart = np.full(len(layers), np.inf)
    v = first
    for j, layer in enumerate(layers):
        out = layer @ v
        size = float(np.linalg.norm(out))
        if not size > 0:
            break
        out = out / size
        apart[j] = np.linalg.norm(layer / np.linalg.norm(layer) - np.outer(out, v))
        v = out
    return apart


def measure(products: Sequence[Product]) -> Measured:
    """What the product's angle and every layer's distance go to."""
    angles = [p.angle for p in products]
    layers = [column for p in products for column in p.apart]
    of_angles = [limits_at_two_depths(a) for a in angles]
    of_layers = [limits_at_two_depths(d) for d in layers]
    return Measured(
        {
            "doublings of ln(1/𝓛)": fewest(p.lengths for p in products),
            "path in a doubling over the one before, last three": most(
                last_ratio(p.lengths) for p in products
            ),
            "product to ū: limit of the angle over the fit's error": most(
                fit.above_zero for pair in of_angles for fit in pair
            ),
            "product to ū: the fit's error over the angle": most(
                deep.loose for deep, _ in of_angles
            ),
            "a layer from v_j v_{j−1}ᵀ: limit over the fit's error": most(
                deep.above_zero for deep, _ in of_layers
            ),
            "a layer from v_j v_{j−1}ᵀ: the same at a quarter of ln(1/𝓛)": most(
                shallow.above_zero for _, shallow in of_layers
            ),
            "a layer from v_j v_{j−1}ᵀ: the fit's error over the distance": most(
                deep.loose for deep, _ in of_layers
            ),
            "SVM's duality gap": most(abs(p.svm_gap) for p in products),
        },
        {
            "angle of the product to ū, first, degrees": most(float(a[0]) for a in angles),
            "angle of the product to ū, last": most(float(a[-1]) for a in angles),
            "distance of a layer from v_j v_{j−1}ᵀ, first": most(float(d[0]) for d in layers),
            "distance of a layer from v_j v_{j−1}ᵀ, last": most(float(d[-1]) for d in layers),
            "limit of a layer's distance, at most": most(
                max(0.0, deep.value + deep.error) for deep, _ in of_layers
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Directions settle, ū is the product's, and every layer goes to its place in the chain from ū."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", FEWEST, ""),
        ("path in a doubling over the one before, last three", "<", RATIO, ""),
        ("product to ū: limit of the angle over the fit's error", "≤", 1.0, ""),
        ("product to ū: the fit's error over the angle", "<", 1.0, ""),
        ("a layer from v_j v_{j−1}ᵀ: limit over the fit's error", "≤", 1.0, ""),
        ("a layer from v_j v_{j−1}ᵀ: the same at a quarter of ln(1/𝓛)", "≤", 1.0, ""),
        ("a layer from v_j v_{j−1}ᵀ: the fit's error over the distance", "<", 1.0, ""),
        ("SVM's duality gap", "<", 1e-9, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-P4.4",
        paper="JT20",
        place="Proposition 4.4",
        statement="A deep linear network's product goes to the direction ū of the largest linear margin, "
        "and every layer over its norm to v_j v_{j−1}ᵀ with v_0 = ū.",
        method="The flow of deep linear networks on separable data to 10^−10,000,000; ū from the "
        "hard-margin SVM with its duality gap; v_j is the chain that starts at ū. Limits by Aitken's "
        "extrapolation, at two depths.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="layers",
    ),
)
