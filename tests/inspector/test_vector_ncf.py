"""The correlation function of a residual with several numbers a sample, against exact KKT points."""

from __future__ import annotations

import numpy as np
import pytest
from cases import small
from reference_ncf import deep_linear_kkt

from workbench.errors import BadInput
from workbench.inspector.correlation import correlation_of, why_no_correlation
from workbench.inspector.groups import groups_of
from workbench.inspector.inspect import inspect_state
from workbench.inspector.push import leaving_push, parse_push
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


def at_first_saddle(made):
    """The best map of rank one, but for weights of 1e-8, and the singular values of the teacher."""
    data = made.dataset
    a, s, b = np.linalg.svd(np.linalg.lstsq(data.x, data.y, rcond=None)[0].T, full_matrices=False)
    w1, w2 = np.zeros((4, 5)), np.zeros((3, 4))
    w1[0], w2[:, 0] = np.sqrt(s[0]) * b[0], np.sqrt(s[0]) * a[:, 0]
    rng = np.random.default_rng(0)
    w1 += 1e-8 * rng.standard_normal(w1.shape)
    w2 += 1e-8 * rng.standard_normal(w2.shape)
    return made.inspected(np.concatenate([w1.ravel(), w2.ravel()]), step=0), s


def test_beyond_the_origin_neurons_beside_follow_the_residual_of_all_outputs():
    made = experiment([4], 1e-6)
    state, s = at_first_saddle(made)
    exact = deep_linear_kkt(made.dataset.x, state.z, [5, 4, 3])
    assert [sigma for _, sigma, _ in exact[:2]] == pytest.approx(
        [20.0 * s[1], 20.0 * s[2]], rel=1e-5
    )
    found = inspect_state(state)
    points = found.correlation
    assert (points.joint, points.beside, points.complete) == (True, True, False)
    assert points.highest == pytest.approx(exact[0][0], rel=1e-6)
    assert found.judgement.verdict == "saddle"
    # Both say how fast the next mode leaves: N of the residual, and the Hessian.
    assert points.escape_rate() == pytest.approx(s[1], rel=1e-6)
    assert found.judgement.evidence.escape_rate == pytest.approx(s[1], rel=1e-4)
    assert any("neurons beside the network's own" in limit for limit in found.limits)
    for asked in (
        lambda: parse_push("1e-3", state, found, 0),
        lambda: leaving_push(state, found, 0),
    ):
        with pytest.raises(BadInput, match="none of θ's weights can be pushed along it"):
            asked()


def test_of_relu_neurons_beside_the_best_is_that_of_one_neuron_on_a_fine_grid():
    made = experiment(
        [6],
        0.5,
        "model.kind=deep-relu",
        "model.widths=[6]",
        "data.d=2",
        "data.singular_values=[4.0,2.0]",
    )
    state = state_of(made)
    assert not groups_of(state).origin
    angle = np.linspace(0.0, 2.0 * np.pi, 100_001)
    u = np.stack([np.cos(angle), np.sin(angle)])
    pulls = state.z.T @ np.maximum(0.0, state.x @ u)
    # Of a neuron (v, u) with ‖v‖ = ‖u‖ = 1/√2, v along the pull.
    assert correlation_of(state, groups_of(state)).highest == pytest.approx(
        0.5 * np.linalg.norm(pulls, axis=0).max(), rel=1e-6
    )


def test_deeper_networks_and_other_losses_are_refused_beyond_the_origin():
    deep = state_of(experiment([4, 4], 1.0))
    classes = state_of(
        experiment_of(
            small(
                "data.kind=digits",
                "data.n=30",
                "model.kind=deep-relu",
                "model.widths=[4]",
                "loss.kind=cross-entropy",
                "init.kind=he",
            )
        )
    )
    for state, count in ((deep, 3), (classes, 10)):
        groups = groups_of(state)
        assert not groups.origin
        assert f"networks with one output; this one has {count}" in why_no_correlation(
            state, groups
        )
        assert correlation_of(state, groups) is None
