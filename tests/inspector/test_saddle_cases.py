"""Runs on which pauses and verdicts went wrong once, with what is right; their samples are beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.inspector.hunt import Slow, hunt
from workbench.config.toml import parse_config
from workbench.inspector.inspect import inspect_state
from workbench.inspector.while_training import judgement_while_training

DATA = Path(__file__).parent / "saddle_cases"


def made(file, model, init, lr, steps, every, **more):
    kind = "csv" if file.endswith("csv") else "npz"
    return parse_config(
        {
            "data": {"kind": kind, "path": str(DATA / file)},
            "model": model,
            "init": {"kind": "gaussian", **init},
            "train": {"lr": lr, "steps": steps, **more},
            "record": {"every": every, "theta": True},
            "device": {"kind": "cpu"},
        },
        "test",
    )


def looked(run, row):
    return inspect_state(run.experiment.inspected(run.theta[row], step=int(run.step[row])))


def test_minibatches_at_a_minimum_are_no_saddle():
    run = hunt(
        made("circle.npz", {"kind": "squared-relu", "width": 20}, {"scale": 1e-5, "seed": 0},
             3e-4, 10_000, 10, batch=5)
    )  # fmt: skip
    assert [event.step for event in run.told] == [120]
    assert run.pauses == 1
    assert looked(run, len(run.step) - 1).judgement.verdict == "minimum"


def test_one_saddle_is_told_once_however_long_the_run_stays():
    """Log risk −3.0512 from step 4,500 to the end; the other is the origin."""
    start = {"scale": 1.0979329958613049e-06, "seed": 1}
    model = {"kind": "two-layer-relu", "width": 20}
    run = hunt(made("plane.npz", model, start, 0.00025848866008189314, 8000, 5))
    origin, later = run.told
    assert origin.step < 1000
    assert 4400 < later.step < 4700
    assert looked(run, len(run.step) - 1).judgement.verdict == "saddle"


@pytest.fixture(scope="module")
def held():
    """Eight small neurons in the cells of large ones, at rest."""
    model = {"kind": "two-layer-relu", "width": 30, "leak": 0.1}
    return hunt(made("three_inputs.csv", model, {"scale": 1e-6}, 5e-3, 20_000, 10))


def test_small_neurons_held_in_their_cells_make_a_local_minimum(held):
    found = looked(held, len(held.step) - 1)
    evidence = found.judgement.evidence
    assert found.judgement.verdict == "local minimum"
    assert len(found.groups.small) == 8
    assert 1e-5 < evidence.held_distance < 1e-4
    assert evidence.jump_distance == pytest.approx(0.094, abs=1e-3)
    assert evidence.jump_fall == pytest.approx(0.0099, abs=1e-3)
    words = " ".join(found.judgement.reasons)
    assert "nowhere lower" in words
    assert "A jump of 0.094" in words


def test_no_push_within_the_distance_lowers_its_risk(held):
    """Nor does descent after it: it comes back to the same risk, to rounding."""
    theta = torch.from_numpy(held.theta[-1])
    distance = looked(held, len(held.step) - 1).judgement.evidence.held_distance
    slow = Slow(held)
    risk = float(slow.risk(theta))
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        step = torch.randn(theta.shape, generator=generator, dtype=theta.dtype)
        moved = theta + distance * step / step.norm()
        assert float(slow.risk(moved)) >= risk - 1e-14
        for _ in range(300):
            moved = moved - 5e-3 * slow.slopes(moved)[1]
        assert float(slow.risk(moved)) == pytest.approx(risk, abs=1e-13)


def test_it_is_told_on_no_record_of_the_local_minimum(held):
    last = max(event.step for event in held.told)
    assert last < 400
    rows = np.searchsorted(held.step, [1000, 5000, 12_000])
    states = [held.experiment.inspected(held.theta[row], step=int(held.step[row])) for row in rows]
    found = [judgement_while_training(state) for state in states]
    assert {judgement and judgement.verdict for judgement in found} == {"local minimum"}
