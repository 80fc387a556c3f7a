"""Rows written one by one and all at once are the same rows, with what the rule remembered at each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.engine.program import RowBuffer
from workbench.engine.state import EngineState
from workbench.measures.rows import MemoryColumns

COUNT, P, N = 5, 3, 4


def written_singly():
    """Rows that `note` writes, the rule remembering a number more each time."""
    state = EngineState(torch.zeros(P, dtype=torch.float64))
    buffer = RowBuffer(8, state.theta, (N,))
    for k in range(COUNT):
        state.step, state.time = 10 * k, 0.5 * k
        state.theta.fill_(float(k))
        state.memory = {"radius": np.array([float(k), 1.0])}
        row = buffer.note(state)
        buffer.outputs[row], buffer.gradient[row] = float(k), -float(k)
        buffer.gradient_log_scale[row] = 0.0
    return buffer.take()


def written_at_once():
    """The same, as a compiled program writes them."""
    buffer = RowBuffer(8, torch.zeros(P, dtype=torch.float64), (N,))
    k = np.arange(COUNT)
    buffer.step[:COUNT], buffer.time[:COUNT] = 10 * k, 0.5 * k
    buffer.path_length[:COUNT], buffer.rate_log[:COUNT] = 0.0, np.nan
    buffer.time_log[:COUNT] = -np.inf
    column = torch.arange(COUNT, dtype=torch.float64)[:, None]
    buffer.theta[:COUNT], buffer.outputs[:COUNT] = column.expand(-1, P), column.expand(-1, N)
    buffer.gradient[:COUNT], buffer.gradient_log_scale[:COUNT] = -column.expand(-1, P), 0.0
    memory = np.stack([k.astype(float), np.ones(COUNT)], axis=1)
    buffer.count = COUNT
    buffer.remember({"radius": memory})
    memory[:] = -1.0
    return buffer.take()


def test_both_give_the_same_rows():
    singly, at_once = written_singly(), written_at_once()
    assert len(singly) == len(at_once) == COUNT
    for name in ("step", "time", "theta", "outputs", "gradient", "gradient_log_scale"):
        np.testing.assert_array_equal(getattr(singly, name), getattr(at_once, name))
    for row in range(COUNT):
        assert singly.memory[row].keys() == at_once.memory[row].keys() == {"radius"}
        np.testing.assert_array_equal(singly.memory[row]["radius"], at_once.memory[row]["radius"])


def test_a_part_of_the_rows_has_its_own_memory():
    part = written_at_once().part(2, 4)
    assert [memory["radius"][0] for memory in part.memory] == [2.0, 3.0]


def test_a_row_can_be_gone_back_to_after_the_buffer_is_used_again():
    rows = written_at_once()
    held = rows.memory[-1]["radius"]
    held[:] = 7.0
    assert rows.memory[-1]["radius"][0] == COUNT - 1


def test_a_rule_that_remembers_nothing_has_an_empty_memory_at_every_row():
    buffer = RowBuffer(2, torch.zeros(P, dtype=torch.float64), (N,))
    buffer.count = 2
    assert [dict(memory) for memory in buffer.take().memory] == [{}, {}]
    with pytest.raises(IndexError):
        MemoryColumns({}, 2)[2]
