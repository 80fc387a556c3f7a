"""Units of the last hidden layer of deep networks at later saddles, with the rest fixed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.inspector.test_separates import data, small_state
from workbench.inspector.inspect import inspect_state
from workbench.inspector.while_training import inspection_while_training


def resting(model, dead):
    """Descent from a start of norm 1 with the last unit of the last hidden layer at 0, if `dead`."""
    x, _ = data()
    state = small_state(model, scale=0.3, x=x, y=np.abs(x[:, 0]) + 0.5 * x[:, 1])
    below, out = state.structure.parameter("w2"), state.structure.parameter("w3")
    width, theta = below.shape[1], state.theta.copy()
    moves = np.ones_like(theta)
    if dead:
        moves[below.stop - width : below.stop] = moves[out.stop - 1] = 0.0
    theta *= moves
    for _ in range(1_500):
        gradient, log = state.risk.gradient(theta)
        theta -= 4e-3 * np.exp(log) * gradient * moves
    return state.at(theta), width


def test_a_unit_put_along_a_point_lowers_the_risk_by_its_n():
    """The output and the risk themselves: Φ changes by ε² v σ(u·h), so the summed risk by −ε² N + O(ε⁴)."""
    state, width = resting({"kind": "deep-relu", "widths": [2, 3]}, dead=True)
    found = inspect_state(state, hessian=False)
    units = found.units
    assert units.found.complete
    assert units.norm[-1] == 0.0
    assert units.highest > 0.0
    below, out = state.structure.parameter("w2"), state.structure.parameter("w3")
    for point in units.found.points:
        falls = []
        for size in (1e-2, 5e-3):
            theta = state.theta.copy()
            theta[below.stop - width : below.stop] = size * point.direction[1:]
            theta[out.stop - 1] = size * point.direction[0]
            change = np.sum((state.y - state.risk.outputs(theta)) ** 2)
            now = np.sum((state.y - state.outputs) ** 2)
            falls.append(0.5 * (now - change) / size**2)
        # Richardson takes the ε² of the remainder away.
        limit = (4.0 * falls[1] - falls[0]) / 3.0
        assert limit == pytest.approx(point.value, abs=1e-6 * units.scale)
    assert any("last hidden layer, w2" in sentence for sentence in found.limits)
    assert found.as_json()["units"]["points"][0]["value"] == units.found.points[0].value


def test_no_single_unit_leaves_a_saddle_of_a_deep_linear_network():
    state, _ = resting({"kind": "deep-linear", "widths": [3, 3]}, dead=True)
    units = inspect_state(state, hessian=False).units
    assert units.highest == 0.0
    assert "no weights of it grow" in units.sentence()


def test_where_there_are_none():
    near = small_state({"kind": "deep-relu", "widths": [3, 2]})
    assert inspect_state(near, hessian=False).units is None
    state, _ = resting({"kind": "deep-relu", "widths": [2, 2]}, dead=False)
    assert inspection_while_training(state).units is None
    two = small_state({"kind": "two-layer-relu", "width": 3}, scale=1.0)
    assert inspect_state(two, hessian=False).units is None
