"""Runs whose samples have several targets: what is recorded of them, resuming, engines, files, members."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.engine.programs.eager import EagerProgram
from workbench.errors import BadInput
from workbench.models.network import flatten
from workbench.record.export import export_run
from workbench.record.reader import RunReader
from workbench.run import captured
from workbench.run.experiment import experiment_of
from workbench.run.member_run import run_members
from workbench.run.robustness import robustness_of
from workbench.run.session import Session
from workbench.run.stored import StoredRun

LINEAR = (
    "data.kind=linear-teacher",
    "data.n=20",
    "data.d=5",
    "data.outputs=3",
    "model.kind=deep-linear",
    "model.widths=[4]",
    "loss.kind=square",
    "loss.reduction=mean",
    "train.lr=0.02",
    "train.steps=60",
    "checkpoint.every=20",
)
CODER = (
    "data.kind=digits",
    "data.n=40",
    "data.targets=inputs",
    "data.test={split=0.25}",
    "model.kind=deep-relu",
    "model.widths=[6]",
    "loss.kind=square",
    "loss.reduction=mean",
    "init.kind=he",
    "train.lr=0.01",
    "train.steps=60",
    "train.batch=8",
    "checkpoint.every=20",
)
OF_CLASSES = {"q_min", "accuracy", "margins", "margin_normalized", "margin_multi", "test_accuracy"}


def recorded(folder):
    with RunReader(folder) as reader:
        return {name: reader.read(name) for name in reader.series_names()}


def bits(folder):
    return {name: values.tobytes() for name, values in recorded(folder).items()}


@pytest.mark.parametrize("settings", [LINEAR, CODER])
def test_the_risk_is_that_of_a_loop_and_margins_are_absent(tmp_path, settings):
    folder = finished(tmp_path, *settings).folder
    found = recorded(folder)
    assert not OF_CLASSES & found.keys()
    assert all(np.isfinite(found[name]).all() for name in ("log_risk", "rho", "grad_norm_log"))
    with StoredRun(folder) as run:
        network, data = run.network(), run.dataset
    flat = flatten(network.model, torch.float64, torch.device("cpu"))
    parts = {"log_risk": data} | ({"test_log_risk": data.test} if data.test else {})
    assert parts.keys() <= found.keys()
    for row in (0, 3, -1):
        flat.copy_(torch.from_numpy(found["theta"][row]))
        for name, part in parts.items():
            with torch.no_grad():
                outputs = [network.model(torch.from_numpy(x[None]))[0].numpy() for x in part.x]
            risk = np.mean(
                [0.5 * np.sum((a - b) ** 2) for a, b in zip(outputs, part.y, strict=True)]
            )
            assert found[name][row] == pytest.approx(np.log(risk), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("settings", [LINEAR, CODER])
def test_stopping_and_resuming_changes_no_bit(tmp_path, settings):
    whole = finished(tmp_path, *settings, "train.steps=80").folder
    part = finished(tmp_path, *settings, "train.steps=40").folder
    with Session.resume(part, steps=80) as session:
        session.start()
        assert session.wait(60)
    assert bits(part) == bits(whole)


def test_steps_are_the_eager_engines_and_others_say_why_not(monkeypatch):
    assert isinstance(experiment_of(small(*LINEAR)).program, EagerProgram)
    with pytest.raises(BadInput, match="a sample has 3 targets, and kernels take one"):
        experiment_of(small(*LINEAR, "device.engine=kernel"))
    monkeypatch.setattr(captured, "DEVICES", ("cpu",))
    with pytest.raises(BadInput, match="a sample has 3 targets, and captured steps take one"):
        experiment_of(small(*LINEAR, "device.engine=captured"))


def test_the_flow_is_what_small_steps_come_to(tmp_path):
    flow = recorded(
        finished(tmp_path, *LINEAR, "train.rule=flow", "train.rtol=1e-6", "train.steps=300").folder
    )
    steps = ("train.lr=2e-3", "train.steps=300", "record.every=1")
    descent = recorded(finished(tmp_path, *LINEAR, *steps).folder)
    there = flow["time"] <= descent["time"][-1]
    assert np.exp(flow["log_risk"][there][-1]) < 0.7 * np.exp(flow["log_risk"][0])
    between = np.interp(flow["time"][there], descent["time"], descent["log_risk"])
    # Descent is off by the order of its step.
    assert between == pytest.approx(flow["log_risk"][there], abs=1e-2)


def test_files_keep_and_export_the_targets(tmp_path):
    folder = finished(tmp_path, *LINEAR).folder
    wanted = experiment_of(small(*LINEAR)).dataset.y
    for name in ("out.h5", "out.nc", "out.npz"):
        export_run(folder, tmp_path / name)
    with RunReader(folder) as reader, RunReader(tmp_path / "out.h5") as copy:
        assert np.array_equal(reader.y, wanted)
        assert np.array_equal(copy.y, wanted)
    with h5py.File(tmp_path / "out.nc") as file:
        assert np.array_equal(file["data/y"][()], wanted)
    assert np.array_equal(np.load(tmp_path / "out.npz")["data_y"], wanted)


@pytest.mark.parametrize("key", ["init.seed", "data.seed"])
def test_members_have_the_bits_of_their_runs(tmp_path, key):
    settings = tuple(s for s in LINEAR if "checkpoint" not in s)
    members = run_members(small(*settings), [{key: 5}, {key: 6}], series=("log_risk", "rho"))
    for k, value in enumerate((5, 6)):
        alone = recorded(finished(tmp_path, *settings, f"{key}={value}").folder)
        for name in ("log_risk", "rho"):
            assert members.series[name][:, k].tobytes() == alone[name].tobytes()


def test_members_have_as_many_targets():
    with pytest.raises(
        BadInput, match="member 1: data gives 2 targets a sample, and 3 for member 0"
    ):
        run_members(
            small(*LINEAR, "data.singular_values=[1.0]"),
            [{"data.outputs": 3}, {"data.outputs": 2}],
            series=("log_risk",),
        )


def test_robustness_is_of_classes(tmp_path):
    with (
        StoredRun(finished(tmp_path, *LINEAR).folder) as run,
        pytest.raises(BadInput, match="does not"),
    ):
        robustness_of(run, samples=3)


def test_a_loss_of_ones_own_takes_them_and_has_to_give_one_number_a_sample(tmp_path):
    own = ("loss.kind=torch", "loss.class=tests.own_parts:HalfSquares")
    found = recorded(finished(tmp_path, *LINEAR, *own, "loss.reduction=mean").folder)
    square = recorded(finished(tmp_path, *LINEAR).folder)
    assert found["log_risk"] == pytest.approx(square["log_risk"], rel=1e-12)
    with pytest.raises(BadInput, match=r"of shape \(20, 3\), and one number a sample is needed"):
        experiment_of(small(*LINEAR, "loss.kind=torch", "loss.class=tests.own_parts:Huber"))


def test_networks_of_ones_own_have_as_many_outputs():
    linear = ("model.kind=torch", "model.class=torch.nn:Linear")
    with pytest.raises(BadInput, match=r"gives \(2, 2\) for two samples; needed is \(2, 3\)"):
        experiment_of(small(*LINEAR, *linear, "model.arguments={in_features=5, out_features=2}"))
