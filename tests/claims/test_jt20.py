"""JT20's claims on real runs at the quick size, and broken dynamics that must fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, Remembering, Short
from workbench.claims import jt20_late, jt20_limits, jt20_surfaces
from workbench.claims.registry import CLAIMS
from workbench.record.figures.registry import FIGURES

T31, C32, T41 = CLAIMS["JT20-T3.1"], CLAIMS["JT20-C3.2"], CLAIMS["JT20-T4.1"]
P44, P46 = CLAIMS["JT20-P4.4"], CLAIMS["JT20-P4.6"]
F1, F2, F3 = CLAIMS["JT20-F1"], CLAIMS["JT20-F2"], CLAIMS["JT20-F3"]
ALL = (T31, C32, T41, P44, P46, F1, F2, F3)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("jt20"))


@pytest.fixture(scope="module")
def evidence(lab):
    """What each experiment gives, trained once."""
    known = {}

    def of(claim):
        if claim.id not in known:
            known[claim.id] = claim.experiment(lab, "quick")[0]
        return known[claim.id]

    return of


@pytest.mark.parametrize("claim", ALL, ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(claim, evidence):
    good = claim.measure(evidence(claim))
    wanted = "holds corrected" if claim is P46 else "holds"
    assert claim.verdict(claim.criterion(good)) == wanted
    assert_every_check_can_fail_alone(claim, good)
    assert claim.figure in FIGURES


@pytest.mark.parametrize("claim", ALL, ids=lambda c: c.id)
def test_no_run_that_gets_there_fails(claim):
    assert_fails(claim, None if claim is F1 else [])


# --- directions ------------------------------------------------------------------------------------


def turning(theta):
    """Two components circle, by the same angle in every doubling of the norm: no limit."""
    turn = 2.0 * np.log(np.linalg.norm(theta, axis=1))
    bent = theta.copy()
    bent[:, 0] = np.cos(turn) * theta[:, 0] - np.sin(turn) * theta[:, 1]
    bent[:, 1] = np.sin(turn) * theta[:, 0] + np.cos(turn) * theta[:, 1]
    return bent


def turning_faster(theta):
    """Directions that turn ever more in every doubling."""
    turn = 0.02 * np.linalg.norm(theta, axis=1)
    a, b = np.cos(turn)[:, None], np.sin(turn)[:, None]
    half = theta.shape[1] // 2
    left, right = theta[:, :half], theta[:, half : 2 * half]
    return np.concatenate([a * left - b * right, b * left + a * right], axis=1)


def test_directions_that_turn_for_ever_have_no_finite_length(lab):
    runs, _ = T31.experiment(Bent(lab, turning_faster), "quick")
    assert_fails(T31, runs, "path in a doubling", "still to come")
    assert_fails(C32, runs, "swings still to come")


def test_a_circling_direction_is_not_aligned(lab):
    runs, _ = T41.experiment(Bent(lab, turning), "quick")
    assert_fails(T41, runs, "angle")


def test_a_run_that_stops_early_fails(lab):
    for claim in (T31, C32, T41):
        runs, _ = claim.experiment(Short(lab, 0.6), "quick")
        assert_fails(claim, runs, "doublings")


def test_the_path_is_that_of_the_directions(evidence):
    run = evidence(T31)[0]
    unit = run.theta / np.linalg.norm(run.theta, axis=1, keepdims=True)
    slow = sum(float(np.linalg.norm(b - a)) for a, b in pairwise(unit))
    assert run.path[-1] == pytest.approx(slow, rel=1e-10)
    recorded = run.run.series["path_length"][run.rows]
    assert run.path[-1] == pytest.approx(recorded[-1] - recorded[0], rel=1e-10)
    np.testing.assert_allclose(run.margins, run.run.series["margins"][run.rows], rtol=1e-9)


def test_what_is_still_to_come_is_the_geometric_sum():
    values = 3.0 * 0.5 ** np.arange(6)
    tail = sum(3.0 * 0.5**k for k in range(6, 200))
    assert jt20_late.still_to_come(values) == pytest.approx(tail / values.sum(), rel=1e-12)
    assert jt20_late.still_to_come(values[::-1]) == np.inf
    assert np.isnan(jt20_late.still_to_come(values[:2]))


# --- limits ----------------------------------------------------------------------------------------


def other_layer(theta):
    """The first layer's rows in another order: rank one, but not the chain's."""
    bent = theta.copy()
    bent[:, :40] = np.roll(theta[:, :40].reshape(-1, 8, 5), 1, axis=2).reshape(-1, 40)
    return bent


def test_another_first_layer_does_not_go_to_the_svm(lab, evidence):
    products, _ = P44.experiment(Bent(lab, other_layer), "quick")
    if products:
        assert_fails(P44, products, "angle of the product")
    good = evidence(P44)
    assert_fails(P44, [replace(p, apart=p.apart[::-1]) for p in good], "v_j v_{j−1}ᵀ")
    assert_fails(P44, [replace(p, svm_gap=1e-3) for p in good], "duality gap")


def test_layers_of_full_rank_are_no_chain():
    first = np.array([1.0, 0.0])
    assert jt20_limits._off_rank_one([np.eye(2)], first) == pytest.approx(1 / np.sqrt(2), abs=0.4)
    v = np.array([0.6, 0.8])
    assert jt20_limits._off_rank_one([2.0 * np.outer(v, first), v[None]], first) < 1e-15


def test_shares_that_are_not_the_programs_fail(lab, evidence):
    good = evidence(P46)
    assert_fails(P46, [replace(p, margin=p.margin[::-1]) for p in good], "over the doubling before")
    assert_fails(
        P46,
        [replace(p, kkt_margin=0.99 * p.kkt_margin) for p in good],
        "KKT point: margin",
        "cover",
    )
    assert_fails(P46, [replace(p, kkt_residual=1e-3) for p in good], "KKT point: residual")


def test_the_cover_is_the_lines_and_its_value_the_games(evidence):
    """x = 0.8 and −0.6 hold: s 0.64 = (1 − s) 0.36 at the best."""
    line = next(p for p in evidence(P46) if p.cover is not None)
    assert line.cover.epsilon == 0.0
    assert line.cover.value == pytest.approx(0.64 * 0.36 / (0.64 + 0.36), rel=1e-12)


# --- figures ---------------------------------------------------------------------------------------


def test_surfaces_that_stand_still_or_wander_or_are_the_kernels_fail(evidence):
    good = evidence(F1)
    count = len(good.network)
    still = np.repeat(good.network[-1:], count, axis=0)
    assert_fails(F1, replace(good, network=still), "since zero error")
    rng = np.random.default_rng(0)
    wander = np.stack(
        [jt20_surfaces.over_rms(rng.standard_normal(good.kernel.shape)) for _ in range(count)]
    )
    assert_fails(F1, replace(good, network=wander), "from the kernel's surface")
    mixed = good.kernel + np.linspace(1.0, 0.0, count)[:, None, None] * (good.network - good.kernel)
    assert_fails(F1, replace(good, network=mixed), "from the kernel's surface")
    assert_fails(F1, replace(good, accuracy=0.99), "accuracy")


@pytest.mark.parametrize("claim", [F2, F3], ids=lambda c: c.id)
def test_margins_that_change_their_order_or_stop_early_fail(claim, evidence):
    good = evidence(claim)
    upturned = [
        replace(
            m,
            values=np.where(
                m.depth[:, None] > m.depth.max() / 2.0,
                2.0 * m.values.mean(axis=1, keepdims=True) - m.values,
                m.values,
            ),
        )
        for m in good
    ]
    assert_fails(claim, upturned, "change in the last doubling", "rank agreement")
    early = [replace(m, log_mean_risk=np.log(1e-6)) for m in good]
    assert_fails(claim, early, "mean risk")
