"""KH24 Appendix G: KKT points of the constrained NCF in closed form.

No training: the enumerations of `workbench.theory` against the paper's formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.theory.ncf.certificate import certify
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktSet

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
LEAKS = (0.0, 0.1, 0.5)
EXACT = 1e-7
"""Enumerated positions are good to 1e−8; ten times that counts as the same point."""
OFF = 1e-3
"""Chords above this cannot be rounding."""
TRIALS: dict[Size, range] = {"quick": range(2), "full": range(10)}
DIMENSIONS: dict[Size, tuple[int, ...]] = {"quick": (2, 3), "full": (2, 3, 4)}
HALF = 6
"""Inputs of half a symmetric data set."""


@dataclass(frozen=True, eq=False)
class Symmetric:
    """x (m, d) and y (m) of half a data set mirrored at 0, its leak and the KKT points enumerated.

    `found` for the mirrored labels of the claim, `printed` for those of the paper.
    """

    x: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, " m"]
    leak: float
    found: KktSet
    printed: KktSet | None = None


def mirrored(x: Array, y: Array, sign: float) -> tuple[Array, Array]:
    """{(x_i, y_i)} ∪ {(−x_i, sign y_i)}."""
    return np.vstack([x, -x]), np.concatenate([y, sign * y])


def _halves(size: Size) -> list[tuple[Array, Array]]:
    """Gaussian half data sets, seeded, of every dimension."""
    sets = []
    for d in DIMENSIONS[size]:
        for seed in TRIALS[size]:
            rng = np.random.default_rng([seed, d])
            sets.append((rng.standard_normal((HALF, d)), rng.standard_normal(HALF)))
    return sets


# --- G.1: squared leaky ReLU ---------------------------------------------------------------------


def g1_evidence(size: Size, sign: float = 1.0) -> list[Symmetric]:
    """Enumerations with labels y_i on the mirror (`sign` 1), and with the printed −y_i."""
    return [
        Symmetric(
            x,
            y,
            leak,
            kkt_points(Ncf(*mirrored(x, y, sign), SQUARED, leak)),
            kkt_points(Ncf(*mirrored(x, y, -1.0), SQUARED, leak)),
        )
        for x, y in _halves(size)
        for leak in LEAKS
    ]


def g1_measure(evidence: Sequence[Symmetric]) -> Measured:
    """Both sets against the eigenvectors of Σ y_i x_i x_iᵀ."""
    gaps = [_g1_gaps(case) for case in evidence]
    return Measured(
        {
            "KKT points off the eigenvectors": most(g[0] for g in gaps),
            "eigenvectors off the KKT points": most(g[1] for g in gaps),
            "N over (1+α²) times the eigenvalue, off 1 by": most(g[2] for g in gaps),
            "sets not known to be complete": float(sum(not c.found.complete for c in evidence)),
            "with printed labels, least distance": least(g[3] for g in gaps),
        },
        {"data sets": float(len(gaps))},
    )


def _g1_gaps(case: Symmetric) -> tuple[float, float, float, float]:
    """(points to eigenvectors, eigenvectors to points, value error, the second as printed)."""
    values, vectors = np.linalg.eigh((case.x.T * case.y) @ case.x)
    exact = np.vstack([vectors.T, -vectors.T])
    to_exact, to_found, nearest = _hausdorff(case.found.directions, exact)
    wanted = (1.0 + case.leak**2) * np.concatenate([values, values])[nearest]
    error = most(np.abs(case.found.values / wanted - 1.0))
    printed = float("nan")
    if case.printed is not None:
        printed = _hausdorff(case.printed.directions, exact)[1]
    return to_exact, to_found, error, printed


def _hausdorff(found: Array, exact: Array) -> tuple[float, float, Array]:
    """(largest distance found → exact, exact → found, index of the nearest exact to each found)."""
    if len(found) == 0:
        return float("nan"), float("nan"), np.zeros(0, dtype=np.int64)
    gap = np.linalg.norm(found[:, None] - exact[None], axis=2)
    return float(gap.min(axis=1).max()), float(gap.min(axis=0).max()), gap.argmin(axis=1)


def g1_criterion(measured: Measured) -> tuple[Check, ...]:
    """The same set up to rounding; another one with the printed labels."""
    bounds: list[Bound] = [
        ("KKT points off the eigenvectors", "<", EXACT, ""),
        ("eigenvectors off the KKT points", "<", EXACT, ""),
        ("N over (1+α²) times the eigenvalue, off 1 by", "<", EXACT, ""),
        ("sets not known to be complete", "=", 0.0, ""),
        ("with printed labels, least distance", "≥", OFF, ""),
    ]
    return judged(measured, bounds)


# --- G.2: two-layer leaky ReLU -------------------------------------------------------------------


def g2_evidence(size: Size, sign: float = -1.0) -> list[Symmetric]:
    """Enumerations with labels −y_i on the mirror (`sign` −1)."""
    return [
        Symmetric(x, y, leak, kkt_points(Ncf(*mirrored(x, y, sign), TWO_LAYER, leak)))
        for x, y in _halves(size)
        for leak in LEAKS
    ]


def g2_measure(evidence: Sequence[Symmetric], v_squared: float = 0.5) -> Measured:
    """Enumerated against (±√v², ±q/(√2‖q‖)) and the flat set {v = 0, u ⊥ q}; v² is ½."""
    gaps = [_g2_gaps(case, v_squared) for case in evidence]
    printed = [_g2_gaps(case, np.sqrt(0.5)) for case in evidence]
    return Measured(
        {
            "KKT points with N ≠ 0 off the formula": most(g[0] for g in gaps),
            "formula off the KKT points": most(g[1] for g in gaps),
            "|N| over (1+α)‖q‖/2, off 1 by": most(g[2] for g in gaps),
            "KKT points with N = 0 off {v = 0, u ⊥ q}": most(g[3] for g in gaps),
            "{v = 0, u ⊥ q} off the flat set found": most(g[4] for g in gaps),
            "residual of members of {v = 0, u ⊥ q}": most(_flat_residual(c) for c in evidence),
            "sets not known to be complete": float(sum(not c.found.complete for c in evidence)),
            "with the printed v² = 1/√2, least distance": least(g[1] for g in printed),
        },
        {"data sets": float(len(gaps))},
    )


def _g2_gaps(case: Symmetric, v_squared: float) -> tuple[float, float, float, float, float]:
    """(found → formula, formula → found, value error, flat found → formula, and back)."""
    q = case.y @ case.x
    length, axis = float(np.linalg.norm(q)), q / np.linalg.norm(q)
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    exact = np.hstack([np.sqrt(v_squared) * signs[:, :1], np.sqrt(0.5) * signs[:, 1:] * axis[None]])
    top = 0.5 * (1.0 + case.leak) * length
    zero = np.abs(case.found.values) < EXACT * top
    to_exact, to_found, _ = _hausdorff(case.found.directions[~zero], exact)
    error = most(np.abs(np.abs(case.found.values[~zero]) / top - 1.0))
    flat = [p for p, is_zero in zip(case.found.points, zero, strict=True) if is_zero]
    members = [p.direction for p in flat]
    off = most(max(abs(float(w[0])), abs(float(w[1:] @ axis))) for w in members)
    rows = np.vstack(
        [p.extent.basis if p.extent and p.extent.basis is not None else p.direction for p in flat]
        or [np.full((1, len(q) + 1), np.nan)]
    )
    # What of {v = 0, u ⊥ q} the span of the flat set leaves out, and the other way round.
    wanted = np.hstack([np.zeros((len(q) - 1, 1)), _complement(axis)])
    missed = wanted - wanted @ np.linalg.pinv(rows) @ rows if np.isfinite(rows).all() else rows
    extra = rows - rows @ wanted.T @ wanted
    return (
        to_exact,
        to_found,
        error,
        most([off, most(np.abs(extra).ravel())]),
        most(np.linalg.norm(missed, axis=1)),
    )


def _complement(axis: Array) -> Array:
    """(d − 1, d) orthonormal rows orthogonal to a unit vector."""
    basis: Array = np.linalg.svd(axis[None])[2][1:]
    return basis


def _flat_residual(case: Symmetric) -> float:
    """Largest KKT residual of seeded members of {v = 0, u ⊥ q}, on the enumerated data."""
    basis = _complement(case.y @ case.x / np.linalg.norm(case.y @ case.x))
    u = np.random.default_rng(0).standard_normal((64, len(basis))) @ basis
    w = np.hstack([np.zeros((64, 1)), u / np.linalg.norm(u, axis=1, keepdims=True)])
    ncf = Ncf(*mirrored(case.x, case.y, -1.0), TWO_LAYER, case.leak)
    return float(certify(w, ncf).residual.max())


def g2_criterion(measured: Measured) -> tuple[Check, ...]:
    """The same set up to rounding, its flat part too; another one with the printed v²."""
    bounds: list[Bound] = [
        ("KKT points with N ≠ 0 off the formula", "<", EXACT, ""),
        ("formula off the KKT points", "<", EXACT, ""),
        ("|N| over (1+α)‖q‖/2, off 1 by", "<", EXACT, ""),
        ("KKT points with N = 0 off {v = 0, u ⊥ q}", "<", EXACT, ""),
        ("{v = 0, u ⊥ q} off the flat set found", "<", EXACT, ""),
        ("residual of members of {v = 0, u ⊥ q}", "<", EXACT, ""),
        ("sets not known to be complete", "=", 0.0, ""),
        ("with the printed v² = 1/√2, least distance", "≥", OFF, ""),
    ]
    return judged(measured, bounds)


# --- claims --------------------------------------------------------------------------------------


CLAIMS = (
    Claim(
        id="KH24-G1",
        paper="KH24",
        place="Appendix G.1",
        statement="For squared (leaky) ReLU and data mirrored at 0 the KKT points of the constrained "
        "NCF are the unit eigenvectors of Σ y_i x_i x_iᵀ, with N = (1+α²) times the eigenvalue.",
        method="All KKT points enumerated for seeded Gaussian data, leaks 0, 0.1, 0.5, against the "
        "eigenvectors; and again with the labels as printed.",
        experiment=untrained(g1_evidence),
        measure=g1_measure,
        criterion=g1_criterion,
        erratum="The paper labels the mirrored inputs −y_i. Then the sum over a pair is "
        "(1−α²) y s|s| with s = x·u, no quadratic form, and the eigenvectors are no KKT points. With "
        "labels y_i it is (1+α²) y s², and they are. (σ is to be max(s, αs)², not max(s, αs²).)",
    ),
    Claim(
        id="KH24-G2",
        paper="KH24",
        place="Appendix G.2",
        statement="For two-layer (leaky) ReLU and data mirrored with −y_i the KKT points are "
        "v = ±1/√2, u = ±q/(√2‖q‖), q = Σ y_i x_i, and the flat set v = 0, u ⊥ q.",
        method="All KKT points enumerated for seeded Gaussian data, leaks 0, 0.1, 0.5, against the "
        "formula; and the printed v² beside it.",
        experiment=untrained(g2_evidence),
        measure=g2_measure,
        criterion=g2_criterion,
        erratum="The paper prints v² = 1/√2; from λ² = ‖q‖² and (88) it is 1/2, as in the set printed "
        "right after. Equations (86) and (87) drop the factor 1+α: λ = ±(1+α)‖q‖.",
    ),
)
