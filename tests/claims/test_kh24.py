"""KH24's claims hold for gradient descent and fail for every broken dynamic."""

from __future__ import annotations

import numpy as np
import pytest

from tests.claims.broken_lab import NumpyLab
from workbench.claims.claim import Check, Measured
from workbench.claims.direction_flow import PlaneNcf, apart
from workbench.claims.kh24 import theorems as kh24
from workbench.claims.registry import CLAIMS, select
from workbench.data.synthetic import circle
from workbench.errors import BadInput

F1, F4 = CLAIMS["KH24-F1"], CLAIMS["KH24-F4"]


def shuffled(y):
    return np.random.default_rng(1).permutation(y)


BROKEN = {
    "uphill": {"rate": -1.0},
    "frozen": {"rate": 0.0},
    "twice too fast": {"rate": 2.0},
    "shuffled labels": {"labels": shuffled},
    "negated labels": {"labels": np.negative},
    "summed risk where the averaged is meant": {"factor": 50.0},
    "cubed activation": {"power": 3},
    "random directions": {"kick": 0.02},
}


@pytest.mark.parametrize("claim", [F1, F4], ids=lambda c: c.id)
def test_descent_holds_with_the_erratum(claim):
    result = claim.run(NumpyLab(), "quick")
    assert all(check.holds for check in result.checks), result.checks
    assert result.verdict == "holds corrected"
    assert result.note == claim.erratum


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("claim", [F1, F4], ids=lambda c: c.id)
def test_broken_dynamics_fail(claim, name):
    result = claim.run(NumpyLab(**BROKEN[name]), "quick")
    assert result.verdict == "fails"
    assert result.failed


@pytest.mark.parametrize("claim", [F1, F4], ids=lambda c: c.id)
def test_every_check_can_fail_alone(claim):
    good = claim.measure(claim.experiment(NumpyLab(), "quick")[0])
    assert claim.verdict(claim.criterion(good)) == "holds corrected"
    for name in good.quantities:
        for bad in (float("nan"), 1e9, -1e9):
            checks = claim.criterion(Measured({**good.quantities, name: bad}))
            failing = [check.quantity for check in checks if not check.holds]
            assert failing in ([], [name])
            if np.isnan(bad):
                assert failing == [name]
        judged = [
            c
            for bad in (1e9, -1e9)
            for c in claim.criterion(Measured({**good.quantities, name: bad}))
            if not c.holds
        ]
        assert judged, name


def test_phase_end_of_the_summed_risk_is_near_step_2000():
    evidence, _ = F1.experiment(NumpyLab(), "quick")
    assert 1800 < F1.measure(evidence).observed["summed: risk quiet until step"] < 2100


def test_no_checks_is_no_proof():
    assert F1.verdict(()) == "fails"


def test_nan_never_holds():
    for relation in ("<", "≤", "≥", "="):
        assert not Check("q", float("nan"), relation, 0.0).holds


def test_names_of_papers_and_claims():
    assert [c.id for c in select([])] == list(CLAIMS)
    assert [c.id for c in select(["kh24"])] == [
        claim.id for claim in CLAIMS.values() if claim.paper == "KH24"
    ]
    assert [c.id for c in select(["KH24-F4", "kh24-f4"])] == ["KH24-F4"]
    with pytest.raises(BadInput, match="Did you mean 'KH24-F1'"):
        select(["KH24-F11"])


# --- the direction flow ---------------------------------------------------------------------------


def figure_one():
    data = circle(50, 0.0)
    return PlaneNcf.of(data.x, data.y, 1.0)


def test_flow_follows_small_explicit_steps():
    ncf = figure_one()
    x, z = ncf.ncf.x, ncf.ncf.z
    start = np.radians([10.0, 80.0, 100.0, -100.0, 170.0])
    u, h, steps = np.stack([np.cos(start), np.sin(start)], 1), 1e-5, 4000
    for _ in range(steps):
        s = np.maximum(u @ x.T, 0.0)
        g = 2.0 * (s * z) @ x
        u = u + h * (g - (g * u).sum(1, keepdims=True) * u)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    found = ncf.flow(start, np.array([0.0, h * steps]))[-1]
    assert np.degrees(apart(found, np.arctan2(u[:, 1], u[:, 0]))).max() < 0.02


def test_targets_are_the_limits_of_the_flow():
    ncf = figure_one()
    start = np.radians(np.array([1.0, 45.0, 93.0, 95.0, 179.0, -93.0, -95.0, 0.0]))
    end = ncf.flow(start, np.array([0.0, 2.0]))[-1]
    assert apart(end, ncf.targets(start)).max() < 1e-6
    assert np.allclose(np.degrees(apart(ncf.targets(start), 0.0)), [0, 0, 0, 180, 180, 0, 180, 0])


def test_starts_in_a_flat_set_stay_and_have_nothing_left_to_turn():
    data = circle(50, 0.0)
    ncf = PlaneNcf.of(data.x, np.where(data.x[:, 0] < 0, data.y, 0.0), 1.0)
    start = np.radians([-3.0, 0.0, 3.0, 5.0])
    assert list(ncf.inside_flat(start)) == [True, True, True, False]
    targets = ncf.targets(start)
    assert np.array_equal(targets[:3], start[:3])
    assert abs(abs(np.degrees(targets[3])) - 180) < 1e-9
    assert np.array_equal(ncf.remaining(np.radians([3.0, -3.0, 0.0, 5.0]), targets)[:3], [0, 0, 0])


def test_closing_rates_are_gaps_of_eigenvalues():
    # At 0°, A = Σ_{x_1>0} y x xᵀ has eigenvalues 46.875 and 15.625; at 180°, 37.5 and 12.5.
    assert np.allclose(sorted(figure_one().closing_rates()), [50.0, 62.5], rtol=1e-6)


def test_measures_of_a_run_that_diverged_are_nan_and_fail():
    lab = NumpyLab(rate=1e6)
    result = F1.run(lab, "quick")
    assert result.verdict == "fails"


def test_evidence_is_cut_where_the_risk_has_changed():
    evidence, _ = F1.experiment(NumpyLab(), "quick")
    for phases in evidence.summed.values():
        for phase in phases:
            assert phase.risk_change < kh24.QUIET
