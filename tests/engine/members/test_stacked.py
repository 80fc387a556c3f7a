"""Members of one torch network stepped at once are, up to rounding, the runs that they would be alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from member_cases import (
    COUNT,
    RULES,
    alone,
    experiments,
    named,
    same_bits,
    theta_of,
)

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import StopFlag
from workbench.engine.programs.members.stacked import StackedEager
from workbench.engine.rules.members.choose import member_rule

MODELS = {
    "squared": ("model.kind=squared-relu", "model.width=7", "model.signs=random"),
    "cnn": ("model.kind=deep-relu", "model.widths=[5,4]"),
}


def stacked_of(found, *, own_samples: bool = False):
    """They as members who are stepped at once."""
    first, programs = found[0], [e.program for e in found]
    x, y = first.program.x, first.program.y
    if own_samples:
        x, y = (torch.stack([getattr(p, name) for p in programs]) for name in ("x", "y"))
    batches = None if first.program.batches is None else [p.batches for p in programs]
    buffers = [dict(e.model.named_buffers()) for e in found]
    program = StackedEager(
        first.model,
        x,
        y,
        count=len(found),
        loss=first.program.loss,
        reduction=first.program.reduction,
        rule=member_rule([p.rule for p in programs]),
        batches=batches,
        fixed={name: torch.stack([b[name] for b in buffers]) for name in buffers[0]},
    )
    return Members(theta_of(found)), program


def require_close(mine, wanted, where):
    for name, array in wanted.items():
        scale = np.abs(array[np.isfinite(array)]).max(initial=1e-300)
        np.testing.assert_allclose(
            mine[name], array, rtol=1e-9, atol=1e-9 * scale, err_msg=f"{where} {name}"
        )


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_member_is_its_own_run_up_to_rounding(rule):
    settings, records, every = RULES[rule], 6, 7
    members, program = stacked_of(experiments(*settings))
    buffer = MemberBuffer(records, members.theta, experiments()[0].output_shape)
    for step0, part in ((0, 2), (14, 4)):
        taken = program.run_chunk(members, step0, part, every, buffer, StopFlag())
        assert taken == part * every
    found = buffer.take()
    for k, experiment in enumerate(experiments(*settings)):
        state, rows = alone(experiment, records, every)
        require_close(named(found.rows_of(k)), named(rows), k)
        require_close(members.state(k).to_arrays(), state.to_arrays(), k)


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("loss", ["square", "exponential", "logistic-cubed"])
def test_other_networks_losses_and_samples(model, loss):
    settings = (*MODELS[model], f"loss.kind={loss}", "train.lr=0.01")
    found = experiments(*settings)
    for k, experiment in enumerate(found):
        experiment.program.x = experiment.program.x * (1.0 + 0.1 * k)
    members, program = stacked_of(found, own_samples=True)
    buffer = MemberBuffer(3, members.theta, found[0].output_shape)
    program.run_chunk(members, 0, 3, 5, buffer, StopFlag())
    rows = buffer.take()
    for k, experiment in enumerate(found):
        require_close(named(rows.rows_of(k)), named(alone(experiment, 3, 5)[1]), k)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_how_it_is_cut_into_chunks_changes_no_bit(rule):
    whole, program = stacked_of(experiments(*RULES[rule]))
    program.run_chunk(whole, 0, 1, 42, None, StopFlag())
    parts, program = stacked_of(experiments(*RULES[rule]))
    for step0, steps in ((0, 5), (5, 30), (35, 7)):
        program.run_chunk(parts, step0, 1, steps, None, StopFlag())
        parts.load(parts.to_arrays())
    assert same_bits(whole.to_arrays(), parts.to_arrays())


def test_what_one_member_does_changes_no_bit_of_another():
    found = experiments("train.rule=loss-based", "train.lr=0.1", "train.floor=1e-3")
    plain, program = stacked_of(found)
    program.run_chunk(plain, 0, 1, 200, None, StopFlag())
    other = theta_of(found)
    other[2].zero_()
    members = Members(other)
    buffer = MemberBuffer(20, members.theta, found[0].output_shape)
    program.run_chunk(members, 0, 20, 10, buffer, StopFlag())
    single = found[2]
    with torch.no_grad():
        single.state.theta.zero_()
    state, rows = alone(single, 20, 10)
    assert (members.at(2), members.status(2)) == (state.step, "stalled")
    require_close(members.state(2).to_arrays(), state.to_arrays(), 2)
    assert (buffer.take().member == 2).sum() == len(rows)
    for k in (0, 1, 3):
        assert same_bits(members.state(k).to_arrays(), plain.state(k).to_arrays())
    at_rest = members.state(2).to_arrays()
    program.run_chunk(members, 200, 1, 10, None, StopFlag())
    assert same_bits(members.state(2).to_arrays(), at_rest)
    program.evaluate(members, buffer)
    assert buffer.take().rows.step.tolist() == [210, 210, state.step, 210]


def test_a_stop_ends_all_at_one_step():
    members, program = stacked_of(experiments())
    flag = StopFlag()
    flag.raised = True
    assert program.run_chunk(members, 0, 1, 50, None, flag) == 0
    assert [members.at(k) for k in range(COUNT)] == [0] * COUNT
