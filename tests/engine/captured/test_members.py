"""Members of the captured program are, up to rounding, the runs that they would be alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import small
from engine.captured.pairs import captured_of
from member_cases import ARRAYS, RULES, experiments, theta_of

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.captured.members import CapturedMembers
from workbench.run.experiment import experiment_of

MODELS = {
    "squared": ("model.kind=squared-relu", "model.width=7", "model.signs=random"),
    "deep": ("model.kind=deep-relu", "model.widths=[5,4]"),
    "sparse": ("model.kind=sparse", "model.masks=[[[1,1],[1,0],[0,1]],[[1,1,1]]]"),
    "hat": ("model.kind=mexican-hat", "data.n=3"),
    "ntk": ("model.kind=ntk", "model.base.kind=two-layer-relu", "model.base.width=6"),
    "normed": ("model.kind=residual", "model.width=5", "model.blocks=1", "model.batch_norm=true"),
    "patches": ('model={kind="shared-patches",patches=2}',),
    "residual": ("model.kind=residual", "model.width=5", "model.blocks=1"),
}


def members_of(found, *, own_samples=False):
    """Runs as members, and what steps them at once."""
    programs = [e.program for e in found]
    x, y = programs[0].x, programs[0].y
    if own_samples:
        x, y = (torch.stack([getattr(p, name) for p in programs]) for name in ("x", "y"))
    buffers = [dict(e.model.named_buffers()) for e in found]
    program = CapturedMembers(
        found[0].model,
        x,
        y,
        loss=programs[0].loss,
        reduction=programs[0].reduction,
        rules=[p.rule for p in programs],
        batches=None if programs[0].batches is None else [p.batches for p in programs],
        fixed={name: torch.stack([b[name] for b in buffers]) for name in buffers[0]},
    )
    return Members(theta_of(found)), program


def close(mine, wanted, allowed, where):
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1e-300)
    np.testing.assert_allclose(mine, wanted, rtol=0, atol=allowed * scale, err_msg=where)


def require_runs(found, allowed=1e-12, records=12, every=3, own_samples=False):
    """Every member's rows and state are those of the run alone, stepped by the captured program too."""
    members, program = members_of(found, own_samples=own_samples)
    buffer = MemberBuffer(records, members.theta, found[0].output_shape)
    assert program.run_chunk(members, 0, records, every, buffer, StopFlag()) == records * every
    rows = buffer.take()
    for k, experiment in enumerate(found):
        own = captured_of(experiment.program)
        single = RowBuffer(records, experiment.state.theta, experiment.output_shape)
        own.run_chunk(experiment.state, 0, records, every, single, StopFlag())
        mine, wanted = rows.rows_of(k), single.take()
        for name in ARRAYS:
            close(getattr(mine, name), getattr(wanted, name), allowed, f"{k} {name}")
        state = members.state(k)
        close(state.theta.numpy(), experiment.state.theta.numpy(), allowed, f"{k} theta")
        assert state.step == experiment.state.step
        assert state.memory.keys() == experiment.state.memory.keys()
        for name, array in experiment.state.memory.items():
            close(state.memory[name], array, allowed, f"{k} {name}")
    return members, program, rows


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule(rule):
    require_runs(experiments(*RULES[rule]))


@pytest.mark.parametrize("model", sorted(MODELS))
def test_networks_with_what_is_fixed_in_them(model):
    require_runs(experiments(*MODELS[model], "train.lr=0.01"), records=5)


@pytest.mark.parametrize("batch", [0, 4])
def test_pictures_and_classes(batch):
    found = experiments(
        'data={kind="digits",classes=[0,1,2],n=10}',
        'model={kind="cnn",channels=[2,3],width=4}',
        "loss.kind=cross-entropy",
        "train.lr=0.01",
        f"train.batch={batch}",
    )
    require_runs(found, records=4)


@pytest.mark.parametrize("batch", [0, 5])
def test_members_with_rates_and_samples_of_their_own(batch):
    found = [
        experiment_of(
            small(
                f"init.seed={k}",
                f"data.seed={k}",
                f"train.lr={0.02 * (k + 1)}",
                f"train.batch={batch}",
                "device.engine=eager",
            )
        )
        for k in range(3)
    ]
    require_runs(found, own_samples=True)


def test_who_rests_is_left_alone_and_changes_no_bit_of_others():
    settings = RULES["loss-based"]
    whole, program = members_of(experiments(*settings))
    program.run_chunk(whole, 0, 1, 30, None, StopFlag())
    some, other = members_of(experiments(*settings))
    other.run_chunk(some, 0, 1, 10, None, StopFlag())
    some.rest(1, 10, "diverged")
    with torch.no_grad():
        some.theta[1] = float("nan")
    held = some.theta[1].clone()
    buffer = MemberBuffer(4, some.theta, (12,))
    other.run_chunk(some, 10, 4, 5, buffer, StopFlag())
    assert torch.equal(some.theta[1].isnan(), held.isnan())
    for k in (0, 2, 3):
        assert torch.equal(some.theta[k], whole.theta[k])
    assert list(buffer.written) == [4, 0, 4, 4]
    assert some.path_length[0] == whole.path_length[0]
    assert some.at(1) == 10


def test_one_that_its_rule_ends_rests_at_its_step():
    found = [
        experiment_of(
            small(
                "train.rule=loss-based",
                f"train.lr={1000.0 if k == 1 else 0.1}",
                f"train.floor={500.0 if k == 1 else 1e-15}",
                "device.engine=eager",
            )
        )
        for k in range(3)
    ]
    alone = RowBuffer(10, found[1].state.theta, (12,))
    found[1].program.run_chunk(found[1].state, 0, 10, 4, alone, StopFlag())
    members, program = members_of(experiments_with_start(found))
    buffer = MemberBuffer(10, members.theta, (12,))
    program.run_chunk(members, 0, 10, 4, buffer, StopFlag())
    assert members.at(1) == found[1].state.step < 40
    assert members.status(1) == "stalled"
    assert members.at(0) == 40
    assert buffer.written[1] == alone.count
    assert list(buffer.written[[0, 2]]) == [10, 10]


def experiments_with_start(found):
    """The same runs from their start again."""
    return [experiment_of(e.config) for e in found]


def test_parts_that_are_left_out_and_a_row_without_a_step():
    found = experiments(*RULES["normalized"])
    members, program = members_of(found)
    buffer = MemberBuffer(3, members.theta, found[0].output_shape, parts=("outputs",))
    program.evaluate(members, buffer)
    program.run_chunk(members, 0, 2, 3, buffer, StopFlag())
    rows = buffer.take()
    assert np.isnan(rows.rows.theta).all()
    assert np.isfinite(rows.rows.outputs).all()
    assert list(np.unique(rows.rows.step)) == [0, 3, 6]


def test_chunks_change_no_bit():
    settings = RULES["loss-based-batch"]
    whole, program = members_of(experiments(*settings))
    program.run_chunk(whole, 0, 8, 5, None, StopFlag())
    parts, other = members_of(experiments(*settings))
    for records, every in ((3, 5), (1, 1), (4, 6)):
        other.run_chunk(parts, parts.step, records, every, None, StopFlag())
    assert parts.step == whole.step == 40
    one, two = whole.to_arrays(), parts.to_arrays()
    for name in one:
        assert one[name].tobytes() == two[name].tobytes(), name


@pytest.mark.parametrize("own_samples", [False, True])
@pytest.mark.parametrize("batch", [0, 5])
def test_in_several_passes_every_bit_is_as_in_one(batch, own_samples):
    settings = ("train.rule=normalized", f"train.batch={batch}")
    whole, program = members_of(experiments(*settings), own_samples=own_samples)
    parts, other = members_of(experiments(*settings), own_samples=own_samples)
    other.a_pass = 3
    for members, steps in ((whole, program), (parts, other)):
        steps.run_chunk(members, 0, 2, 10, None, StopFlag())
    assert len(other._steppers[0].passes.parts) == 2
    assert np.allclose(whole.theta.numpy(), parts.theta.numpy(), rtol=1e-13, atol=1e-15)


def test_a_configuration_s_members_on_a_gpu_are_in_one_graph(monkeypatch):
    from workbench.run import captured
    from workbench.run.members import members_of as members_of_configuration

    monkeypatch.setattr(captured, "DEVICES", ("cuda", "cpu"))
    config = small("device.engine=captured", "train.batch=5", "model.kind=squared-relu")
    block = members_of_configuration(config, [{"init.seed": k} for k in range(3)])
    assert type(block.program) is CapturedMembers
    block.program.run_chunk(block.members, 0, 2, 10, None, StopFlag())
    for k in range(3):
        alone = experiment_of(small("train.batch=5", "model.kind=squared-relu", f"init.seed={k}"))
        alone.program.run_chunk(alone.state, 0, 2, 10, None, StopFlag())
        close(block.members.theta[k].numpy(), alone.state.theta.numpy(), 1e-12, f"{k}")
