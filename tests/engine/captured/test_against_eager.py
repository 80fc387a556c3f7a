"""The captured program takes the eager program's steps: every rule, loss, minibatches, how chunks are cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine.captured.pairs import (
    BINARY,
    CIRCLE,
    CLASSES,
    LINEAR,
    apart,
    captured,
    eager,
    stepped,
)

from workbench.engine.program import RowBuffer, StopFlag

RULES = {
    "constant": ("train.rule=constant",),
    "normalized": ("train.rule=normalized", "train.lr=0.1", "train.max_update=0.05"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.1"),
    "refused": ("train.rule=loss-based", "train.lr=30"),
    "sign": ("train.rule=sign", "train.lr=1e-2"),
    "coordinate": ("train.rule=coordinate", "train.lr=1e-2"),
}
LOSSES = ("logistic", "exponential", "logistic-cubed", "exponential-cubed")
ROWS = ("theta", "outputs", "gradient", "gradient_log_scale", "path_length")
ALLOWED = {"float64": 1e-12, "float32": 1e-4}
LINE_SEARCH = {"loss-based": 12, "refused": 12}
"""Records that are compared where steps are as long as the risk allows: there rounding grows by the step."""


def same(found, wanted, allowed):
    """Rows and states that are the same but for rounding."""
    (rows, state), (slow, slow_state) = found, wanted
    assert np.array_equal(rows.step, slow.step)
    assert len(rows) > 0
    for name in ROWS:
        assert apart(getattr(rows, name), getattr(slow, name)) <= allowed, name
    logs = rows.rule_series["time_log"], slow.rule_series["time_log"]
    assert apart(*logs) <= allowed
    assert apart(rows.time, slow.time) <= allowed * (
        1.0 + np.abs(logs[1][np.isfinite(logs[1])]).max(initial=0.0)
    )
    name = "learning_rate_log"
    assert apart(rows.rule_series[name], slow.rule_series[name]) <= allowed
    for memory, other in zip(rows.memory, slow.memory, strict=True):
        assert memory.keys() == other.keys()
        for name in memory.keys() - {"radius"}:
            # A radius is raised before a step, in a row of the eager program by the step that follows.
            assert memory[name].dtype == other[name].dtype, name
            assert apart(memory[name], other[name]) <= allowed, name
    assert state.step == slow_state.step
    theta, other = (s.theta.detach().numpy() for s in (state, slow_state))
    assert apart(theta, other) <= allowed
    arrays, others = state.to_arrays(), slow_state.to_arrays()
    assert arrays.keys() == others.keys()
    for name in arrays.keys() - {"saddle_watch", "time"}:
        assert apart(arrays[name], others[name]) <= allowed, name


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [0, 5, 6])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule(rule, batch, dtype):
    settings = (*RULES[rule], f"train.batch={batch}", f"device.dtype={dtype}")
    records = LINE_SEARCH.get(rule, 40)
    fast = stepped(captured(BINARY, *settings), (7, records - 7))
    slow = stepped(eager(BINARY, *settings), (7, records - 7))
    same(fast, slow, ALLOWED[dtype])
    assert rule != "refused" or fast[1].memory["search"][3] > 3


@pytest.mark.parametrize("rule", ["constant", "normalized", "loss-based"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_margins(loss, rule):
    settings = (*RULES[rule], f"loss.kind={loss}")
    chunks = (LINE_SEARCH.get(rule, 40),)
    fast = stepped(captured(BINARY, *settings), chunks)
    slow = stepped(eager(BINARY, *settings), chunks)
    same(fast, slow, 1e-12)


@pytest.mark.parametrize("batch", [0, 6])
@pytest.mark.parametrize("rule", ["constant", "normalized", "loss-based", "sign"])
@pytest.mark.parametrize("base", [CIRCLE, CLASSES], ids=["square", "cross-entropy"])
def test_square_loss_and_cross_entropy(base, rule, batch):
    settings = (*RULES[rule], "train.lr=0.01", f"train.batch={batch}")
    fast = stepped(captured(base, *settings), (20,))
    same(fast, stepped(eager(base, *settings), (20,)), 1e-12)


def test_steps_of_proven_length():
    settings = ("train.rule=smoothness",)
    fast = stepped(captured(LINEAR, *settings), (40,))
    same(fast, stepped(eager(LINEAR, *settings), (40,)), 1e-12)


@pytest.mark.parametrize("rule", ["normalized", "loss-based"])
def test_risks_far_below_a_float(rule):
    """θ grown until the risk is below 1e−434: nothing underflows, and steps stay the same."""
    found = []
    for engine in (captured, eager):
        experiment = engine(BINARY, *RULES[rule], "train.max_update=1")
        stepped(experiment, (12,))
        experiment.state.theta.mul_(250.0)
        experiment.state.memory.clear()
        found.append(stepped(experiment, (8,)))
    assert found[0][0].gradient_log_scale[-1] < -1000.0
    # What is off in an output is relative in the risk.
    same(found[0], found[1], 1e-12 + np.finfo(float).eps * float(abs(found[0][0].outputs).max()))


def test_a_run_that_stalls_ends_at_its_step():
    settings = ("train.rule=loss-based", "train.lr=1e3", "train.floor=500")
    experiment = captured(BINARY, *settings)
    fast = stepped(experiment, (40,), every=2)
    slow = stepped(eager(BINARY, *settings), (40,), every=2)
    assert fast[1].step == slow[1].step < 80
    same(fast, slow, 1e-12)
    assert experiment.program.ended(fast[1])[0] == "stalled"


@pytest.mark.parametrize("batch", [0, 5])
@pytest.mark.parametrize("rule", RULES)
def test_chunks_change_no_bit(rule, batch):
    settings = (*RULES[rule], f"train.batch={batch}")
    whole, state = stepped(captured(BINARY, *settings), (40,), every=3)
    parts, other = stepped(captured(BINARY, *settings), (1, 17, 2, 20), every=3)
    for name in ("step", *ROWS):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert torch.equal(state.theta, other.theta)
    assert state.time_log == other.time_log
    assert all(np.array_equal(state.memory[n], other.memory[n]) for n in state.memory)


def test_without_a_buffer_and_from_a_checkpoint():
    settings = (*RULES["loss-based"], "train.batch=5")
    one, other = (captured(BINARY, *settings) for _ in range(2))
    stepped(one, (30,), every=7)
    other.program.run_chunk(other.state, 0, 1, 101, None, StopFlag())
    again = captured(BINARY, *settings)
    again.state.load(other.state.to_arrays())
    again.program.run_chunk(again.state, 101, 1, 109, None, StopFlag())
    assert torch.equal(one.state.theta, again.state.theta)
    assert one.state.path_length == again.state.path_length


def test_a_raised_flag_ends_a_chunk_between_two_replays():
    class Later:
        def __init__(self, looks):
            self.looks = looks

        @property
        def raised(self):
            self.looks -= 1
            return self.looks < 0

    experiment = captured(BINARY)
    rows, state = stepped(experiment, (10,), every=7, flag=Later(3))
    assert state.step == 21
    assert list(rows.step) == [7, 14, 21]
    rows, state = stepped(experiment, (10,), every=7, flag=Later(0))
    assert state.step == 21
    assert len(rows) == 0


def test_a_row_without_a_step_is_the_eager_one():
    found = []
    for engine in (captured, eager):
        experiment = engine(CIRCLE)
        buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
        experiment.program.evaluate(experiment.state, buffer)
        found.append(buffer.take())
    for name in ROWS:
        assert np.array_equal(getattr(found[0], name), getattr(found[1], name)), name
