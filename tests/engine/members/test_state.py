"""The state of many members and their rows: what goes in comes out, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.state import EngineState
from workbench.protocol.status import RunStatus


def some_states(count: int = 3, size: int = 4) -> list[EngineState]:
    rng = np.random.default_rng(0)
    states = []
    for _ in range(count):
        state = EngineState(torch.from_numpy(rng.standard_normal(size)), step=7)
        state.time, state.time_log, state.rate_log, state.path_length = rng.random(4)
        state.memory = {"search": rng.random(4), "held": rng.random(size)}
        states.append(state)
    return states


def of(states: list[EngineState]) -> Members:
    members = Members(torch.stack([state.theta for state in states]), step=7)
    members.take_back(dict(enumerate(states)))
    return members


def arrays_equal(a, b) -> bool:
    return a.keys() == b.keys() and all(
        np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes() for name in a
    )


def test_a_member_is_the_state_it_was_made_of():
    states = some_states()
    members = of(states)
    for k, state in enumerate(states):
        assert arrays_equal(members.state(k).to_arrays(), state.to_arrays())


def test_a_state_of_a_member_moves_its_row():
    members = of(some_states())
    members.state(1).theta.fill_(5.0)
    assert (members.theta[1] == 5.0).all()
    assert not (members.theta[[0, 2]] == 5.0).any()


def test_arrays_give_the_same_bits_back():
    members = of(some_states())
    members.rest(2, 5, RunStatus.STALLED)
    other = Members(torch.zeros(3, 4, dtype=torch.float64))
    other.load(members.to_arrays())
    assert arrays_equal(other.to_arrays(), members.to_arrays())
    assert other.going.tolist() == [True, True, False]
    assert [other.at(k) for k in range(3)] == [7, 7, 5]
    assert other.status(2) is RunStatus.STALLED
    with pytest.raises(ValueError, match="shape"):
        Members(torch.zeros(2, 4, dtype=torch.float64)).load(members.to_arrays())


def test_what_is_not_of_one_shape_is_kept_apart():
    states = some_states()
    del states[1].memory["held"]
    states[2].memory["search"] = np.arange(2.0)
    members = of(states)
    members.rest(0, 7, RunStatus.STALLED)
    other = Members(torch.zeros(3, 4, dtype=torch.float64))
    other.load(members.to_arrays())
    for k, state in enumerate(states):
        assert arrays_equal(other.state(k).to_arrays(), state.to_arrays())
    going = {k: other.state(k) for k in (1, 2)}
    for state in going.values():
        state.memory = {"search": np.ones(4)}
    other.take_back(going)
    assert arrays_equal(other.state(0).to_arrays(), states[0].to_arrays())
    assert [other.state(k).memory["search"].tolist() for k in (1, 2)] == [[1.0] * 4] * 2


def test_a_shape_that_parts_later_leaves_those_at_rest_what_they_had():
    states = some_states()
    members = of(states)
    members.rest(0, 7, RunStatus.STALLED)
    going = {k: members.state(k) for k in (1, 2)}
    going[1].memory["held"] = np.zeros(9)
    members.take_back(going)
    assert arrays_equal(members.state(0).to_arrays(), states[0].to_arrays())
    assert arrays_equal(members.state(1).to_arrays(), going[1].to_arrays())
    assert arrays_equal(members.state(2).to_arrays(), going[2].to_arrays())


def test_rows_come_out_record_by_record():
    theta = torch.arange(6, dtype=torch.float64).reshape(2, 3)
    buffer = MemberBuffer(4, theta, (5,), parts=("theta", "outputs"))
    for k, count in ((0, 3), (1, 2)):
        for r in range(count):
            buffer.step[k, r] = 10 * (r + 1)
            buffer.theta[k, r] = 100 * k + r
            buffer.outputs[k, r] = -(100 * k + r)
            buffer.gradient_log_scale[k, r] = 0.5
        buffer.written[k] = count
    found = buffer.take()
    assert found.record.tolist() == [0, 0, 1, 1, 2]
    assert found.member.tolist() == [0, 1, 0, 1, 0]
    assert found.rows.step.tolist() == [10, 10, 20, 20, 30]
    assert found.rows.theta[:, 0].tolist() == [0, 100, 1, 101, 2]
    assert found.rows.outputs.shape == (5, 5)
    assert np.isnan(found.rows.gradient).all()
    table = found.table(found.rows.theta[:, 0])
    np.testing.assert_array_equal(table, [[0, 100], [1, 101], [2, np.nan]])
    assert len(buffer.take().rows) == 0
