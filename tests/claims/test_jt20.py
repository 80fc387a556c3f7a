"""JT20's claims on real runs at the quick size, and evidence that refutes them, which must fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails, failing
from tests.claims.session_labs import Bent, Remembering, Short
from workbench.claims import limits
from workbench.claims.jt20 import cover as jt20_cover
from workbench.claims.jt20 import late as jt20_late
from workbench.claims.jt20 import margins as jt20_margins
from workbench.claims.jt20 import program as jt20_program
from workbench.claims.jt20 import saliency as jt20_saliency
from workbench.claims.jt20 import surfaces as jt20_surfaces
from workbench.claims.jt20.deep_linear import off_chain
from workbench.claims.jt20.directions import Aligned
from workbench.claims.registry import CLAIMS
from workbench.figures.registry import FIGURES
from workbench.measures.saliency import saliency_maps

T31, C32, T41 = CLAIMS["JT20-T3.1"], CLAIMS["JT20-C3.2"], CLAIMS["JT20-T4.1"]
P44, P46 = CLAIMS["JT20-P4.4"], CLAIMS["JT20-P4.6"]
F1, F2, F3 = CLAIMS["JT20-F1"], CLAIMS["JT20-F2"], CLAIMS["JT20-F3"]
SALIENCY = CLAIMS["JT20-SALIENCY"]
ALL = (T31, C32, T41, P44, P46, F1, F2, F3, SALIENCY)


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
    assert claim.verdict(claim.criterion(good)) == wanted, failing(claim, good)
    assert_every_check_can_fail_alone(claim, good)
    assert claim.figure in FIGURES


@pytest.mark.parametrize("claim", ALL, ids=lambda c: c.id)
def test_no_run_that_gets_there_fails(claim):
    nothing = {F1.id: None, P46.id: jt20_program.Found([], [])}
    assert_fails(claim, nothing.get(claim.id, []))


# --- directions ------------------------------------------------------------------------------------

K = np.arange(1, 25)
"""Doublings of what is made up below."""


class MadeUp:
    """A flow by its doublings alone."""

    def __init__(self, path=None, margins=None):
        self.path = 0.7**K if path is None else path
        self.margins = np.outer(0.5**K, np.ones(3)) if margins is None else margins

    def lengths(self):
        return self.path

    def swings(self):
        return self.margins


def aligned(angles):
    return [Aligned("made up", True, angles)]


def test_what_falls_geometrically_holds():
    for claim in (T31, C32):
        assert failing(claim, claim.measure([MadeUp()])) == []
    assert failing(T41, T41.measure(aligned(20.0 * 0.7**K))) == []


def test_increments_that_fall_like_1_over_k_have_no_finite_sum():
    assert_fails(T31, [MadeUp(path=1.0 / K)], "path in a doubling over the one before")
    assert_fails(T31, [MadeUp(), MadeUp(path=0.01 / K)], "path in a doubling")
    assert_fails(C32, [MadeUp(margins=np.outer(1.0 / K, np.ones(3)))], "swing of a margin")


def test_one_sample_whose_margin_never_settles_is_seen_among_many_that_do():
    """Its swings are a hundredth of the others' and fall like 1/k."""
    swings = np.outer(0.5**K, np.ones(200))
    swings[:, 17] = 0.01 / K
    assert np.all(np.diff(swings.mean(axis=1)) < 0)
    assert_fails(C32, [MadeUp(margins=swings)], "swing of a margin")


@pytest.mark.parametrize("offset", [0.01, np.degrees(0.01), 5.0])
@pytest.mark.parametrize(
    "falls", [1.0 / K, 20.0 * 0.7**K, 20.0 * 0.5**K], ids=["1/k", "0.7", "0.5"]
)
def test_an_angle_that_goes_to_more_than_0_fails(offset, falls):
    assert_fails(T41, aligned(offset + falls), "limit of the angle")


def test_an_angle_that_wanders_or_stands_still_fails():
    rng = np.random.default_rng(0)
    for turned in (rng.uniform(1.0, 2.0, K.size), np.full(K.size, 3.0)):
        assert_fails(T41, aligned(turned))


def turning_faster(theta):
    """Directions that turn by the same angle whenever ln ρ grows by as much: no limit."""
    turn = 0.2 * np.log(np.linalg.norm(theta, axis=1))
    a, b = np.cos(turn)[:, None], np.sin(turn)[:, None]
    half = theta.shape[1] // 2
    left, right = theta[:, :half], theta[:, half : 2 * half]
    rest = theta[:, 2 * half :]
    return np.concatenate([a * left - b * right, b * left + a * right, rest], axis=1)


def test_directions_that_turn_for_ever_settle_nowhere(lab):
    runs, _ = T31.experiment(Bent(lab, turning_faster), "quick")
    assert_fails(T31, runs, "path in a doubling")
    assert_fails(C32, runs, "swing of a margin")
    runs, _ = T41.experiment(Bent(lab, turning_faster), "quick")
    assert_fails(T41, runs)


def test_a_run_that_stops_early_fails(lab):
    for claim in (T31, C32, T41):
        runs, _ = claim.experiment(Short(lab, 0.6), "quick")
        assert_fails(claim, runs, "doublings")


def test_an_angle_that_a_coarser_tolerance_does_not_bear_out_is_left_out(evidence):
    """The quick flows at 10^−6 and 10^−7: what is kept falls, what is left out no longer does."""
    run = evidence(T31)[0]
    coarse = jt20_late.late_run(
        Remembering(run.run.folder.parent),
        "coarse",
        jt20_late.preset_config(
            "coarse", (*jt20_late.DEEPEST, "train.rtol=1e-6", *jt20_late.LOGISTIC[3])
        ),
        smooth=True,
        order=2.0,
    )
    kept, every = run.angles(coarse), run.fallen(run.angle)
    assert 9 < len(kept) < len(every)
    assert (np.diff(kept) < 0).all()
    assert every[-1] > 2.0 * kept[-1]


def test_the_path_is_that_of_the_directions(evidence):
    run = evidence(T31)[0]
    unit = run.theta / np.linalg.norm(run.theta, axis=1, keepdims=True)
    slow = sum(float(np.linalg.norm(b - a)) for a, b in pairwise(unit))
    assert run.path[-1] == pytest.approx(slow, rel=1e-10)
    recorded = run.run.series["path_length"][run.rows]
    assert run.path[-1] == pytest.approx(recorded[-1] - recorded[0], rel=1e-10)
    np.testing.assert_allclose(run.margins, run.run.series["margins"][run.rows], rtol=1e-9)


def test_what_is_still_to_come_bounds_the_geometric_sum():
    values = 3.0 * 0.5 ** np.arange(6)
    tail = sum(3.0 * 0.5**k for k in range(6, 200))
    assert limits.to_come(values) == pytest.approx(tail, rel=1e-12)
    assert limits.to_come(values + 0.1 * 0.3 ** np.arange(6)) > 0.99 * tail
    assert limits.to_come(values[::-1]) == np.inf
    assert np.isnan(limits.to_come(values[:3]))


def test_a_limit_is_found_and_its_error_is_honest():
    """Of two powers the fit leaves what the faster one adds, and says so."""
    k = np.arange(14)
    for a in (0.0, 0.3, -0.2):
        found = limits.geometric_limit(a + 2.0 * 0.7**k + 0.5 * 0.4**k)
        assert abs(found.value - a) <= found.error < 0.02
    assert np.isnan(limits.geometric_limit(np.ones(4)).value)
    assert np.isnan(limits.geometric_limit(np.ones(9)).above_zero)


# --- limits ----------------------------------------------------------------------------------------


def other_layer(theta):
    """The first layer's rows in another order: rank one, but not the chain's."""
    bent = theta.copy()
    bent[:, :40] = np.roll(theta[:, :40].reshape(-1, 8, 5), 1, axis=2).reshape(-1, 40)
    return bent


def test_layers_or_products_that_go_elsewhere_fail(lab, evidence):
    products, _ = P44.experiment(Bent(lab, other_layer), "quick")
    if products:
        assert_fails(P44, products, "product to ū")
    good = evidence(P44)
    for layer in range(3):
        shifted = [
            replace(p, apart=tuple(d + 0.01 * (j == layer) for j, d in enumerate(p.apart)))
            for p in good
        ]
        assert_fails(P44, shifted, "a layer from v_j v_{j−1}ᵀ: limit")
    assert_fails(P44, [replace(p, angle=p.angle + 0.01) for p in good], "product to ū: limit")
    slow = [replace(p, lengths=1.0 / np.arange(1, 25)) for p in good]
    assert_fails(P44, slow, "path in a doubling")
    assert_fails(P44, [replace(p, svm_gap=1e-3) for p in good], "duality gap")


def test_layers_of_full_rank_are_no_chain():
    first = np.array([1.0, 0.0])
    assert off_chain([np.eye(2)], first)[0] == pytest.approx(np.sqrt(2 - np.sqrt(2)))
    v = np.array([0.6, 0.8])
    assert off_chain([2.0 * np.outer(v, first), v[None]], first).max() < 1e-15
    crooked = off_chain([2.0 * np.outer(v, first), np.array([[1.0, 0.0]])], first)
    assert crooked[0] < 1e-15
    assert crooked[1] > 0.5


def test_margins_that_are_not_the_programs_fail(evidence):
    good = evidence(P46)
    above = [replace(p, value=1.001 * p.value) for p in good.programs]
    assert_fails(P46, replace(good, programs=above), "margin below the program's value: limit")
    below = [replace(p, kkt_margin=0.99 * p.kkt_margin) for p in good.programs]
    assert_fails(P46, replace(good, programs=below), "KKT point: margin")
    for factor in (0.99, 1.01):
        another = [
            replace(p, kkt_margin=factor * p.kkt_margin, kkt_value=factor * p.kkt_value)
            for p in good.programs
        ]
        assert_fails(P46, replace(good, programs=another), "KKT point's value off the flow's")
    rough = [replace(p, kkt_residual=1e-3) for p in good.programs]
    assert_fails(P46, replace(good, programs=rough), "KKT point: residual")


def test_covers_that_miss_their_bound_or_are_none_fail(evidence):
    good = evidence(P46)
    for cover in good.covers:
        short = replace(cover, margin=cover.margin / cover.margin[-1] * 0.99 * cover.bound)
        assert_fails(P46, replace(good, covers=[short]), "above the margin")
        wide = replace(cover, epsilon=cover.value / 4.0)
        assert_fails(P46, replace(good, covers=[wide]), "4ε over the global value")


def test_the_covers_are_of_the_line_and_the_circle(evidence):
    """x = 0.8 and −0.6 hold on the line: s 0.64 = (1 − s) 0.36 at the best; four equal samples on the
    circle share 1."""
    line, circle = evidence(P46).covers
    assert line.epsilon == 0.0
    assert line.value == pytest.approx(0.64 * 0.36 / (0.64 + 0.36), rel=1e-12)
    assert 2.0 * np.sin(np.pi / 64 / 2.0) <= circle.epsilon < 1.1 * np.pi / 64
    assert 0.25 <= circle.value < 0.25 + 1e-5


def test_holes_and_the_greatest_margin_are_those_of_slow_searches():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-np.pi, np.pi, 9)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    every = 2.0 * np.pi * np.arange(20_000) / 20_000
    sphere = np.column_stack([np.cos(every), np.sin(every)])
    slow = np.linalg.norm(sphere[:, None] - directions[None], axis=-1).min(axis=1).max()
    assert jt20_cover.hole(directions) == pytest.approx(slow, abs=1e-3)
    assert jt20_cover.hole(directions[:1]) == pytest.approx(2.0)
    assert jt20_cover.hole(np.array([[1.0]])) == 2.0
    x = 0.9 * directions[:5]
    y = np.sign(rng.standard_normal(5))
    value = jt20_cover.greatest_margin(x, y)
    for _ in range(200):
        shares = rng.dirichlet(np.full(40, 0.2))
        at = rng.uniform(-np.pi, np.pi, 40)
        signed = shares * rng.choice([-1.0, 1.0], 40)
        nodes = np.column_stack([np.cos(at), np.sin(at)])
        assert (y * (np.maximum(x @ nodes.T, 0.0) ** 2 @ signed)).min() <= value


# --- figures ---------------------------------------------------------------------------------------


def course(good, surfaces):
    return replace(good, network=replace(good.network, surfaces=surfaces))


def test_surfaces_that_stand_still_or_wander_or_are_the_kernels_fail(evidence):
    good = evidence(F1)
    network = good.network.surfaces
    count = len(network)
    assert_fails(F1, course(good, np.repeat(network[-1:], count, axis=0)), "moved since zero error")
    rng = np.random.default_rng(0)
    wander = np.stack(
        [jt20_surfaces.over_rms(rng.standard_normal(good.kernel.shape)) for _ in range(count)]
    )
    assert_fails(F1, course(good, wander), "moved since zero error")
    mixed = good.kernel + np.linspace(1.0, 0.0, count)[:, None, None] * (network - good.kernel)
    assert_fails(F1, course(good, mixed), "over the control's distance")
    wrong = replace(good, network=replace(good.network, accuracy=0.99))
    assert_fails(F1, wrong, "accuracy")


def test_a_network_that_stays_in_the_kernel_regime_fails(evidence):
    """The control in the network's place goes to the kernel's surface, however much it moves on the way."""
    good = evidence(F1)
    assert_fails(F1, replace(good, network=good.control), "over the control's distance")


@pytest.mark.parametrize("claim", [F2, F3], ids=lambda c: c.id)
def test_margins_that_change_their_order_or_stop_early_fail(claim, evidence):
    good = evidence(claim)

    def altered(change):
        return [replace(s, runs=tuple(map(change, s.runs))) for s in good]

    def upturned(m):
        late = m.depth[:, None] > m.depth.max() / 2.0
        return replace(
            m,
            values=np.where(late, 2.0 * m.values.mean(axis=1, keepdims=True) - m.values, m.values),
        )

    assert_fails(claim, altered(upturned), "change in the last doubling", "rank agreement")
    early = altered(lambda m: replace(m, log_mean_risk=np.log(1e-6)))
    assert_fails(claim, early, "mean risk")
    same = [replace(s, runs=(s.runs[0],) * 2) for s in good]
    assert_fails(claim, same, "between two starts")


def test_white_noise_settles_in_no_draw():
    depth = np.geomspace(3.0, 100.0, 200)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        runs = tuple(
            jt20_margins.Margins(depth, 1.0 + 0.3 * rng.standard_normal((200, 100)), np.log(1e-30))
            for _ in range(2)
        )
        measured = F2.measure([jt20_margins.Starts("noise", runs)])
        assert "rank agreement of the last two doublings" in failing(F2, measured), seed


def test_margins_are_over_the_median_of_those_not_negative(evidence):
    for claim in (F2, F3):
        for starts in evidence(claim):
            for run in starts.runs:
                middle = [np.median(row[row >= 0]) for row in run.values]
                np.testing.assert_allclose(middle, 1.0, rtol=1e-12)


# --- saliency maps ---------------------------------------------------------------------------------


def test_saliency_maps_are_the_outputs_slopes(evidence):
    """Against difference quotients of the network's outputs."""
    run = evidence(T31)[0]
    x, theta = run.risk.x, run.theta[[0, -1]] / np.linalg.norm(run.theta[[0, -1]], axis=1)[:, None]
    maps = saliency_maps(run.risk.model, theta, x)
    for row in range(2):
        for k in range(x.shape[1]):
            step = 1e-6 * np.eye(x.shape[1])[k]
            rise = run.risk.outputs_at(theta[row], x + step) - run.risk.outputs_at(
                theta[row], x - step
            )
            assert maps[row, :, k] == pytest.approx(rise / 2e-6, abs=1e-8)


def test_a_direction_that_goes_on_turning_has_no_map(evidence):
    """The maps of θ that turns by the same in every doubling, and of ones seen for too short a time."""
    runs = [run for run in evidence(T31) if run.smooth]

    def turning(run):
        theta = run.run.theta.copy()
        angle = np.log(np.maximum(1.0, -run.run.log_risk))
        a, b = theta[:, 0].copy(), theta[:, 1].copy()
        theta[:, 0] = np.cos(angle) * a - np.sin(angle) * b
        theta[:, 1] = np.sin(angle) * a + np.cos(angle) * b
        return replace(run, run=replace(run.run, theta=theta))

    maps = [jt20_saliency.maps_of(turning(run)) for run in runs]
    assert_fails(SALIENCY, maps, jt20_saliency.RATIO_LAST)
    short = [replace(m, paths=m.paths[:10]) for m in evidence(SALIENCY)]
    assert_fails(SALIENCY, short, jt20_saliency.DOUBLINGS)
