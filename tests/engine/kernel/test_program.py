"""The kernel program against the eager one, step by step, and against itself however its steps are cut."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from cases import small

from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.kernel import program as kernel_program
from workbench.engine.programs.kernel.choose import kernel_of
from workbench.engine.programs.kernel.program import KernelProgram
from workbench.run.experiment import experiment_of

LINEAR = ("model.kind=deep-linear", "model.widths=[5,4]", "loss.reduction=mean")
RULES = {
    "constant": (),
    "mean": ("loss.reduction=mean", "train.lr=0.05"),
    "square": ("loss.kind=square",),
    "batch": ("train.batch=5",),
    "batch mean": ("train.batch=5", "loss.reduction=mean", "loss.kind=exponential"),
    "normalized": ("train.rule=normalized", "train.lr=0.02"),
    "normalized batch": ("train.rule=normalized", "train.lr=0.02", "train.batch=5"),
    "loss-based": ("train.rule=loss-based", "train.lr=2.0"),
    "loss-based batch": ("train.rule=loss-based", "train.lr=0.5", "train.batch=5"),
    "smoothness": (*LINEAR, "train.rule=smoothness"),
    "sign": ("train.rule=sign", "train.lr=2e-3"),
    "sign unnormalized": ("train.rule=sign", "train.lr=2e-4", "train.normalized=false"),
    "coordinate batch": ("train.rule=coordinate", "train.lr=0.01", "train.batch=5"),
    "coordinate square": (
        "train.rule=coordinate",
        "train.lr=0.01",
        "train.normalized=false",
        "loss.kind=square",
    ),
    "signum": ("train.rule=signum", "train.lr=2e-3", "loss.kind=exponential"),
    "signum batch": ("train.rule=signum", "train.lr=2e-3", "train.batch=5"),
    "spectral": ("train.rule=spectral", "train.lr=2e-3"),
    "spectral square": (
        "train.rule=spectral",
        "train.lr=2e-3",
        "train.normalized=false",
        "loss.kind=square",
    ),
    "muon batch": ("train.rule=muon", "train.lr=2e-3", "train.batch=5"),
    # Gradients of rank 1, up to rounding. Of muon's sums of them, whose other singular values are small and
    # true, rounding turns the vectors in either program.
    "spectral linear": (*LINEAR, "train.rule=spectral", "train.lr=2e-3"),
}
each = pytest.mark.parametrize("name", RULES)
STEPS = 240


def made(name, engine="kernel", *settings):
    return experiment_of(small(*settings, f"device.engine={engine}", *RULES[name]))


def run(experiment, parts, every, total=STEPS):
    """The rows of a run cut into chunks of so many records each, and the state's arrays at its end."""
    state, flag, rows = experiment.state, StopFlag(), []
    while state.step < total:
        records = min(parts[len(rows) % len(parts)], (total - state.step) // every)
        buffer = RowBuffer(records, state.theta, experiment.output_shape)
        taken = experiment.program.run_chunk(state, state.step, records, every, buffer, flag)
        assert taken == records * every
        rows.append(buffer.take())
    return rows, state.to_arrays()


def stacked(rows, field):
    return np.concatenate([getattr(part, field) for part in rows])


def known(rows, name):
    return np.concatenate([part.rule_series[name] for part in rows])


@each
def test_it_goes_where_the_eager_program_goes(name):
    """Rows and end of some hundred steps, to as many digits as so many roundings leave."""
    one, end = run(made(name), (8,), 3)
    other, wanted = run(made(name, "eager"), (8,), 3)
    for field in ("step", "time", "theta", "outputs", "path_length"):
        np.testing.assert_allclose(
            stacked(one, field), stacked(other, field), rtol=1e-9, atol=1e-11, err_msg=field
        )
    scales = [stacked(rows, "gradient_log_scale") for rows in (one, other)]
    np.testing.assert_allclose(*scales, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stacked(one, "gradient"), stacked(other, "gradient"), atol=1e-9)
    for series in ("time_log", "learning_rate_log"):
        np.testing.assert_allclose(known(one, series), known(other, series), rtol=1e-9, atol=1e-9)
    assert end.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_allclose(end[key], value, rtol=1e-9, atol=1e-10, err_msg=key)
    memories = [[dict(m) for part in rows for m in part.memory] for rows in (one, other)]
    assert [m.keys() for m in memories[0]] == [m.keys() for m in memories[1]]
    assert np.abs(end["theta"] - made(name).state.theta.numpy()).max() > 1e-3, "it stood still"


@each
def test_how_the_steps_are_cut_changes_no_bit(name):
    whole, end = run(made(name), (STEPS,), 1)
    for parts in ((1,), (3, 7, 1, 50), (100, 1)):
        cut, found = run(made(name), parts, 1)
        for field in ("step", "time", "theta", "outputs", "gradient", "gradient_log_scale"):
            assert stacked(cut, field).tobytes() == stacked(whole, field).tobytes(), field
        assert stacked(cut, "path_length").tobytes() == stacked(whole, "path_length").tobytes()
        assert {k: v.tobytes() for k, v in found.items()} == {
            k: v.tobytes() for k, v in end.items()
        }
    _, sparse = run(made(name), (4,), 20)
    assert sparse["theta"].tobytes() == end["theta"].tobytes()


@each
def test_a_row_is_what_a_look_at_its_state_gives(name):
    experiment = made(name)
    rows, _ = run(experiment, (6,), 4, 48)
    for part in rows:
        for k in range(len(part)):
            experiment.state.theta.copy_(torch.from_numpy(part.theta[k]))
            buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
            experiment.program.evaluate(experiment.state, buffer)
            seen = buffer.take()
            assert seen.outputs.tobytes() == part.outputs[k].tobytes()
            assert seen.gradient.tobytes() == part.gradient[k].tobytes()
            assert seen.gradient_log_scale[0] == part.gradient_log_scale[k]


@each
def test_a_run_goes_on_from_its_arrays_to_the_last_bit(name):
    _, end = run(made(name), (10,), 2)
    first, second = made(name), made(name)
    _, middle = run(first, (10,), 2, STEPS // 2)
    second.state.load(middle)
    _, found = run(second, (10,), 2)
    assert {k: v.tobytes() for k, v in found.items()} == {k: v.tobytes() for k, v in end.items()}


@pytest.mark.parametrize("name", ["sign", "coordinate batch", "signum", "spectral", "muon batch"])
def test_what_is_no_number_goes_into_theta(name):
    """Where the engine sees it: signs would hide it."""
    experiment = made(name)
    experiment.state.theta[3] = np.nan
    experiment.program.run_chunk(experiment.state, 0, 1, 1, None, StopFlag())
    assert experiment.state.theta.isnan().sum() > 1


@pytest.mark.parametrize("name", ["sign", "coordinate batch", "signum", "spectral", "muon batch"])
def test_steps_of_one_length_rest_at_the_origin(name):
    """Of a network of order 2, whose gradient is 0 there."""
    experiment = made(name)
    experiment.state.theta.zero_()
    experiment.program.run_chunk(experiment.state, 0, 1, 3, None, StopFlag())
    assert not experiment.state.theta.any()
    assert experiment.state.time == 0.0
    assert experiment.state.rate_log == -np.inf


@pytest.mark.parametrize("name", ["constant", "batch", "loss-based"])
def test_blocks_of_samples_are_summed(name, monkeypatch):
    """Where a call's room takes five of the twelve samples, up to rounding all is as before."""
    _, wanted = run(made(name), (8,), 3)
    monkeypatch.setattr(kernel_program, "BLOCK_NUMBERS", 5 * (2 + 6))
    experiment = made(name)
    assert experiment.program._network[5] == 5
    _, found = run(experiment, (8,), 3)
    np.testing.assert_allclose(found["theta"], wanted["theta"], rtol=1e-9, atol=1e-11)
    _, again = run(made(name), (1, 5), 3)
    assert again["theta"].tobytes() == found["theta"].tobytes()


def test_threads_change_no_bit():
    names = ["constant", "loss-based", "batch", "normalized", "muon batch"]
    alone = [run(made(name), (5,), 4)[1]["theta"] for name in names]
    experiments = [made(name) for name in names]
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda e: run(e, (5,), 4)[1]["theta"], experiments))
    assert [a.tobytes() for a in alone] == [b.tobytes() for b in found]


def test_another_thread_stops_a_chunk_between_two_steps():
    experiment, flag = made("constant"), StopFlag()
    taken = []

    def step():
        taken.append(
            experiment.program.run_chunk(experiment.state, 0, 1, 2_000_000_000, None, flag)
        )

    thread = threading.Thread(target=step)
    thread.start()
    time.sleep(0.05)
    flag.raised = True
    thread.join(30)
    assert not thread.is_alive()
    assert 0 < taken[0] < 2_000_000_000
    assert experiment.state.step == taken[0]
    flag.raised = True
    assert experiment.program.run_chunk(experiment.state, taken[0], 1, 5, None, flag) == 0


def test_rows_up_to_the_stop_are_kept():
    """The flag is looked at before every step; a row due by then is there, and no other."""
    experiment, flag = made("constant"), StopFlag()
    buffer = RowBuffer(4000, experiment.state.theta, experiment.output_shape)
    timer = threading.Timer(0.02, lambda: setattr(flag, "raised", True))
    timer.start()
    taken = experiment.program.run_chunk(experiment.state, 0, 4000, 50, buffer, flag)
    timer.join()
    rows = buffer.take()
    assert len(rows) == taken // 50
    assert list(rows.step) == list(range(50, taken + 1, 50))


def test_what_diverges_is_seen():
    experiment = made("constant", "kernel", "train.lr=1e6", "loss.kind=square")
    rows, _ = run(experiment, (60,), 1, 60)
    values = experiment.panel.compute(rows[0])
    bad = ~np.isfinite(rows[0].theta).all(axis=1) | ~(values["log_risk"] < np.inf)
    assert bad.any()
    assert not bad[0]


def test_a_rule_that_ends_the_run_ends_the_chunk():
    settings = ("train.rule=loss-based", "train.lr=1.0", "train.floor=0.5", "loss.kind=square")
    experiments = [
        experiment_of(small(*settings, f"device.engine={e}")) for e in ("kernel", "eager")
    ]
    taken = [e.program.run_chunk(e.state, 0, 1, 5000, None, StopFlag()) for e in experiments]
    assert taken[0] == taken[1] < 5000
    assert experiments[0].program.ended(experiments[0].state)[0] == "stalled"


def test_what_compiled_code_does_not_know_is_refused():
    experiment = made("constant")
    program, kernel = experiment.program, kernel_of(experiment.model, experiment.structure)
    with pytest.raises(ValueError, match="not one of compiled code"):
        KernelProgram(
            kernel, experiment.structure.size, program.x, torch.ones(12, dtype=torch.float64),
            loss=experiment.network.loss, reduction="sum", rule=object(),
        )  # fmt: skip
