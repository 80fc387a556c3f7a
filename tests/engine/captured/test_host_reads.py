"""A chunk reads no number back before its end; the counter sees every kind of read that is put there."""

from __future__ import annotations

import math

import pytest
import torch
from engine.captured.pairs import BINARY, CIRCLE, CLASSES, LINEAR, captured, eager
from engine.captured.test_members import MODELS, members_of
from member_cases import RULES, experiments

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.captured.batches import BatchTable
from workbench.engine.programs.captured.host_reads import host_reads
from workbench.engine.programs.captured.refusals import network_needs_host, rule_needs_host
from workbench.engine.programs.captured.stepper import Stepper
from workbench.models.repeatable import made_repeatable, tried

READS = {
    "item": lambda t: t[0].item(),
    "bool": lambda t: bool(t[0] > 0),
    "if": lambda t: 1 if (t > 0).any() else 0,
    "float": lambda t: math.exp(t[0]),
    "int": lambda t: range(t[0].long() + 1),
    "nonzero": lambda t: (t > 0).nonzero(),
    "mask": lambda t: t[t > 0],
    "put": lambda t: t.clone().__setitem__(t > 0, 0.0),
    "select": lambda t: t.masked_select(t > 0),
    "unique": lambda t: t.unique(),
    "equal": lambda t: torch.equal(t, t),
    "cpu": lambda t: t.cpu(),
    "to": lambda t: t.to("cpu"),
    "numpy": lambda t: t.numpy(),
    "tolist": lambda t: t.tolist(),
    "svd": lambda t: torch.linalg.svd(t[:, None] * t),
    "where": lambda t: torch.where(t > 0),
    "repeat": lambda t: t.repeat_interleave(t.long().abs()),
}
STAYS = {
    "index": lambda t: t[torch.tensor([1, 0])],
    "where": lambda t: torch.where(t > 0, t, t + 1),
    "fill": lambda t: t.masked_fill(t > 0, 0.0),
    "norm": lambda t: torch.linalg.vector_norm(t),
    "double": lambda t: t.double().float(),
    "backward": lambda t: torch.autograd.grad(
        (t.clone().requires_grad_(True) ** 2).sum(), [], allow_unused=True
    ),
}


@pytest.mark.parametrize("name", READS)
def test_the_counter_sees_a_read(name):
    numbers = torch.tensor([1.0, -2.0, 3.0])
    with host_reads() as found:
        READS[name](numbers)
    assert found


@pytest.mark.parametrize("name", sorted(STAYS.keys() - {"backward"}))
def test_the_counter_sees_no_read_where_none_is(name):
    with host_reads() as found:
        STAYS[name](torch.tensor([1.0, -2.0, 3.0]))
    assert found == []


CASES = {
    "constant": (BINARY, ()),
    "square": (CIRCLE, ()),
    "classes": (CLASSES, ("train.batch=6",)),
    "normalized": (BINARY, ("train.rule=normalized",)),
    "normalized-batch": (BINARY, ("train.rule=normalized", "train.batch=5")),
    "loss-based": (BINARY, ("train.rule=loss-based",)),
    "loss-based-batch": (BINARY, ("train.rule=loss-based", "train.batch=5")),
    "smoothness": (LINEAR, ("train.rule=smoothness",)),
    "sign": (BINARY, ("train.rule=sign",)),
    "coordinate": (BINARY, ("train.rule=coordinate",)),
    "float32": (BINARY, ("device.dtype=float32", "loss.kind=exponential-cubed")),
    "blocks": (CLASSES, ("loss.reduction=sum",)),
}


def counted(monkeypatch, run):
    """The reads between a chunk's first and last step."""
    found = []
    advance, left = Stepper.advance, BatchTable.left

    def watched(self, *given):
        with host_reads() as reads:
            found.append(reads)
            return advance(self, *given)

    def drawn(self, *given):
        # Permutations are drawn on the host, of no number of the device; on the CPU they look like its own.
        before = len(found[-1])
        steps = left(self, *given)
        del found[-1][before:]
        return steps

    monkeypatch.setattr(Stepper, "advance", watched)
    monkeypatch.setattr(BatchTable, "left", drawn)
    run()
    return [read for reads in found for read in reads]


def run_of(experiment):
    buffer = RowBuffer(20, experiment.state.theta, experiment.output_shape)
    return lambda: experiment.program.run_chunk(experiment.state, 0, 5, 3, buffer, StopFlag())


@pytest.mark.parametrize("name", CASES)
def test_a_chunk_reads_nothing(monkeypatch, name):
    base, settings = CASES[name]
    experiment = captured(base, *settings)
    if name == "blocks":
        experiment.program.passes.block = 4
    assert counted(monkeypatch, run_of(experiment)) == []


def test_a_chunk_of_members_reads_nothing(monkeypatch):
    members, program = members_of(experiments(*RULES["loss-based-batch"]))
    buffer = MemberBuffer(9, members.theta, (12,))
    assert (
        counted(monkeypatch, lambda: program.run_chunk(members, 0, 5, 3, buffer, StopFlag())) == []
    )


def test_a_read_put_into_a_step_is_seen(monkeypatch):
    experiment = captured(BINARY)
    step = Stepper._step

    def reads(self, b):
        step(self, b)
        if self.risk.max() > 1e9:
            raise AssertionError

    monkeypatch.setattr(Stepper, "_step", reads)
    assert len(counted(monkeypatch, run_of(experiment))) >= 15


class Branching(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, x):
        found = x @ self.weight
        return found if found.abs().max() > 1.0 else 2.0 * found


class Dropping(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(2, 3), torch.nn.Dropout(0.5), torch.nn.Linear(3, 1))
        self.double()


class Normed(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
        self.double()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Branching, "reads numbers back"),
        (Dropping, "draws random"),
        (Normed, "changes its buffers"),
    ],
)
def test_networks_that_need_the_host_say_why(made, words):
    x = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = made_repeatable(made(), 0)
    tried(model, x)
    assert words in network_needs_host(model, x)


@pytest.mark.parametrize("base", [BINARY, CIRCLE, CLASSES, LINEAR])
def test_the_workbench_s_rules_and_losses_do_not(base):
    experiment = eager(base)
    assert network_needs_host(experiment.model, experiment.program.x) is None
    assert rule_needs_host(experiment.program.rule) is None


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_workbench_s_networks_do_not(model):
    experiment = experiments(*MODELS[model], count=1)[0]
    assert network_needs_host(experiment.model, experiment.program.x) is None


def test_rules_that_need_the_host_say_why():
    assert "spectral" in rule_needs_host(eager(BINARY, "train.rule=spectral").program.rule)
