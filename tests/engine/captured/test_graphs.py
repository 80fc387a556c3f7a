"""Recording and replaying, with a graph that repeats its operations on the CPU in the place of CUDA's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine.captured.pairs import BINARY, CLASSES, captured, stepped
from engine.captured.recorded_graph import install
from engine.captured.test_members import members_of
from member_cases import RULES, experiments

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.captured.graphs import Graphs
from workbench.errors import WorkbenchError

DEVICE = torch.device("cuda")


def as_if_on_a_gpu(monkeypatch, make):
    """The stepper that `make()` steps with, its device said to be a GPU; the graphs, and the recordings."""
    stepper = make()
    stepper.graphs.device = DEVICE
    room = () if stepper.rows is None else (*stepper.rows.parts.values(),)
    made, used = install(monkeypatch, lambda: [*stepper._lasting(), *room])
    return stepper, made, used


def test_work_is_tried_once_and_leaves_no_trace(monkeypatch):
    number, calls = torch.zeros(1), []

    def work():
        calls.append(None)
        number.add_(1.0)

    graphs = Graphs(DEVICE, lambda: [number])
    made, used = install(monkeypatch, lambda: [number])
    graphs.run("a", 4, work)
    assert float(number) == 4.0
    # Once to warm up, four times into the graph, and never again.
    assert len(calls) == 5
    graphs.run("a", 4, work)
    graphs.run("a", 4, work)
    assert float(number) == 12.0
    assert len(calls) == 5
    assert [graph.replays for graph in made] == [3]
    graphs.run("a", 1, work)
    assert float(number) == 13.0
    assert len(calls) == 6
    assert [mode for _, _, mode in used] == ["thread_local"] * 2
    assert [pool for _, pool, _ in used] == [None, ("pool", 0)]
    assert used[0][0] is used[1][0]
    assert len(used[0][0].waited) == 1


def test_what_was_forgotten_is_recorded_anew(monkeypatch):
    number = torch.zeros(1)
    graphs = Graphs(DEVICE, lambda: [number])
    made, used = install(monkeypatch, lambda: [number])
    graphs.run("a", 1, lambda: number.add_(1.0))
    graphs.forget()
    graphs.run("a", 1, lambda: number.add_(10.0))
    assert float(number) == 11.0
    assert len(made) == 2
    # The memory of graphs that are gone is gone too.
    assert [pool for _, pool, _ in used] == [None, None]


def test_a_step_that_cannot_be_recorded_is_told_in_a_sentence(monkeypatch):
    number, calls = torch.zeros(1), []
    graphs = Graphs(DEVICE, lambda: [number])
    install(monkeypatch, lambda: [number])

    def work():
        calls.append(None)
        if len(calls) > 1:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    with pytest.raises(
        WorkbenchError, match=r"cannot be recorded .*not permitted.*'eager'"
    ) as told:
        graphs.run("a", 1, work)
    assert "more" not in str(told.value)


def test_a_number_of_python_is_repeated_as_it_was(monkeypatch):
    """That the graph in CUDA's place shows what a real one would: values of the recording, not of now."""
    number, by = torch.zeros(1), [1.0]
    graphs = Graphs(DEVICE, lambda: [number])
    install(monkeypatch, lambda: [number])
    graphs.run("a", 1, lambda: number.add_(by[0]))
    by[0] = 100.0
    graphs.run("a", 1, lambda: number.add_(by[0]))
    assert float(number) == 2.0


CASES = {
    "constant": (BINARY, ()),
    "normalized-batch": (BINARY, ("train.rule=normalized", "train.batch=5")),
    "loss-based": (BINARY, ("train.rule=loss-based", "train.lr=0.1")),
    "loss-based-batch": (BINARY, ("train.rule=loss-based", "train.lr=0.05", "train.batch=5")),
    "sign": (BINARY, ("train.rule=sign", "train.lr=0.01")),
    "pictures": (CLASSES, ("train.lr=0.01", "train.batch=6")),
}


@pytest.mark.parametrize("name", CASES)
def test_replays_are_the_steps_to_the_last_bit(monkeypatch, name):
    base, settings = CASES[name]
    wanted, state = stepped(captured(base, *settings), (1, 9, 3, 1), every=7)
    replayed = captured(base, *settings)
    buffer = RowBuffer(64, replayed.state.theta, replayed.output_shape)

    def chunk(records, every=7):
        at = replayed.state.step
        return replayed.program.run_chunk(replayed.state, at, records, every, buffer, StopFlag())

    def first():
        chunk(1)
        return replayed.program._steppers[0]

    _, made, _ = as_if_on_a_gpu(monkeypatch, first)
    for records in (9, 3, 1):
        chunk(records)
    rows = buffer.take()
    assert torch.equal(state.theta, replayed.state.theta)
    for part in (
        "step",
        "theta",
        "outputs",
        "gradient",
        "gradient_log_scale",
        "time",
        "path_length",
    ):
        assert np.array_equal(getattr(rows, part), getattr(wanted, part)), part
    assert state.path_length == replayed.state.path_length
    assert state.time_log == replayed.state.time_log
    for key, array in state.memory.items():
        assert np.array_equal(array, replayed.state.memory[key]), key
    # A chunk with all that it needs recorded is replays alone.
    assert sum(graph.replays for graph in made) > len(made)


def test_gaps_and_what_remains_of_them(monkeypatch):
    """150 steps without a record are 64 + 64 + 16 + 4 + 1 + 1; each size is recorded once."""
    replayed = captured(BINARY)

    def first():
        replayed.program.run_chunk(replayed.state, 0, 1, 1, None, StopFlag())
        return replayed.program._steppers[0]

    _, made, _ = as_if_on_a_gpu(monkeypatch, first)
    replayed.program.run_chunk(replayed.state, 1, 1, 150, None, StopFlag())
    assert [graph.replays for graph in made] == [2, 1, 1, 2]
    assert replayed.state.step == 151
    plain = captured(BINARY)
    plain.program.run_chunk(plain.state, 0, 1, 151, None, StopFlag())
    assert torch.equal(plain.state.theta, replayed.state.theta)


def test_another_buffer_is_written_into_by_another_recording(monkeypatch):
    replayed = captured(BINARY)

    def first():
        stepped(replayed, (1,))
        return replayed.program._steppers[0]

    _, made, _ = as_if_on_a_gpu(monkeypatch, first)
    one, _ = stepped(replayed, (4,))
    count = len(made)
    two, state = stepped(replayed, (4,))
    assert len(made) == 2 * count
    assert list(one.step) == [10, 15, 20, 25]
    assert list(two.step) == [30, 35, 40, 45]
    assert np.array_equal(two.theta[-1], state.theta.numpy())


@pytest.mark.parametrize("rule", ["constant-batch", "loss-based", "loss-based-batch"])
def test_replays_of_members(monkeypatch, rule):
    wanted, program = members_of(experiments(*RULES[rule]))
    program.run_chunk(wanted, 0, 9, 4, None, StopFlag())
    members, replayed = members_of(experiments(*RULES[rule]))
    buffer = MemberBuffer(9, members.theta, (12,))

    def first():
        replayed.run_chunk(members, 0, 1, 4, buffer, StopFlag())
        return replayed._steppers[0]

    as_if_on_a_gpu(monkeypatch, first)
    replayed.run_chunk(members, 4, 5, 4, buffer, StopFlag())
    replayed.run_chunk(members, 24, 3, 4, buffer, StopFlag())
    assert members.step == wanted.step == 36
    one, two = wanted.to_arrays(), members.to_arrays()
    for name in one:
        assert one[name].tobytes() == two[name].tobytes(), name
    rows = buffer.take()
    last = rows.table(rows.rows.theta)[-1]
    assert np.array_equal(last, members.theta.numpy())
