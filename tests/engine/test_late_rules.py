"""`normalized` and `loss-based` against 60-digit loops, at risks of order one and far below 1e−308, by
autograd and by compiled code."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import reference_rules as slow_rules
import torch

from workbench.config.toml import parse_config
from workbench.engine.program import StopFlag
from workbench.losses.registry import loss_of
from workbench.run.experiment import experiment_of

STEPS = 45
ROWS = [[0.3, 0.2], [-0.1, 0.5], [0.4, -0.3], [-0.2, -0.4]]


def experiment_for(rule, loss, scale, batch, engine="auto", **more):
    return experiment_of(
        parse_config(
            {
                "data": {"kind": "gaussian-separable", "n": 7, "d": 2, "margin": 0.3, "seed": 3},
                "model": {"kind": "squared-relu", "width": 4, "signs": "alternate"},
                "init": {"kind": "inline", "values": {"u": (scale * np.array(ROWS)).tolist()}},
                "loss": {"kind": loss, "reduction": more.pop("reduction", "sum")},
                "train": {"rule": rule, "batch": batch, **more},
                "device": {"kind": "cpu", "engine": engine},
            },
            "test",
        )
    )


def problem(experiment):
    u = experiment.state.theta.numpy().reshape(4, 2)
    x, y = experiment.dataset.x, experiment.dataset.y
    number = np.vectorize(mp.mpf, otypes=[object])
    signs = [mp.mpf(s) for s in experiment.structure.neurons.signs]
    return number(u).tolist(), signs, number(x).tolist(), number(y).tolist()


def batches_of(experiment, steps=STEPS):
    if experiment.program.batches is None:
        return [range(len(experiment.dataset.y))] * steps
    return [experiment.program.batches.indices(step).tolist() for step in range(steps)]


def separating(experiment):
    """A start at which every margin is positive, so that a large scale means a tiny risk."""
    experiment.program.run_chunk(experiment.state, 0, 1, 400, None, StopFlag())
    return experiment.state.theta.numpy().reshape(4, 2).copy()


@pytest.fixture(scope="module")
def separated():
    experiment = experiment_for("normalized", "exponential", 1.0, 0, lr=0.05)
    return separating(experiment)


def started(rule, loss, where, batch, separated, **more):
    experiment = experiment_for(rule, loss, 1.0, batch, **more)
    if where == "tiny":
        with torch.no_grad():
            size = np.sqrt(np.sum(separated**2))
            experiment.state.theta.copy_(torch.from_numpy((separated * (400.0 / size)).reshape(-1)))
    return experiment


def compare(experiment, found, wanted):
    wanted = np.array([[float(v) for v in row] for row in wanted]).reshape(-1)
    assert np.abs(found - wanted).max() <= 1e-10 * np.abs(wanted).max()


@pytest.mark.parametrize("engine", ["eager", "kernel"])
@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("where", ["order one", "tiny"])
@pytest.mark.parametrize(("loss", "reduction"), [("exponential", "sum"), ("logistic", "mean")])
def test_normalized_equals_sixty_digits(loss, reduction, where, batch, engine, separated):
    more = {"engine": engine, "lr": 0.2, "max_update": 0.3, "reduction": reduction}
    experiment = started("normalized", loss, where, batch, separated, **more)
    start = experiment.state.theta.clone()
    with mp.workdps(60):
        wanted = slow_rules.normalized(
            *problem(experiment), loss, batches_of(experiment), 0.2, mp.mpf(0.3)
        )
    if where == "tiny":
        outputs = experiment.risk().outputs(start.numpy())
        y = experiment.dataset.y
        assert loss_of(loss).log_risk(outputs[None], y, "sum")[0] < -900 * np.log(10)
    experiment.program.run_chunk(experiment.state, 0, 1, STEPS, None, StopFlag())
    compare(experiment, experiment.state.theta.numpy(), wanted)
    assert float((experiment.state.theta - start).norm()) > 0.1, "training moved nothing"


@pytest.mark.parametrize("engine", ["eager", "kernel"])
@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("where", ["order one", "tiny"])
@pytest.mark.parametrize(("loss", "reduction"), [("exponential", "sum"), ("logistic", "mean")])
def test_loss_based_equals_sixty_digits(loss, reduction, where, batch, engine, separated):
    # Within an epoch of three batches a large rate would leave every range but the exponent of mpmath's.
    alpha = 0.7 if batch == 0 and where == "order one" else 0.02
    more = {"engine": engine, "lr": alpha, "reduction": reduction}
    experiment = started("loss-based", loss, where, batch, separated, **more)
    per_epoch = 1 if batch == 0 else 3
    with mp.workdps(60):
        wanted, alpha, time = slow_rules.loss_based(
            *problem(experiment), loss, batches_of(experiment), alpha, per_epoch
        )
        log_time = mp.log(time) - (mp.log(7) if reduction == "sum" else 0)
    experiment.program.run_chunk(experiment.state, 0, 1, STEPS, None, StopFlag())
    compare(experiment, experiment.state.theta.numpy(), wanted)
    search = experiment.state.memory["search"]
    assert abs(search[0] - float(alpha)) <= 1e-12 * float(alpha)
    assert abs(experiment.state.time_log - float(log_time)) <= 1e-10 * max(
        1.0, abs(float(log_time))
    )
    if where == "order one" and batch == 0:
        assert search[3] > 0, "no epoch was refused: the restoring is not tested"


def test_an_update_is_never_longer_than_allowed():
    experiment = experiment_for("normalized", "exponential", 3.0, 0, lr=5.0, max_update=0.01)
    for step in range(20):
        before = experiment.state.theta.clone()
        experiment.program.run_chunk(experiment.state, step, 1, 1, None, StopFlag())
        assert float((experiment.state.theta - before).norm()) <= 0.01 * (1 + 1e-12)


def test_loss_based_stalls_below_its_floor_in_a_sentence():
    """At a minimum of the square loss no step lowers the risk, and α falls to the floor."""
    experiment = experiment_of(
        parse_config(
            {
                "data": {"kind": "inline", "x": [[1.0]], "y": [-1.0]},
                "model": {"kind": "squared-relu", "width": 1},
                "init": {"kind": "inline", "values": {"u": [[-1.0]]}},
                "train": {"rule": "loss-based", "floor": 1e-3},
                "device": {"kind": "cpu"},
            },
            "test",
        )
    )
    taken = experiment.program.run_chunk(experiment.state, 0, 1, 10_000, None, StopFlag())
    outcome, text = experiment.program.ended(experiment.state)
    # 0.1/1e-3 in steps of 2^(1/10).
    assert outcome == "stalled"
    assert taken == int(np.ceil(10 * np.log2(100.0)))
    assert "train.floor = 0.001" in text
    assert "\n" not in text
    assert experiment.state.theta.tolist() == [-1.0]
    assert experiment.state.time == 0.0
