"""How far θ's direction has travelled: every step counts, whatever is recorded, and to the last bit."""

from __future__ import annotations

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.trail import ROOM_NUMBERS, Trail
from workbench.measures.directions import chords
from workbench.record.checkpoint import latest_checkpoint, save_checkpoint
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.session import Session

RULES = {
    "constant": (),
    "batch": ("train.batch=5",),
    "normalized": ("train.rule=normalized", "train.lr=0.1"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.3"),
    "loss-based-batch": ("train.rule=loss-based", "train.lr=0.2", "train.batch=5"),
    "flow": ("train.rule=flow", "train.rtol=1e-4"),
}


def path_of(folder):
    with RunReader(folder) as reader:
        return dict(
            zip(
                np.asarray(reader.read("step")).tolist(),
                np.asarray(reader.read("path_length")).tolist(),
                strict=True,
            )
        )


def slow_path(theta):
    """Σ ‖θ^_{k+1} − θ^_k‖ in 50 digits."""
    with mp.workdps(50):
        units, total = [], mp.mpf(0)
        for row in theta:
            exact = [mp.mpf(float(v)) for v in row]
            length = mp.sqrt(sum(v * v for v in exact))
            units.append([v / length for v in exact])
        for a, b in pairwise(units):
            total += mp.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
        return float(total)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_it_does_not_depend_on_what_is_recorded(tmp_path, rule):
    steps = 120 if rule == "flow" else 350
    settings = (f"train.steps={steps}", "checkpoint.every=83", *RULES[rule])
    paths = {
        every: path_of(finished(tmp_path / str(every), *settings, f"record.every={every}").folder)
        for every in (1, 7, 50, "log")
    }
    for every in (7, 50, "log"):
        common = paths[1].keys() & paths[every].keys()
        assert len(common) >= 4
        assert all(paths[1][step] == paths[every][step] for step in common), every
    assert paths[1][steps] > 0.05


@pytest.mark.parametrize("rule", ["constant", "normalized", "flow"])
def test_it_is_the_polygon_of_the_steps(rule):
    experiment = experiment_of(small(*RULES[rule]))
    buffer = RowBuffer(301, experiment.state.theta, experiment.output_shape)
    experiment.program.evaluate(experiment.state, buffer)
    experiment.program.run_chunk(experiment.state, 0, 300, 1, buffer, StopFlag())
    rows = buffer.take()
    assert rows.path_length[0] == 0.0
    assert np.all(np.diff(rows.path_length) >= 0.0)
    assert rows.path_length[-1] == pytest.approx(slow_path(rows.theta), rel=1e-11)


def test_steps_that_are_taken_back_do_not_count():
    """A refused step leaves θ where it was; a refused epoch puts it back."""
    for settings in (RULES["loss-based"], RULES["loss-based-batch"]):
        experiment = experiment_of(small(*settings, "train.lr=4.0", "init.scale=0.5"))
        per_epoch = experiment.program.rule.per_epoch
        buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
        kept, refused, before = [experiment.state.theta.numpy().copy()], 0.0, 0.0
        for step in range(120):
            experiment.program.run_chunk(experiment.state, step, 1, 1, buffer, StopFlag())
            rows = buffer.take()
            if (step + 1) % per_epoch == 0 and experiment.state.memory["search"][3] > refused:
                refused = experiment.state.memory["search"][3]
                kept = kept[: len(kept) - (per_epoch - 1)]
                assert np.array_equal(rows.theta[0], kept[-1])
                before = slow_path(np.array(kept))
                assert rows.path_length[0] == pytest.approx(before, rel=1e-11, abs=1e-15)
                continue
            kept.append(rows.theta[0])
        assert refused >= 3
        assert experiment.state.path_length == pytest.approx(slow_path(np.array(kept)), rel=1e-11)


def test_it_converges_as_steps_shrink():
    """Descent with ever shorter steps against the flow at a fine tolerance, over the same time."""
    lengths = []
    for refined in (1, 4, 16):
        experiment = experiment_of(small(f"train.lr={0.02 / refined!r}"))
        experiment.program.run_chunk(experiment.state, 0, 1, 100 * refined, None, StopFlag())
        lengths.append(experiment.state.path_length)
    flow = experiment_of(small("train.rule=flow", "train.rtol=1e-7"))
    while flow.state.time < 2.0:
        flow.program.run_chunk(flow.state, flow.state.step, 1, 1, None, StopFlag())
    assert abs(lengths[2] - lengths[1]) < 0.35 * abs(lengths[1] - lengths[0])
    assert lengths[2] == pytest.approx(flow.state.path_length, rel=2e-3)


def test_weights_of_any_size_and_the_origin():
    rng = np.random.default_rng(0)
    states = rng.standard_normal((9, 5))
    plain = chords(states)
    for scale in (1e-300, 1e-200, 1e200, 1e300):
        np.testing.assert_allclose(chords(scale * states), plain, rtol=1e-12)
    np.testing.assert_allclose(
        chords(np.array([np.full(4, 5e-324), [5e-324, 0, 0, 0]])), [1.0], rtol=1e-12
    )
    states[4] = 0.0
    found = chords(states)
    assert found[3] == found[4] == 0.0
    assert np.array_equal(np.delete(found, [3, 4]), np.delete(plain, [3, 4]))


@pytest.mark.parametrize("size", [1, 3, 40, 5000, 300_000])
def test_how_steps_are_grouped_changes_no_bit(size):
    rng = np.random.default_rng(size)
    states = torch.from_numpy(np.cumsum(rng.standard_normal((40, size)), axis=0))
    lengths = []
    for group in (1, 2, 7, 39):
        trail, length = Trail(states[0]), 0.25
        trail.begin(states[0])
        for k in range(1, 40):
            if trail.full:
                length = float(trail.added_to(length))
            trail.add(states[k])
            if k % group == 0:
                length = float(trail.added_to(length))
        lengths.append(float(trail.added_to(length)))
    assert len(set(lengths)) == 1
    assert lengths[0] > 0.25 or size == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [2 * ROOM_NUMBERS, 2 * ROOM_NUMBERS + 77_773])
def test_a_wide_state_travels_as_far_as_a_narrow_one_bit_for_bit(size, dtype):
    generator = torch.Generator().manual_seed(size)
    states = [torch.randn(size, generator=generator, dtype=torch.float64)]
    for scale in (1e-3, 1e-3, 0.0, 1e-7):
        states.append(states[-1] + scale * torch.randn(size, generator=generator))
    # The origin, numbers whose squares leave the range, and what is no number.
    states += [0.0 * states[0], states[0], 1e-30 * states[0], 1e30 * states[0], states[0] / 0.0]
    states = [
        s.to(dtype) * (1e-130 if dtype is torch.float64 and k == 7 else 1.0)
        for k, s in enumerate(states)
    ]
    trail, steps = Trail(states[0]), []
    trail.begin(states[0])
    for state in states[1:]:
        assert not trail.full
        trail.add(state)
        steps.append(float(trail.added_to(0.0)))
    every = chords(torch.stack(states).double().numpy())
    assert np.array_equal(steps, every, equal_nan=True)
    assert np.isfinite(every[:8]).all()


def test_a_run_whose_path_was_summed_over_records_goes_on_with_a_sentence(tmp_path):
    session = finished(tmp_path, "train.steps=105")
    last = latest_checkpoint(session.folder)
    arrays = dict(last.arrays)
    with RunReader(session.folder) as reader:
        theta = np.asarray(reader.read("theta"))
        steps = np.asarray(reader.read("step"))
    assert steps[-1] == 105
    arrays["path_length"] = np.array(0.125)
    arrays["carry_direction"] = theta[-2] / np.linalg.norm(theta[-2])
    save_checkpoint(session.folder, last.step, arrays, last.attributes)
    with Session.resume(session.folder, steps=120) as again:
        between = chords(theta[-2:])[0]
        assert again.engine.state.path_length == pytest.approx(0.125 + between, rel=1e-12)
        again.start()
        again.wait()
    assert any("sum over records so far" in text for _, _, text in again.events)
