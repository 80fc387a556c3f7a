"""What claims share: bounds as tables, extremes that see NaN, and how a sequence falls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from workbench.arrays import Float
from workbench.claims.claim import Check, Measured, Relation

Bound = tuple[str, Relation, float, str]
"""(quantity, relation, bound, unit)."""

NEAR = 1.0
"""Degrees within which two directions count as one."""

NEAR_COSINE = 1.0 - float(np.cos(np.radians(NEAR)))
"""1 − cos of `NEAR`."""


def judged(measured: Measured, bounds: Sequence[Bound]) -> tuple[Check, ...]:
    """A check for every bound, in their order."""
    return tuple(
        Check(name, measured.quantities[name], relation, bound, unit)
        for name, relation, bound, unit in bounds
    )


def most(values: Iterable[float]) -> float:
    """The largest; NaN if any is NaN or there is none."""
    array = np.array(list(values), dtype=float)
    return float(array.max()) if array.size else float("nan")


def least(values: Iterable[float]) -> float:
    """The smallest; NaN if any is NaN or there is none."""
    return -most(-v for v in values)


def worst_ratio(values: Sequence[float]) -> float:
    """The largest v_{k+1}/v_k: below 1 exactly when a positive sequence falls throughout."""
    return most(b / a if a != 0 else float("nan") for a, b in pairwise(values))


def orders(steps: Sequence[float], values: Sequence[float]) -> Float[np.ndarray, " k"]:
    """Exponents p of values ∝ steps^p between neighbours; NaN where a value is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.diff(np.log(np.array(values))) / np.diff(np.log(np.array(steps)))


def degrees_between(
    a: Float[np.ndarray, "... p"], b: Float[np.ndarray, "... p"]
) -> Float[np.ndarray, "..."]:
    """The angle between unit vectors along the last axis, exact for small angles too."""
    chord = np.linalg.norm(a - b, axis=-1)
    return np.asarray(np.degrees(2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0))))


def on_circle(angle: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
    """Unit vectors at angles in radians."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
