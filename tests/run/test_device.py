"""Where a run is stepped: by its size, by what it asks for, by where it was; and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.config.run import RunConfig
from workbench.errors import BadInput
from workbench.protocol.commands import Resume
from workbench.protocol.events import Paused
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.run import captured as captured_module
from workbench.run.device import (
    PAYS,
    device_of,
    moved,
    operations_a_step,
    set_precision,
)
from workbench.run.experiment import experiment_of
from workbench.run.session import Session

PICTURES = (
    'data={kind="digits",n=40}',
    'model={kind="cnn",channels=[4,3],width=5}',
    "loss.kind=cross-entropy",
)


def auto(*settings: str) -> RunConfig:
    return small("device.kind=auto", *settings)


def with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")


def test_operations_are_those_of_the_products():
    """12 samples through 2 × 6 and 6 weights, forward and twice as much backward."""
    experiment = experiment_of(small())
    x = experiment.program.x
    assert operations_a_step(experiment.model, x, 12) == 3 * 12 * 2 * (2 * 6 + 6)
    assert operations_a_step(experiment.model, x, 12, 1000) == 1000 * 3 * 12 * 36
    pictures = experiment_of(small(*PICTURES))
    side, filters = 8, pictures.structure.parameters[0].shape
    convolution = 2 * side * side * np.prod(filters)
    assert operations_a_step(pictures.model, pictures.program.x, 1) > 3 * convolution


@pytest.mark.parametrize(
    "settings",
    [
        ('model={kind="diagonal",depth=3}',),
        ('model={kind="mexican-hat"}', "data.n=3"),
        ('model={kind="ntk",base={kind="two-layer-relu",width=5}}',),
        PICTURES,
    ],
)
def test_every_network_has_a_size_and_is_left_as_it_was(settings):
    experiment = experiment_of(small(*settings))
    before = experiment.state.theta.clone()
    assert operations_a_step(experiment.model, experiment.program.x, 5) > 0
    assert torch.equal(before, experiment.state.theta)


def test_a_gpu_is_taken_where_it_pays(monkeypatch):
    with_a_gpu(monkeypatch)
    device, said = device_of(auto(), lambda: 2.0 * PAYS)
    assert device.type == "cuda"
    assert said == (
        "trained on the GPU (Some GPU): a step takes 4.0e+07 operations, and device.kind = 'auto' takes "
        "a GPU from 2e+07 on."
    )
    device, said = device_of(auto(), lambda: 0.5 * PAYS)
    assert device.type == "cpu"
    assert "trained on the CPU" in said


def test_nothing_is_said_where_there_is_no_choice(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(auto(), lambda: 1e30) == (torch.device("cpu"), "")
    assert device_of(small("device.kind=cpu"), lambda: 1e30) == (torch.device("cpu"), "")


def test_a_run_stays_where_it_was(monkeypatch):
    with_a_gpu(monkeypatch)
    assert device_of(auto(), lambda: 1e30, "cpu")[0].type == "cpu"
    assert device_of(auto(), lambda: 1.0, "cuda")[0].type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(auto(), lambda: 1.0, "cuda")[0].type == "cpu"
    assert moved("cuda", torch.device("cpu")).startswith("the steps so far were taken on a GPU")
    assert moved("cpu", torch.device("cpu")) == moved(None, torch.device("cpu")) == ""


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match=r"device\.kind = 'cuda'.*no CUDA device.*auto, cpu"):
        experiment_of(small("device.kind=cuda"))


def test_tf32_is_off_unless_asked_for():
    matmul, conv = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        set_precision(small(), torch.device("cuda"))
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
        asked = small("device.tf32=true", "device.dtype=float32")
        set_precision(asked, torch.device("cuda"))
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, conv
        torch.backends.cudnn.deterministic = False
    with pytest.raises(BadInput, match=r"device\.tf32 rounds.*float64"):
        small("device.tf32=true")


def test_captured_without_a_gpu_is_refused():
    with pytest.raises(
        BadInput, match=r"'captured', and steps are captured on a CUDA device.*eager"
    ):
        experiment_of(small("device.engine=captured"))
    with pytest.raises(BadInput, match="'flow' decides every step on the host"):
        experiment_of(small("device.engine=captured", "train.rule=flow"))


@pytest.fixture
def on_any_device(monkeypatch):
    """Steps that are captured on a GPU are taken on the CPU, one by one."""
    monkeypatch.setattr(captured_module, "DEVICES", ("cuda", "cpu"))


CASES = {
    "constant": ("train.steps=300",),
    "loss-based": ("train.rule=loss-based", "train.lr=0.1", "train.batch=5", "train.steps=300"),
    "log": ("train.rule=normalized", 'record.every="log"', "train.steps=300"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_captured_run_stops_and_resumes_without_a_trace(tmp_path, on_any_device, name):
    settings = ("device.engine=captured", "checkpoint.every=61", *CASES[name])
    whole = finished(tmp_path / "whole", *settings)
    with RunReader(whole.folder) as reader:
        assert reader.attributes["engine"] == "captured"
    assert latest_checkpoint(whole.folder).attributes["engine"] == "captured"
    part = finished(tmp_path / "part", *settings, "train.steps=130")
    again = Session.resume(part.folder, steps=300)
    again.start()
    assert again.wait(120)
    again.close()
    assert again.engine.error is None
    with RunReader(whole.folder) as a, RunReader(part.folder) as b:
        # The first part's end may be a record that the whole run has not.
        common = np.isin(b.read("step"), a.read("step"))
        for series in a.series_names():
            assert b.read(series)[common].tobytes() == a.read(series).tobytes(), series
    one, two = whole.engine.state.to_arrays(), again.engine.state.to_arrays()
    for key in one.keys() - {"saddle_watch"}:
        assert one[key].tobytes() == two[key].tobytes(), key


def test_a_captured_run_is_not_gone_on_with_otherwise(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(captured_module, "DEVICES", ("cuda", "cpu"))
        session = finished(tmp_path, "device.engine=captured", "train.steps=40")
    with pytest.raises(BadInput, match=r"taken by the engine 'captured'.*run is on the CPU.*fork"):
        Session.resume(session.folder, steps=80)


def test_a_run_from_a_gpu_says_that_it_goes_on_on_the_cpu(tmp_path, monkeypatch):
    session = finished(tmp_path, "train.steps=40", "device.kind=auto", "device.engine=eager")
    checkpoint = latest_checkpoint(session.folder)
    checkpoint.attributes["device"] = "cuda"
    from workbench.run import resuming

    going_on = resuming.going_on
    monkeypatch.setattr(
        resuming, "going_on", lambda run, restart: (checkpoint, going_on(run, restart)[1])
    )
    with Session.resume(session.folder, steps=80) as again:
        assert "taken on a GPU, and from here on they are on the CPU" in again.notice
    with RunReader(session.folder) as reader:
        told = [event.text for event in reader.events() if event.kind == "resumed"]
    assert "whose last digits are others" in told[0]


def test_who_needs_the_host_is_stepped_by_the_eager_engine(on_any_device):
    found = experiment_of(small("train.rule=spectral", "device.engine=eager"))
    from workbench.run.captured import captured_or_eager

    network = experiment_of(small("train.rule=spectral")).network
    program, said = captured_or_eager(network, found.program, None)
    assert program.name == "eager"
    assert "spectral norm" in said[0]
    with pytest.raises(BadInput, match=r"device\.engine = 'captured', and the direction"):
        experiment_of(small("train.rule=spectral", "device.engine=captured"))


@pytest.mark.parametrize("rule", ["loss-based", "normalized"])
def test_a_captured_run_goes_back_to_the_record_of_its_goal(tmp_path, on_any_device, rule):
    """The chunk that passes the goal is undone on the device too: θ, times, the rule's memory."""
    settings = ("device.engine=captured", f"train.rule={rule}", "train.steps=120", "record.every=3")
    whole = finished(tmp_path / "whole", *settings)
    with RunReader(whole.folder) as reader:
        risks = reader.read("log_risk")
    goal = float(np.exp(0.5 * (risks[18] + risks[19])))
    session = Session.create(
        small(*settings, f"pause.risk_below={goal!r}"), tmp_path / "goal", attended=True
    )
    with session:
        session.engine.viewers += (
            lambda event: session.engine.send(Resume()) if isinstance(event, Paused) else None,
        )
        session.start()
        assert session.wait(60)
    assert any(kind == "paused" for _, kind, _ in session.events)
    with RunReader(whole.folder) as a, RunReader(session.folder) as b:
        for series in a.series_names():
            assert a.read(series).tobytes() == b.read(series).tobytes(), series
