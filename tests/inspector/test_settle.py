"""Where a state comes to rest, and what is left of a way out there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.inspector.runs import circle, teacher
from tests.inspector.test_inspect import squared, state, u_at
from workbench.inspector.descent import _descend
from workbench.inspector.inspect import hessian_evidence, inspect_state
from workbench.inspector.settle import settle
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.theory.numerics.outcome import End

X = circle(16, 0.5)


def test_it_finds_the_minimum_that_descent_finds():
    y = teacher(X, [11.25], [1.0], 2)
    s = state(squared(1), u_at([12.0], [1.02]), y)
    found = settle(s)
    np.testing.assert_allclose(found.state.theta, u_at([11.25], [1.0]).ravel(), atol=1e-5)
    assert found.fall == pytest.approx(1.0, abs=1e-6)
    assert found.distance == pytest.approx(np.linalg.norm(found.state.theta - s.theta))
    assert found.bend > 0
    assert found.outcome.converged
    assert found.outcome.residual < 1e-3


def test_leaving_a_saddle_nothing_settles():
    """The gradient grows along the way out: negative curvature, and no step."""
    y = teacher(X, [11.25, 191.25], [1.0, 0.5], 2)
    s = state(squared(2), u_at([11.25, 191.25], [1.0, 1e-3]), y)
    found = settle(s)
    assert found.bend < 0
    assert found.distance == 0.0
    assert (found.outcome.end, found.outcome.iterations) == (End.STALLED, 0)


@pytest.mark.parametrize("off", [1e-2, 1e-3, 1e-4])
def test_near_a_minimum_with_a_residual_the_way_out_fades(off):
    """κ is far below the negative eigenvalue there, and still it is no saddle."""
    y = np.maximum(X @ [1.0, 0.0], 0) + np.where(X[:, 0] < -0.1, 0.5, 0.0)
    s = state(TwoLayerRelu(2, 1, 0.0), [1.0, off, 1.0 + off], y)
    found = inspect_state(s).judgement
    hessian = hessian_evidence(s)
    assert hessian.smallest < 0
    assert found.verdict != "saddle"
    for descent in found.evidence.descents:
        assert descent.rate_at_rest < 0.1 * descent.rate


def test_near_a_saddle_it_stays():
    y = teacher(X, [11.25, 191.25], [1.0, 0.5], 2)
    found = inspect_state(state(squared(2), u_at([11.4, 190.0], [1.001, 1e-6]), y)).judgement
    assert found.verdict == "saddle"
    for descent in found.evidence.descents:
        assert descent.rate_at_rest == pytest.approx(descent.rate, rel=0.05)


@pytest.mark.filterwarnings("error")
def test_a_step_past_all_numbers_is_too_long_and_nothing_else():
    s = state(squared(1), u_at([12.0], [1.02]), teacher(X, [11.25], [1e3], 2))
    end = _descend(s, s.theta, 1e308, 3_000)
    assert s.risk.log_risk(end) < s.log_risk
