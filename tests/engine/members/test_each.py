"""Members stepped each by its own program are the runs that they would be alone, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import small

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.members.each import EachMember
from workbench.run.experiment import experiment_of

RULES = {
    "constant": ("train.lr=0.05",),
    "constant-batch": ("train.lr=0.05", "train.batch=5"),
    "normalized": ("train.rule=normalized", "train.max_update=0.05"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.1"),
    "loss-based-batch": ("train.rule=loss-based", "train.lr=0.05", "train.batch=5"),
    "sign": ("train.rule=sign", "train.lr=1e-2"),
    "flow": ("train.rule=flow", "train.rtol=1e-4"),
}
COUNT = 4


def experiments(*settings: str):
    return [experiment_of(small(*settings, f"init.seed={k}")) for k in range(COUNT)]


def together(found, threads: int = 1):
    members = Members(torch.stack([e.state.theta for e in found]))
    programs = []
    for k, experiment in enumerate(found):
        at = 0
        for parameter in experiment.model.parameters():
            # The network's weights are views of the row, as they are of a run's own θ.
            stop = at + parameter.numel()
            parameter.data = members.theta[k, at:stop].view_as(parameter)
            at = stop
        programs.append(experiment.program)
    return members, EachMember(programs, threads)


def alone(experiment, records: int, every: int):
    buffer = RowBuffer(records, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(experiment.state, 0, records, every, buffer, StopFlag())
    return experiment.state, buffer.take()


def same_rows(rows, wanted) -> bool:
    names = ("step", "time", "path_length", "theta", "outputs", "gradient", "gradient_log_scale")
    return all(getattr(rows, n).tobytes() == getattr(wanted, n).tobytes() for n in names) and all(
        rows.rule_series[n].tobytes() == wanted.rule_series[n].tobytes() for n in wanted.rule_series
    )


def of_member(found, k: int):
    rows, mine = found.rows, found.member == k
    names = ("step", "time", "path_length", "theta", "outputs", "gradient", "gradient_log_scale")
    parts = {n: np.ascontiguousarray(getattr(rows, n)[mine]) for n in names}
    series = {n: np.ascontiguousarray(v[mine]) for n, v in rows.rule_series.items()}
    return type(rows)(**parts, rule_series=series)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_member_is_its_own_run(rule, threads):
    records, every = 6, 7
    members, program = together(experiments(*RULES[rule]), threads)
    buffer = MemberBuffer(records, members.theta, experiments()[0].output_shape)
    for step0, part in ((0, 2), (14, 4)):
        taken = program.run_chunk(members, step0, part, every, buffer, StopFlag())
        assert taken == part * every
    found = buffer.take()
    for k, experiment in enumerate(experiments(*RULES[rule])):
        state, rows = alone(experiment, records, every)
        assert same_rows(of_member(found, k), rows)
        mine, wanted = members.state(k).to_arrays(), state.to_arrays()
        assert mine.keys() == wanted.keys()
        assert all(mine[name].tobytes() == wanted[name].tobytes() for name in mine)


def test_a_stop_ends_all_members_at_one_step():
    members, program = together(experiments())
    flag = StopFlag()
    flag.raised = True
    assert program.run_chunk(members, 0, 1, 50, None, flag) == 0
    assert members.step == 0
    flag.raised = False
    assert program.run_chunk(members, 0, 1, 50, None, flag) == 50
    assert [members.at(k) for k in range(COUNT)] == [50] * COUNT


def test_one_that_stalls_rests_where_its_run_does_and_the_others_go_on():
    found = experiments("train.rule=loss-based", "train.lr=0.1", "train.floor=1e-3")
    # With a start at a minimum of the risk's no step lowers it.
    with torch.no_grad():
        found[2].state.theta.zero_()
    members, program = together(found)
    buffer = MemberBuffer(20, members.theta, found[0].output_shape)
    assert program.run_chunk(members, 0, 20, 10, buffer, StopFlag()) == 200
    single = experiments("train.rule=loss-based", "train.lr=0.1", "train.floor=1e-3")[2]
    with torch.no_grad():
        single.state.theta.zero_()
    state, rows = alone(single, 20, 10)
    assert state.step < 200
    assert members.going.tolist() == [True, True, False, True]
    assert (members.at(2), members.status(2)) == (state.step, "stalled")
    taken = buffer.take()
    assert same_rows(of_member(taken, 2), rows)
    assert (taken.member == 0).sum() == 20
    at_rest = members.state(2).to_arrays()
    program.run_chunk(members, 200, 1, 10, buffer, StopFlag())
    assert all(a.tobytes() == members.state(2).to_arrays()[n].tobytes() for n, a in at_rest.items())
    buffer.take()
    program.evaluate(members, buffer)
    assert buffer.take().rows.step.tolist() == [210, 210, state.step, 210]


def test_what_goes_wrong_in_a_thread_is_raised():
    members, program = together(experiments(), threads=3)
    program.programs[1].rule = None
    with pytest.raises(AttributeError):
        program.run_chunk(members, 0, 1, 5, None, StopFlag())
