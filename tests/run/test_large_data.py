"""Large data: one pass for what coincides, records of every epoch, states in the run's own type."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from large_files import write_cifar, write_mnist

from workbench.config.toml import override, parse_config, to_toml
from workbench.engine.programs.blocks import gradients_of
from workbench.engine.programs.chain import ConvolutionalChain
from workbench.models.network import flatten
from workbench.protocol.commands import Pause
from workbench.record.checkpoint import latest_checkpoint, list_checkpoints, load_checkpoint
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.run.stored import StoredRun

N, BATCH = 90, 20
EPOCH = -(-N // BATCH)


def pictures(folder, **settings):
    """A float32 CNN on MNIST's files, a record an epoch."""
    table = {
        "data": {"kind": "mnist", "path": str(folder)},
        "model": {"kind": "cnn", "channels": [3, 4], "width": 8},
        "init": {"kind": "he"},
        "loss": {"kind": "cross-entropy", "reduction": "mean"},
        "train": {"lr": 0.1, "steps": 6 * EPOCH, "batch": BATCH},
        "record": {"every": EPOCH},
        "checkpoint": {"every": 2 * EPOCH, "keep": 10},
        "device": {"kind": "cpu", "dtype": "float32"},
    }
    return parse_config(
        override(table, [f"{key}={value}" for key, value in settings.items()]), "test"
    )


def trained(config, folder):
    """Its run at its end, closed."""
    session = Session.create(config, folder)
    session.start()
    assert session.wait(300.0)
    session.close()
    assert session.engine.error is None
    return session


@pytest.fixture
def mnist(tmp_path):
    write_mnist(tmp_path / "mnist", N)
    return tmp_path / "mnist"


@pytest.fixture
def passes(monkeypatch):
    """How many samples every pass through the network took."""
    counted = []
    forward = ConvolutionalChain._forward

    def counting(chain, x, kept):
        counted.append(len(x))
        return forward(chain, x, kept)

    monkeypatch.setattr(ConvolutionalChain, "_forward", counting)
    return counted


def test_a_run_goes_through_all_samples_once_a_record(tmp_path, mnist, passes):
    """The start is checked, recorded and shown by one pass; so is the end."""
    session = trained(pictures(mnist), tmp_path)
    assert session.engine.snapshot.step == 6 * EPOCH
    assert [n for n in passes if n == N] == [N] * 7
    assert len(passes) == 7 + 6 * EPOCH


def test_an_end_off_the_schedule_costs_one_pass_more(tmp_path, mnist, passes):
    trained(pictures(mnist, **{"train.steps": 2 * EPOCH + 1}), tmp_path)
    assert [n for n in passes if n == N] == [N] * 4


def test_a_pause_at_a_record_is_shown_without_another_pass(tmp_path, mnist, passes):
    config = pictures(mnist, **{"pause.at": f"[{2 * EPOCH}]"})
    with Session.create(config, tmp_path, attended=True) as session:
        session.start()
        deadline = time.monotonic() + 60.0
        while session.engine.status != "paused" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert session.engine.snapshot.step == 2 * EPOCH
        assert [n for n in passes if n == N] == [N] * 3
        session.engine.send(Pause("again"))


def test_records_of_every_epoch_are_those_of_the_obvious_evaluation(tmp_path, mnist):
    """θ of every record, put into a fresh network that autograd differentiates in one pass."""
    session = trained(pictures(mnist), tmp_path)
    folder, experiment = session.folder, session.experiment
    with RunReader(folder) as reader:
        steps = np.asarray(reader.read("step"))
        theta, log_risk = (np.asarray(reader.read(name)) for name in ("theta", "log_risk"))
        gradient = np.asarray(reader.read("grad_norm_log"))
    assert steps.tolist() == [k * EPOCH for k in range(7)]
    model, panel = experiment.model, experiment.panel
    flat = flatten(model, torch.float32, torch.device("cpu"))
    x = torch.from_numpy(experiment.dataset.x).float()
    y = torch.from_numpy(experiment.dataset.y).float()
    for row in range(7):
        flat.copy_(torch.from_numpy(theta[row]))
        outputs, parts, scale = gradients_of(
            model, list(model.parameters()), x, y, panel.loss.cotangent, N
        )
        held = outputs.double().numpy()[None]
        assert panel.loss.log_risk(held, panel.y, "mean")[0] == log_risk[row]
        g = torch.cat([p.reshape(-1) for p in parts]).double().numpy()
        log_scale = np.float64(np.float32(float(scale - np.log(N))))
        wanted = np.log(np.linalg.norm(g)) + float(log_scale)
        assert gradient[row] == pytest.approx(wanted, abs=1e-6)


def test_states_of_a_float32_run_are_kept_as_float32(tmp_path, mnist):
    config = pictures(mnist, **{"train.rule": "loss-based", "train.lr": 0.05})
    session = trained(config, tmp_path)
    folder = session.folder
    for step, path in list_checkpoints(folder):
        arrays = load_checkpoint(path).arrays
        assert arrays["theta"].dtype == np.float32
        assert step == 0 or arrays["rule/held"].dtype == np.float32


def test_a_state_of_float64_is_taken_over_by_a_float32_run_bit_for_bit(tmp_path, mnist):
    """Checkpoints of before may hold either."""
    session = trained(pictures(mnist), tmp_path)
    state, folder = session.experiment.state, session.folder
    arrays = latest_checkpoint(folder).arrays
    before = state.theta.clone()
    state.theta.zero_()
    state.load({**arrays, "theta": arrays["theta"].astype(np.float64)})
    assert torch.equal(state.theta, before)


def rows_of(folder):
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)) for name in reader.series_names()}


def same_rows(a, b):
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


@pytest.mark.full
def test_a_killed_float32_run_goes_on_bit_for_bit(tmp_path, mnist):
    steps = 60 * EPOCH
    config = pictures(mnist, **{"train.steps": steps})
    session = trained(config, tmp_path / "whole")
    whole = session.folder
    (tmp_path / "run.toml").write_text(to_toml(config))
    runs = tmp_path / "killed"
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "commands.main", "run", str(tmp_path / "run.toml")),
            *("--headless", "--runs-dir", str(runs)),
        ],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120.0
    while len(list(runs.glob("*/checkpoints/ck_*.h5"))) < 3 and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (folder,) = (f for f in runs.iterdir() if f.is_dir() and not f.name.startswith("."))
    with Session.resume(folder) as session:
        assert 0 < session.experiment.state.step < steps
        session.start()
        assert session.wait(120.0)
    same_rows(rows_of(whole), rows_of(folder))
    last = [load_checkpoint(list_checkpoints(f)[-1][1]).arrays["theta"] for f in (whole, folder)]
    assert np.array_equal(*last)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["mnist", "cifar10"])
def test_files_of_full_size_train_with_a_record_every_epoch(tmp_path, kind):
    n = 60_000 if kind == "mnist" else 50_000
    (write_mnist if kind == "mnist" else write_cifar)(tmp_path / "files", n)
    epoch = n // 500
    config = pictures(
        tmp_path / "files",
        **{
            "data.kind": kind,
            "data.path": tmp_path / "files",
            "train.batch": 500,
            "train.steps": 2 * epoch,
            "record.every": epoch,
            "checkpoint.every": epoch,
        },
    )
    session = trained(config, tmp_path / "runs")
    folder = session.folder
    with StoredRun(folder) as run:
        rows = rows_of(folder)
        assert rows["step"].tolist() == [0, epoch, 2 * epoch]
        assert all(a > b for a, b in pairwise(rows["log_risk"]))
        assert run.theta(2 * epoch).shape == (session.experiment.structure.size,)
