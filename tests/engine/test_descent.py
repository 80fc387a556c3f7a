"""θ after 2,000 steps against an independent numpy loop: three networks, three losses, both reductions."""

from __future__ import annotations

import numpy as np
import pytest
from reference import descend

from workbench.config.toml import parse_config
from workbench.engine.program import RowBuffer, StopFlag
from workbench.run.experiment import experiment_of

MODELS = {
    "squared-relu": {"kind": "squared-relu", "width": 5, "leak": 0.1, "signs": "alternate"},
    "two-layer-relu": {"kind": "two-layer-relu", "width": 6, "leak": 0.2},
    "deep-relu": {"kind": "deep-relu", "widths": [5, 4], "leak": 0.0},
}


def experiment_for(kind: str, loss: str, reduction: str = "sum"):
    return experiment_of(
        parse_config(
            {
                "data": {"kind": "gaussian-separable", "n": 12, "d": 3, "seed": 3},
                "model": MODELS[kind],
                "init": {"kind": "gaussian", "scale": 0.3, "seed": 5},
                "loss": {"kind": loss, "reduction": reduction},
                "train": {"lr": 2e-3},
                "device": {"kind": "cpu"},
            },
            "test",
        )
    )


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("loss", ["square", "logistic", "exponential"])
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_two_thousand_steps_equal_an_independent_loop(kind, loss, reduction):
    experiment = experiment_for(kind, loss, reduction)
    theta = experiment.state.theta.numpy().copy()
    params = [
        experiment.structure.view(theta, p.name).copy() for p in experiment.structure.parameters
    ]
    signs = np.array(experiment.structure.neurons.signs or ())
    expected = descend(
        kind,
        params,
        experiment.dataset.x,
        experiment.dataset.y,
        loss=loss,
        reduction=reduction,
        leak=MODELS[kind]["leak"],
        signs=signs,
        lr=2e-3,
        steps=2000,
    )
    buffer = RowBuffer(20, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(experiment.state, 0, 20, 100, buffer, StopFlag())
    found = experiment.state.theta.numpy()
    wanted = np.concatenate([p.ravel() for p in expected])
    assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max()
    assert np.abs(found - theta).max() > 1e-3, "training moved nothing"
    assert buffer.count == 20
    assert buffer.step.tolist() == list(range(100, 2001, 100))


def test_chunks_and_rows_do_not_change_a_bit():
    whole = experiment_for("deep-relu", "logistic")
    parts = experiment_for("deep-relu", "logistic")
    buffer = RowBuffer(100, whole.state.theta, whole.output_shape)
    whole.program.run_chunk(whole.state, 0, 10, 30, buffer, StopFlag())
    rows = buffer.take()
    step = 0
    for records, every, keep in [
        (1, 7, False),
        (1, 23, True),
        (4, 30, True),
        (1, 1, False),
        (1, 149, True),
    ]:
        parts.program.run_chunk(
            parts.state, step, records, every, buffer if keep else None, StopFlag()
        )
        step += records * every
    assert parts.state.theta.numpy().tobytes() == whole.state.theta.numpy().tobytes()
    again = buffer.take()
    for i, at in enumerate(rows.step):
        j = int(np.flatnonzero(again.step == at)[0]) if at in again.step else None
        if j is not None:
            assert again.gradient[j].tobytes() == rows.gradient[i].tobytes()
            assert again.outputs[j].tobytes() == rows.outputs[i].tobytes()
    assert again.step.tolist() == [30, 60, 90, 120, 150, 300]


def test_a_raised_flag_ends_a_chunk_between_two_steps():
    experiment = experiment_for("squared-relu", "square")
    flag = StopFlag()
    flag.raised = True
    buffer = RowBuffer(5, experiment.state.theta, experiment.output_shape)
    assert experiment.program.run_chunk(experiment.state, 0, 5, 10, buffer, flag) == 0
    assert buffer.count == 0
    assert experiment.state.step == 0
