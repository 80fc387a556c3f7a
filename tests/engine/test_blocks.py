"""Evaluation in blocks: the same numbers as in one pass, and the same bits however a run is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.config.toml import parse_config
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs import blocks
from workbench.engine.programs.blocks import gradients_of, outputs_of, samples_a_block
from workbench.engine.programs.chain import ConvolutionalChain
from workbench.run.experiment import experiment_of

PICTURES = {
    "data": {"kind": "digits", "classes": [0, 1, 2], "n": 23},
    "model": {"kind": "cnn", "channels": [3, 4], "width": 8},
    "init": {"kind": "he"},
    "loss": {"kind": "cross-entropy", "reduction": "mean"},
    "device": {"kind": "cpu", "engine": "eager"},
}


def experiment_for(**train):
    return experiment_of(parse_config({**PICTURES, "train": train}, "test"))


def blockwise(program, samples, size):
    """Outputs, gradients and scale of some samples in blocks of `size`."""
    x, y = program.x[samples], program.y[samples]
    return gradients_of(program.model, program.parameters, x, y, program.cotangent, size)


@pytest.mark.parametrize("size", [1, 5, 22, 23, 99])
@pytest.mark.parametrize("grown", [1.0, 8.0])
def test_blocks_give_what_sample_by_sample_gives(size, grown):
    """`grown` to the fourth power multiplies the outputs: risks of order one and far below 1e−308."""
    experiment = experiment_for(rule="loss-based", lr=0.02)
    experiment.program.run_chunk(experiment.state, 0, 1, 250, None, StopFlag())
    with torch.no_grad():
        experiment.state.theta.mul_(grown)
    program = experiment.program
    outputs, parts, top = blockwise(program, slice(None), size)
    found = torch.cat([p.reshape(-1) for p in parts])
    assert torch.equal(outputs_of(program.model, program.x, size), outputs)

    single = [blockwise(program, slice(i, i + 1), 1) for i in range(23)]
    wanted = sum(
        torch.cat([p.reshape(-1) for p in parts]) * float(torch.exp(scale - top))
        for _, parts, scale in single
    )
    # A product's last bits depend on how many rows it has; what is off in Φ is relative in e^Φ.
    allowed = 1e-12 + 16.0 * np.finfo(float).eps * float(outputs.abs().max())
    assert float((found - wanted).abs().max()) <= allowed * float(wanted.abs().max())
    if grown > 1:
        assert float(top) < -709.0


def test_square_loss_has_no_scale():
    experiment = experiment_of(
        parse_config({"data": {"kind": "kh24-circle", "n": 7}, "model": {"kind": "squared-relu"},
                      "init": {"kind": "he"},
                      "device": {"kind": "cpu", "engine": "eager"}}, "test")
    )  # fmt: skip
    program = experiment.program
    whole, cut = (blockwise(program, slice(None), size) for size in (7, 2))
    assert whole[2] is None
    assert cut[2] is None
    assert torch.allclose(whole[1][0], cut[1][0], rtol=1e-13, atol=0)


def test_a_block_holds_as_many_samples_as_its_numbers_allow():
    """The dense layer's products, counted by hand: (n, 64) and (n, 8) inputs, (n, 8) and its sign."""
    first, last = torch.nn.Linear(64, 8, bias=False), torch.nn.Linear(8, 3, bias=False)
    model = torch.nn.Sequential(first, torch.nn.ReLU(), last).double()
    x = torch.zeros(50, 64, dtype=torch.float64)
    a_sample = samples_a_block(model, x, 10_000)
    assert 10_000 // (64 + 3 * 8) <= a_sample <= 10_000 // 64 or a_sample == 50
    assert samples_a_block(model, x, 1_000) in (1_000 // 72, 1_000 // 80, 1_000 // 88)
    assert samples_a_block(model, x, 1) == 1
    assert samples_a_block(torch.nn.Sequential(model, torch.nn.BatchNorm1d(3)), x, 1) == 50


def rows_of(chunks, batch, rule):
    """All records of 12 steps, cut into chunks, each with a record at every second step."""
    experiment = experiment_for(rule=rule, lr=0.05, batch=batch)
    buffer = RowBuffer(16, experiment.state.theta, experiment.output_shape)
    for records in chunks:
        experiment.program.run_chunk(
            experiment.state, experiment.state.step, records, 2, buffer, StopFlag()
        )
    rows = buffer.take()
    return [rows.theta, rows.outputs, rows.gradient, rows.gradient_log_scale], experiment


@pytest.mark.parametrize("rule", ["constant", "loss-based"])
@pytest.mark.parametrize("batch", [0, 6])
@pytest.mark.parametrize("numbers", [2_000, blocks.BLOCK_NUMBERS])
def test_chunks_change_no_bit(monkeypatch, numbers, batch, rule):
    monkeypatch.setattr(blocks.samples_a_block, "__defaults__", (numbers,))
    one, experiment = rows_of([6], batch, rule)
    many, _ = rows_of([1, 2, 1, 1, 1], batch, rule)
    assert (experiment.program.block == 23) == (numbers > 2_000)
    for a, b in zip(one, many, strict=True):
        assert np.array_equal(a, b)


def test_gradients_of_an_undone_step_are_not_taken_again(monkeypatch):
    """α = 50 is refused again and again; a forward pass a step is all it costs, and every bit stays."""
    experiment = experiment_for(rule="loss-based", lr=50.0)
    calls = []
    forward = type(experiment.model).forward
    monkeypatch.setattr(
        type(experiment.model), "forward", lambda m, x: calls.append(1) or forward(m, x)
    )
    without = ConvolutionalChain._forward
    monkeypatch.setattr(
        ConvolutionalChain, "_forward", lambda *given: calls.append(1) or without(*given)
    )
    experiment.program.run_chunk(experiment.state, 0, 1, 40, None, StopFlag())
    refused = int(experiment.state.memory["search"][3])
    assert refused >= 20
    assert len(calls) == 40 + 2
    again = experiment_for(rule="loss-based", lr=50.0)
    for step in range(40):
        again.program.run_chunk(again.state, step, 1, 1, None, StopFlag())
    assert torch.equal(experiment.state.theta, again.state.theta)


def test_batch_statistics_are_never_cut():
    from workbench.models.residual import Residual

    x = torch.zeros(50, 6, dtype=torch.float64)
    mixed = Residual(6, 8, 1, 1, biases=True, batch_norm=True)
    plain = Residual(6, 8, 1, 1, biases=True, batch_norm=False)
    assert samples_a_block(mixed, x, 100) == 50
    assert samples_a_block(plain, x, 100) < 50
