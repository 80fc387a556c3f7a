"""JT19's claims that need no session: any loss, Appendix A, the lemmas; and what is not as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, Remembering
from workbench.claims.jt19 import appendix, identities, losses, noise, smooth, support
from workbench.claims.registry import CLAIMS

LOSSES, L23, APPENDIX = (CLAIMS[f"JT19-{name}"] for name in ("LOSSES", "L2.3", "A"))
C8, L211, L32, L34, F3D = (
    CLAIMS[f"JT19-{name}"] for name in ("C8", "L2.11", "L3.2", "L3.4", "F3D")
)
MADE = {
    LOSSES.id: losses.evidence,
    L23.id: losses.evidence,
    C8.id: identities.evidence,
    L211.id: support.evidence,
    L32.id: smooth.l32_evidence,
    L34.id: smooth.l34_evidence,
    F3D.id: noise.evidence,
}


@pytest.fixture(scope="module")
def evidence_of():
    made = {}

    def evidence(claim):
        make = MADE[claim.id]
        if make not in made:
            made[make] = make("quick")
        return made[make]

    return evidence


@pytest.mark.parametrize("claim", [CLAIMS[name] for name in MADE], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence_of, claim):
    good = claim.measure(evidence_of(claim))
    expected = "holds corrected" if claim.erratum else "holds"
    assert claim.verdict(claim.criterion(good)) == expected
    assert_every_check_can_fail_alone(claim, good)


# --- any strictly decreasing loss -----------------------------------------------------------------


def uphill(v, w):
    return -v


def one_layer(v, w):
    """Only W_1 moves."""
    kept = np.zeros_like(v)
    kept[: w[0].size] = v[: w[0].size]
    return kept


def noisy(v, w):
    """Half of the way goes along a fixed direction across all layers."""
    noise = np.random.default_rng(0).standard_normal(len(v))
    return v + 0.5 * noise / np.linalg.norm(noise)


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (uphill, [losses.RISE, losses.MARGIN]),
        (one_layer, [losses.KEPT, losses.GROWTH]),
        (noisy, [losses.KEPT, losses.RANK]),
    ],
)
def test_other_dynamics_than_the_flow_fail(bend, says):
    assert_fails(LOSSES, losses.evidence("quick", bend, ("logistic", "Reciprocal")), *says)


def test_a_flow_that_stays_or_comes_back_is_seen(evidence_of):
    """Records run backwards, a slope that vanishes, and a speed of a thousandth."""
    path = evidence_of(L23)[0]
    run = path.chain.run

    def with_run(**changed):
        return replace(path, chain=replace(path.chain, run=replace(run, **changed)))

    back = np.concatenate([run.theta[::2], run.theta[::-2]])[: len(run.theta)]
    assert_fails(L23, [with_run(theta=back)], losses.INSIDE, losses.BACK)
    assert_fails(L23, [replace(path, first=0.0 * path.first)], losses.LEAST)
    assert_fails(L23, [with_run(time=1e3 * run.time)], losses.SPENT)
    assert_fails(L23, [with_run(log_risk=1.0 - run.log_risk)], losses.BELOW)


@pytest.mark.parametrize("name", ["Reciprocal", "Root", "Slow", "Fast"])
def test_losses_of_a_users_kind_meet_assumption_1_1(name):
    loss = losses.losses()[name]
    q = np.concatenate([-np.geomspace(1e3, 1e-3, 50), [0.0], np.geomspace(1e-3, 1e3, 50)])
    log_ell = loss.log_losses(q[None], np.ones(len(q)))[0]
    assert np.all(np.diff(log_ell) < 0.0)
    assert log_ell[0] > np.log(100.0)
    assert log_ell[-1] < np.log(0.2)
    near = np.linspace(-20.0, 20.0, 41)
    assert np.all(loss.residual(near, np.ones(41)) >= 0.0)


# --- identities, and the lemmas on descent and support vectors ------------------------------------


def test_a_wrong_gradient_is_seen():
    def transposed(w, slope):
        """The order of the layers above turned about."""
        found = losses.layer_slopes(w, slope)
        return [found[0][::-1], *found[1:]]

    says = (identities.GRADIENT, identities.BALANCE, identities.SIZE)
    assert_fails(C8, identities.evidence("quick", transposed), *says)


def test_numbers_that_break_an_inequality_are_seen(evidence_of):
    case = evidence_of(C8)[0]
    assert_fails(C8, [replace(case, size=case.printed)], identities.SIZE)
    assert_fails(C8, [replace(case, bound=-0.1)], identities.BOUND)
    assert_fails(C8, [replace(case, across=0.1)], identities.ACROSS)
    assert_fails(C8, [replace(case, margin=1.1, best=0.9)], identities.RANDOM, identities.BEST)


def test_nearer_than_the_threshold_some_are_pushed_away():
    names = [support.WORST.format(name) for name in support.PULLS]
    assert_fails(L211, support.evidence("quick", 0.01), *names)


def test_an_alpha_that_is_none_is_seen(evidence_of):
    case = evidence_of(L211)[0]
    assert_fails(L211, [replace(case, alpha=0.0, seen=0.5, flat=0.1)], support.ALPHA, support.SEEN)
    inside = dict.fromkeys(support.PULLS, 0.1)
    says = [support.INSIDE.format(name) for name in support.PULLS]
    assert_fails(L211, [replace(case, inside=inside, flat=0.1)], support.FLAT, *says)


def test_alpha_is_the_least_of_the_largest():
    """Against a fine grid of directions in the plane across ū."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        points = rng.standard_normal((6, 2))
        angle = np.linspace(0.0, 2.0 * np.pi, 20_000)
        grid = np.column_stack([np.cos(angle), np.sin(angle)])
        seen = float(np.min(np.max(grid @ points.T, axis=1)))
        assert support.inner_radius(points) == pytest.approx(max(0.0, seen), abs=1e-3)


def test_a_constant_that_is_too_small_is_seen():
    assert_fails(L32, smooth.l32_evidence("quick", 0.01), smooth.FAR, smooth.STEEP)


def test_steps_that_are_too_long_or_stay_are_seen(monkeypatch, evidence_of):
    assert_fails(L34, smooth.l34_evidence("quick", 200.0), smooth.PROMISED, smooth.LONGEST)
    monkeypatch.setattr(smooth, "MOST_STEPS", 20)
    assert_fails(L34, smooth.l34_evidence("quick"), smooth.LEFT)
    slow = [replace(d, spent=1.5) for d in evidence_of(L34)]
    assert_fails(L34, slow, smooth.SPENT)


def test_layers_that_are_no_noise_are_seen(evidence_of):
    def leaning(rng, shape):
        """Entries whose mean is not 0: a rank-one part."""
        return rng.uniform(0.0, 1.0, shape)

    assert_fails(F3D, noise.evidence("quick", leaning), noise.LIMIT)
    low = [replace(n, ratios=0.6 * n.ratios, flattest=0.9 * n.flattest) for n in evidence_of(F3D)]
    assert_fails(F3D, low, noise.ABOVE, noise.FLATTEST, noise.NOISE)
    assert_fails(F3D, [replace(n, rank1=0.9) for n in evidence_of(F3D)], noise.RANK1)


# --- Appendix A -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("appendix"))


def test_the_counterexample_holds_and_every_check_can_fail(lab):
    found, folder = APPENDIX.experiment(lab, "quick")
    good = APPENDIX.measure(found)
    assert APPENDIX.verdict(APPENDIX.criterion(good)) == "holds"
    assert folder is not None
    assert_every_check_can_fail_alone(APPENDIX, good)


def test_flows_off_the_line_and_other_risks_are_seen(lab):
    def aside(theta):
        return theta + 0.01 * np.arange(len(theta))[:, None] * np.eye(theta.shape[1])[0]

    bent = APPENDIX.experiment(Bent(lab, aside), "quick")[0]
    assert_fails(APPENDIX, bent, appendix.OPPOSITE, appendix.CLOSED)
    found = APPENDIX.experiment(lab, "quick")[0]
    line = found.lines[0]
    swapped = replace(found, lines=[appendix.Line(line.beside, line.on)])
    assert_fails(APPENDIX, swapped, appendix.ABOVE, appendix.BESIDE)
    rising = replace(line.on, log_risk=line.on.log_risk[::-1])
    upward = replace(found, lines=[replace(line, on=rising)])
    assert_fails(APPENDIX, upward, appendix.FALLS)
    elsewhere = replace(found, zero=[0.1], slope=[0.5])
    assert_fails(APPENDIX, elsewhere, appendix.ZERO, appendix.SLOPE)
