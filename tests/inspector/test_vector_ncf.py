"""The correlation function of a residual with several numbers a sample, against exact KKT points."""

from __future__ import annotations

import numpy as np
import pytest
from cases import small
from reference_ncf import deep_linear_kkt

from workbench.inspector.correlation import correlation_of, why_no_correlation
from workbench.inspector.groups import groups_of
from workbench.inspector.inspect import inspect_state
from workbench.run.experiment import experiment_of

VALUES = (4.0, 3.6, 3.2)


def experiment(widths, scale, *more):
    return experiment_of(
        small(
            "data.kind=linear-teacher",
            "data.n=20",
            "data.d=5",
            "data.outputs=3",
            f"data.singular_values={list(VALUES)}",
            "model.kind=deep-linear",
            f"model.widths={widths}",
            "loss.kind=square",
            "loss.reduction=mean",
            f"init.scale={scale}",
            *more,
        )
    )


def state_of(made):
    return made.inspected(made.state.theta.numpy().copy(), step=0)


@pytest.mark.parametrize("widths", [[4], [4, 4]])
def test_the_search_at_the_origin_finds_the_exact_points(widths):
    made = experiment(widths, 1e-6)
    state, data = state_of(made), made.dataset
    assert state.z.shape == (20, 3)
    assert state.z == pytest.approx(data.y, abs=1e-6)
    exact = deep_linear_kkt(data.x, state.z, [5, *widths, 3])
    sigma = [s for _, s, _ in exact]
    assert sigma == pytest.approx([20.0 * v for v in VALUES], rel=1e-6)
    joint = state.risk.joint(state.z)
    for value, _, layers in exact:
        theta = np.concatenate([w.ravel() for w in layers])
        assert np.linalg.norm(theta) == pytest.approx(1.0)
        assert joint.value(theta[None])[0] == pytest.approx(value, rel=1e-12)
        whole = np.linalg.multi_dot([*reversed(layers)])
        slow = sum(z @ (whole @ x) for x, z in zip(data.x, state.z, strict=True))
        assert slow == pytest.approx(value, rel=1e-12)
        gradient = joint.gradient(theta[None])[0]
        order = len(layers)
        assert gradient == pytest.approx(order * value * theta, abs=1e-9 * sigma[0])
    groups = groups_of(state)
    assert groups.origin
    found = correlation_of(state, groups)
    assert (found.joint, found.complete, found.order) == (True, False, len(widths) + 1)
    assert found.highest == pytest.approx(exact[0][0], rel=1e-6)
    # Of lower σ they are saddles: a and b turned together, through the unit that is on, gain to second order.
    assert [p.value for p in found.points] == pytest.approx([exact[0][0]], rel=1e-6)
    assert (found.points[0].kind, found.points[0].basin) == ("max", 1.0)
    # Rates are of the run's flow, whose risk averages over the samples.
    rate = order * np.linalg.norm(state.theta) ** (order - 2) * exact[0][0] / 20
    assert found.escape_rate(float(np.linalg.norm(state.theta))) == pytest.approx(rate, rel=1e-6)


def test_beyond_the_origin_the_residual_is_that_of_every_output_and_single_neurons_are_refused():
    made = experiment([4], 1e-6)
    data = made.dataset
    a, s, b = np.linalg.svd(np.linalg.lstsq(data.x, data.y, rcond=None)[0].T, full_matrices=False)
    w1, w2 = np.zeros((4, 5)), np.zeros((3, 4))
    w1[0], w2[:, 0] = np.sqrt(s[0]) * b[0], np.sqrt(s[0]) * a[:, 0]
    rng = np.random.default_rng(0)
    w1 += 1e-8 * rng.standard_normal(w1.shape)
    w2 += 1e-8 * rng.standard_normal(w2.shape)
    state = made.inspected(np.concatenate([w1.ravel(), w2.ravel()]), step=0)
    assert np.linalg.svd(state.z.T @ data.x, compute_uv=False)[:2] == pytest.approx(
        [20.0 * s[1], 20.0 * s[2]], rel=1e-5
    )
    assert "networks with one output; this one has 3" in why_no_correlation(state, groups_of(state))
    found = inspect_state(state)
    assert found.judgement.verdict == "saddle"
    # The way out grows at the next singular value: d/dt of both layers along its vectors.
    assert found.judgement.evidence.escape_rate == pytest.approx(s[1], rel=1e-4)
    assert any("networks with one output" in limit for limit in found.limits)
