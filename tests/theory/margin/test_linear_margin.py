"""The largest margin of linear predictors in ℓ1, ℓ2 and ℓ∞: by hand, by brute force, and its certificate."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.spectral import Spectral
from workbench.theory.margin.linear_margin import linear_margin
from workbench.theory.numerics.separability import Inseparable

Z = np.array([[1, 0.2, -0.1], [0.3, 1, 0.4], [0.8, -0.5, 0.6], [0.2, 0.7, -0.3]])
NORMS = [L1(), L2(), LInf()]


@pytest.mark.parametrize(
    ("norm", "w", "margin"),
    [
        (LInf(), [1, 1, 2 / 3], 0.7),
        (L1(), [2 / 3, 1 / 3, 0], 11 / 30),
        (L2(), [0.864768, 0.495149, 0.083687], 0.494452),
    ],
    ids=lambda v: getattr(v, "symbol", ""),
)
def test_four_samples_in_space(norm, w, margin):
    found = linear_margin(Z, norm)
    digits = 6e-7 if norm == L2() else 1e-15
    assert found.w == pytest.approx(w, abs=digits)
    assert found.margin == pytest.approx(margin, abs=digits)
    assert abs(found.gap) <= 1e-14


@pytest.mark.parametrize("norm", NORMS, ids=lambda n: n.symbol)
@pytest.mark.parametrize("seed", range(5))
def test_no_direction_of_the_plane_has_more(norm, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(7, 2)) + 1.5 * rng.normal(size=2)
    z *= np.where(z @ [1.0, 0.3] > 0, 1.0, -1.0)[:, None]
    angle = np.linspace(0.0, 2.0 * np.pi, 200_001)
    w = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    margins = (w @ z.T).min(axis=1) / norm.norm(w)
    found = linear_margin(z, norm)
    best = margins.max()
    assert best - 1e-14 <= found.margin <= best + 1e-4 * np.abs(z).max()
    assert norm.norm(found.w) == pytest.approx(1.0, abs=1e-15)
    assert (found.weights >= 0).all()
    assert abs(found.gap) <= 1e-13


@pytest.mark.parametrize("norm", NORMS, ids=lambda n: n.symbol)
@pytest.mark.parametrize(("n", "d"), [(60, 8), (20, 50)])
def test_certificates_meet_in_many_dimensions(norm, n, d):
    rng = np.random.default_rng(n)
    z = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-2, 2, size=d)
    z *= np.where(z @ rng.normal(size=d) > 0, 1.0, -1.0)[:, None]
    found = linear_margin(z, norm)
    assert found.margin > 0
    assert abs(found.gap) <= 1e-10
    assert found.margin == (z @ found.w).min() or norm == L2()
    assert found.margin_above == pytest.approx(norm.dual(found.weights @ z), rel=1e-12)


def test_what_has_no_such_margin():
    both = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert all(isinstance(linear_margin(both, norm), Inseparable) for norm in NORMS)
    with pytest.raises(ValueError, match=r"exact in ℓ1, ℓ2 and ℓ∞; given: spectral"):
        linear_margin(Z, Spectral(((1, 3),)))
    with pytest.raises(ValueError, match="one or more samples"):
        linear_margin(Z[:0], LInf())
