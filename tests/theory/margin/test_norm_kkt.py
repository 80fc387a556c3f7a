"""Certificates of (P) in other norms: exact solutions, brute force over multipliers and pairs, ℓ2's own."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.spectral import Spectral
from workbench.theory.margin import norm_kkt
from workbench.theory.margin.front import FrontSolver
from workbench.theory.margin.linear_margin import linear_margin
from workbench.theory.margin.norm_kkt import norm_certificate, weighted_certificate
from workbench.theory.margin.norm_pairs import divergence, pair_distance
from workbench.theory.margin.problem import MarginPoint

Z = np.array([[1, 0.2, -0.1], [0.3, 1, 0.4], [0.8, -0.5, 0.6], [0.2, 0.7, -0.3]])
EXACT = [L1(), LInf()]
NORMS = [*EXACT, Spectral(((1, 2), (2,)))]


def linear(w, z=Z):
    return MarginPoint.at(w, z @ w, z, 1.0)


def random_point(seed, m=5, p=4, order=1.0):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=p)
    z = rng.normal(size=(m, p))
    z *= np.sign(z @ w)[:, None]
    return MarginPoint.at(w, z @ w / order, z, order)


@pytest.mark.parametrize("norm", EXACT, ids=lambda n: n.symbol)
@pytest.mark.parametrize("z", [Z, random_point(0, 30, 8).rows], ids=["by hand", "drawn"])
def test_exact_solutions_are_kkt_points(norm, z):
    point = linear(7.0 * linear_margin(z, norm).w, z)
    found = norm_certificate(point, norm, 0.0)
    assert found.epsilon <= 1e-10
    assert found.delta <= 1e-10
    assert found.divergence <= 1e-12
    assert found.alignment == pytest.approx(1.0, abs=1e-14)
    pull = found.multipliers @ point.rows
    assert norm.dual(pull) == pytest.approx(norm.norm(point.theta), rel=1e-12)


@pytest.mark.parametrize("norm", EXACT, ids=lambda n: n.symbol)
def test_a_bit_off_the_solution_the_distance_is_as_small(norm):
    w = linear_margin(Z, norm).w
    for off in (1e-4, 1e-8, 1e-12):
        moved = w + off * np.array([0.3, -0.5, 0.2])
        assert norm_certificate(linear(moved), norm, np.inf).epsilon <= 50.0 * off


@pytest.mark.parametrize("norm", EXACT, ids=lambda n: n.symbol)
def test_the_solutions_of_other_norms_are_none(norm):
    for other in (L1(), L2(), LInf()):
        if other != norm:
            found = norm_certificate(linear(linear_margin(Z, other).w), norm, 1e-3)
            size = float(norm.norm(linear(linear_margin(Z, other).w).theta))
            assert found.epsilon > 0.05 * size
            assert found.divergence_low > 0.01 * size**2


def test_cuts_find_the_best_multipliers_of_l2_too():
    point = random_point(7)
    for delta in (0.3, np.inf):
        theirs = FrontSolver(point).solve(delta)
        found = norm_certificate(point, L2(), delta)
        assert found.epsilon == pytest.approx(theirs.epsilon, abs=1e-3 * point.norm)
        assert found.divergence == pytest.approx(0.5 * theirs.epsilon**2, abs=1e-6 * point.norm**2)


def test_spectral_solutions_of_one_row_are_those_of_l2():
    point = linear(linear_margin(Z, L2()).w)
    found = norm_certificate(point, Spectral(((1, 3),)), 0.0)
    assert found.divergence <= norm_kkt.CLOSE * point.norm**2
    assert found.alignment == pytest.approx(1.0, abs=2.0 * norm_kkt.CLOSE)
    assert found.multipliers == pytest.approx(FrontSolver(point).solve(0.0).multipliers, abs=1e-3)


@pytest.mark.parametrize("norm", NORMS, ids=lambda n: n.symbol)
@pytest.mark.parametrize("delta", [0.3, np.inf])
def test_no_multipliers_do_better(norm, delta):
    for seed in range(3):
        point = random_point(seed, order=2.0)
        found = norm_certificate(point, norm, delta)
        assert found.divergence_low <= found.divergence + 1e-9
        assert found.delta <= delta + 1e-9
        assert found.alignment <= 1.0 + 1e-12
        excess = np.maximum(point.q - 1.0, 1e-300)
        cap = np.minimum(delta / excess, 2.0 * float(norm.norm(point.theta)) ** 2 / point.q)
        drawn = np.random.default_rng(seed).uniform(size=(20_000, 5)) ** 2 * cap
        drawn[::2] *= np.random.default_rng(9).random((10_000, 5)) < 0.5
        g = drawn @ point.rows
        size, dual = float(norm.norm(point.theta)), norm.dual(g)
        d = 0.5 * (size**2 + dual**2) - g @ point.theta
        assert d.min() >= found.divergence_low - 1e-9
        assert found.divergence == pytest.approx(found.divergence_low, abs=1e-7 * size**2)
        if delta == np.inf:
            assert (
                g @ point.theta / np.maximum(dual * size, 1e-300)
            ).max() <= found.alignment + 1e-6


@pytest.mark.parametrize("norm", EXACT, ids=lambda n: n.symbol)
def test_cuts_and_the_whole_program_agree(norm, monkeypatch):
    point = random_point(3, 12, 9)
    whole = norm_certificate(point, norm, np.inf)
    monkeypatch.setattr(norm_kkt, "MOST_NUMBERS", 0)
    cut = norm_certificate(point, norm, np.inf)
    assert cut.divergence == pytest.approx(whole.divergence, abs=1e-7)
    assert cut.divergence_low == pytest.approx(whole.divergence_low, abs=1e-7)
    monkeypatch.setattr(norm_kkt, "MOST_CUTS", 2)
    few = norm_certificate(point, norm, np.inf)
    assert few.divergence_low <= whole.divergence <= few.divergence


def test_the_risk_gives_multipliers_of_the_whole_size():
    point = random_point(1)
    weights = np.exp(-3.0 * (point.q - point.q.min()))
    pull = weights @ point.rows
    found = weighted_certificate(point.theta, point.q, LInf(), -3.0 * point.q, pull)
    assert found.alignment == pytest.approx(
        pull @ point.theta / (np.abs(pull).sum() * np.abs(point.theta).max())
    )
    g = found.multipliers @ point.rows
    assert np.abs(g).sum() == pytest.approx(np.abs(point.theta).max())
    assert found.divergence == pytest.approx(
        np.abs(point.theta).max() ** 2 * (1.0 - found.alignment)
    )


# --- pairs ---


def exact_pairs(norm, count):
    """θ' and g' (k, 2) of the plane, g' ∈ ∂½‖θ'‖², of all directions and many sizes."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    u = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    share = np.linspace(0.0, 1.0, 41)[:, None]
    if isinstance(norm, LInf):
        u /= norm.norm(u)[:, None]
        smooth = [(d, np.eye(2)[i] * d) for d in u for i in [int(np.argmax(np.abs(d)))]]
        corners = [
            (np.tile(s, (41, 1)), np.hstack([share, 1 - share]) * s)
            for s in np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        ]
    else:
        u /= norm.norm(u)[:, None]
        smooth = [(d, np.sign(d)) for d in u if (np.abs(d) > 1e-9).all()]
        corners = [
            (
                np.tile(s * e, (41, 1)),
                np.where(e != 0, s, 0.0) + (2 * share - 1) * (e == 0),
            )
            for s in (1.0, -1.0)
            for e in np.eye(2)
        ]
    a = np.concatenate([np.array([d for d, _ in smooth]), *[c for c, _ in corners]])
    b = np.concatenate([np.array([g for _, g in smooth]), *[g for _, g in corners]])
    size = np.linspace(0.02, 3.0, 150)
    return (np.multiply.outer(size, a).reshape(-1, 2), np.multiply.outer(size, b).reshape(-1, 2))


@pytest.mark.parametrize("norm", EXACT, ids=lambda n: n.symbol)
def test_a_pair_lies_as_near_as_said(norm):
    theirs, others = exact_pairs(norm, 400)
    assert max(divergence(a, b, norm) for a, b in zip(theirs[::97], others[::97], strict=True)) <= (
        1e-12
    )
    rng = np.random.default_rng(0)
    for _ in range(40):
        theta, g = rng.normal(size=2), rng.normal(size=2)
        said = pair_distance(theta, g, norm)
        nearest = float((norm.norm(theirs - theta) + norm.dual(others - g)).min())
        # The grid is 0.02 fine.
        assert nearest - 0.08 <= said <= 2.0 * np.sqrt(divergence(theta, g, norm)) + 1e-12
        assert said <= 2.5 * nearest


@pytest.mark.parametrize("norm", [*EXACT, L2(), Spectral(((3, 2), (2, 2)))], ids=lambda n: n.symbol)
def test_exact_pairs_are_known_as_such(norm):
    rng = np.random.default_rng(2)
    for _ in range(5):
        g = rng.normal(size=10)
        theta = -float(norm.dual(g)) * norm.direction(g)
        assert divergence(theta, g, norm) <= 1e-12
        assert pair_distance(theta, g, norm) <= 1e-10
        off = 1e-6 * rng.normal(size=10)
        assert pair_distance(theta + off, g, norm) <= 30.0 * float(norm.norm(off))


def test_what_is_no_bound_is_refused():
    with pytest.raises(ValueError, match="δ must be at least 0"):
        norm_certificate(linear(np.ones(3)), LInf(), -1.0)
