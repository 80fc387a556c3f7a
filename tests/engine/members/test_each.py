"""Members stepped each by its own program are the runs that they would be alone, to the last bit."""

from __future__ import annotations

import pytest
import torch
from member_cases import (
    COUNT,
    RULES,
    alone,
    each_of,
    experiments,
    named,
    same_bits,
)

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.program import StopFlag

FLOW = ("train.rule=flow", "train.rtol=1e-4")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rule", ["constant-batch", "normalized", "loss-based-batch", "flow"])
def test_every_member_is_its_own_run(rule, threads):
    settings, records, every = {**RULES, "flow": FLOW}[rule], 6, 7
    members, program = each_of(experiments(*settings), threads)
    buffer = MemberBuffer(records, members.theta, experiments()[0].output_shape)
    for step0, part in ((0, 2), (14, 4)):
        taken = program.run_chunk(members, step0, part, every, buffer, StopFlag())
        assert taken == part * every
    found = buffer.take()
    for k, experiment in enumerate(experiments(*settings)):
        state, rows = alone(experiment, records, every)
        assert same_bits(named(found.rows_of(k)), named(rows))
        assert same_bits(members.state(k).to_arrays(), state.to_arrays())


def test_a_stop_ends_all_members_at_one_step():
    members, program = each_of(experiments())
    flag = StopFlag()
    flag.raised = True
    assert program.run_chunk(members, 0, 1, 50, None, flag) == 0
    assert members.step == 0
    flag.raised = False
    assert program.run_chunk(members, 0, 1, 50, None, flag) == 50
    assert [members.at(k) for k in range(COUNT)] == [50] * COUNT


def stalling():
    """Members of whom one starts where no step lowers the risk."""
    found = experiments("train.rule=loss-based", "train.lr=0.1", "train.floor=1e-3")
    with torch.no_grad():
        found[2].state.theta.zero_()
    return found


def test_one_that_stalls_rests_where_its_run_does_and_the_others_go_on():
    found = stalling()
    members, program = each_of(found)
    buffer = MemberBuffer(20, members.theta, found[0].output_shape)
    assert program.run_chunk(members, 0, 20, 10, buffer, StopFlag()) == 200
    state, rows = alone(stalling()[2], 20, 10)
    assert state.step < 200
    assert members.going.tolist() == [True, True, False, True]
    assert (members.at(2), members.status(2)) == (state.step, "stalled")
    taken = buffer.take()
    assert same_bits(named(taken.rows_of(2)), named(rows))
    assert (taken.member == 0).sum() == 20
    at_rest = members.state(2).to_arrays()
    program.run_chunk(members, 200, 1, 10, buffer, StopFlag())
    assert same_bits(at_rest, members.state(2).to_arrays())
    buffer.take()
    program.evaluate(members, buffer)
    assert buffer.take().rows.step.tolist() == [210, 210, state.step, 210]


def test_what_goes_wrong_in_a_thread_is_raised():
    members, program = each_of(experiments(), threads=3)
    program.programs[1].rule = None
    with pytest.raises(AttributeError):
        program.run_chunk(members, 0, 1, 5, None, StopFlag())
