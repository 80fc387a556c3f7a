"""What `device.engine` means: it selects the step program, the file names it, and resuming keeps it."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.config.run import Engine
from workbench.engine.programs.eager import EagerProgram
from workbench.engine.programs.kernel import choose
from workbench.engine.programs.kernel.program import KernelProgram
from workbench.errors import BadInput
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.run import captured
from workbench.run.experiment import experiment_of
from workbench.run.program import ENGINES
from workbench.run.session import Session

FLOW = ("train.rule=flow", "train.steps=30", "record.every=10")
NO_KERNEL = {
    "model": ("model.kind=ntk", "model.base.kind=two-layer-relu", "model.base.width=4"),
    "rule": ("train.rule=adam",),
    "dtype": ("device.dtype=float32",),
    "flow": FLOW,
}


class Unlike(TwoLayerRelu):
    """A network of one's own that computes something else."""

    def forward(self, x):
        return 2.0 * super().forward(x)


def named(session) -> tuple[object, object]:
    with RunReader(session.folder) as reader:
        return reader.attributes["engine"], latest_checkpoint(session.folder).attributes["engine"]


def wrong_kernel(patched) -> None:
    """Let the kernel of another network stand for that of the small run."""
    real = choose.FAMILIES

    def of(model, structure):
        found = choose.two_layer_relu.kernel(model, structure)
        if found is not None:
            found.fixed[0] = 0.25
        return found

    patched.setattr(choose, "FAMILIES", (of, *real))


def test_every_engine_of_the_configuration_is_one_that_there_is():
    assert {"auto", *ENGINES} == set(get_args(Engine))


def test_the_configuration_selects_the_step_program():
    assert type(experiment_of(small()).program) is KernelProgram
    assert type(experiment_of(small("device.engine=kernel")).program) is KernelProgram
    assert type(experiment_of(small("device.engine=eager")).program) is EagerProgram
    assert type(experiment_of(small(*FLOW)).program.rows) is EagerProgram


def test_an_unknown_engine_is_refused_by_name():
    with pytest.raises(BadInput, match=r"device\.engine.*eagre.*auto.*eager.*kernel"):
        small("device.engine=eagre")


@pytest.mark.parametrize("what", NO_KERNEL)
def test_without_a_kernel_auto_is_eager_and_asking_for_one_is_refused(what):
    settings = NO_KERNEL[what]
    experiment = experiment_of(small(*settings))
    assert experiment.program.name == ("flow-two-layer" if what == "flow" else "eager")
    assert not any("kernel" in remark for remark in experiment.remarks)
    key = {"model": "model.kind 'ntk'", "dtype": "device.dtype", "flow": "train.rule 'flow'"}
    with pytest.raises(BadInput, match=rf"device\.engine = 'kernel'.*{key.get(what, 'rule')}"):
        experiment_of(small(*settings, "device.engine=kernel"))


def test_a_network_of_ones_own_has_no_kernel():
    own = Unlike(2, 6, 0.0)
    assert choose.kernel_of(own, experiment_of(small()).structure) is None
    assert choose.kernel_of(TwoLayerRelu(2, 6, 0.0), experiment_of(small()).structure) is not None


def test_a_kernel_that_is_not_autograds_is_not_used_and_that_is_said(monkeypatch, tmp_path):
    wrong_kernel(monkeypatch)
    with pytest.raises(BadInput, match=r"device\.engine = 'kernel'.*differ from autograd's"):
        experiment_of(small("device.engine=kernel"))
    session = finished(tmp_path, "train.steps=40")
    assert named(session) == ("eager", "eager")
    said = [event.text for event in session.events if event.kind == "note"]
    assert any("there is a kernel, and its outputs differ from autograd's" in text for text in said)


def test_looking_for_a_kernel_leaves_theta_as_it_was():
    kernel, eager = (experiment_of(small(f"device.engine={name}")) for name in ("kernel", "eager"))
    assert torch.equal(kernel.state.theta, eager.state.theta)
    assert all(
        torch.equal(a, b)
        for a, b in zip(kernel.model.parameters(), eager.model.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (("train.steps=40",), "kernel"),
        (("device.engine=eager",), "eager"),
        (FLOW, "flow-two-layer"),
    ],
)
def test_file_and_checkpoint_name_what_stepped(tmp_path, settings, name):
    assert named(finished(tmp_path, *settings)) == (name, name)


@pytest.mark.parametrize("engine", ["eager", "kernel"])
def test_resuming_keeps_the_engine(tmp_path, monkeypatch, engine):
    # Without a GPU what is captured there is done operation by operation.
    monkeypatch.setattr(captured, "DEVICES", ("cuda", "cpu"))
    whole = finished(tmp_path, f"device.engine={engine}", "train.steps=80")
    session = finished(tmp_path, f"device.engine={engine}", "train.steps=40")
    with Session.resume(session.folder, steps=80) as again:
        again.start()
        assert again.wait(60)
        assert again.experiment.program.name == engine
    with RunReader(whole.folder) as one, RunReader(session.folder) as other:
        np.testing.assert_array_equal(one.read("theta"), other.read("theta"))


def test_an_eager_run_whose_configuration_takes_any_engine_stays_eager(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(choose, "FAMILIES", ())
        session = finished(tmp_path, "train.steps=40")
        assert named(session) == ("eager", "eager")
    with Session.resume(session.folder, steps=80) as again:
        assert again.experiment.program.name == "eager"


def test_a_run_of_kernels_is_not_gone_on_with_by_another_engine(tmp_path, monkeypatch):
    session = finished(tmp_path, "train.steps=40")
    with monkeypatch.context() as patched:
        wrong_kernel(patched)
        with pytest.raises(BadInput, match=r"engine 'kernel'.*differ.*keeps its engine, fork it"):
            Session.resume(session.folder, steps=80)
        assert named(session) == ("kernel", "kernel")


def test_a_fork_takes_the_engine_that_it_asks_for(tmp_path):
    session = finished(tmp_path, "train.steps=40", "device.engine=eager")
    for settings, name in (((), "eager"), (("device.engine=auto",), "kernel")):
        with Session.fork(
            session.folder, 40, tmp_path, settings=("train.steps=60", *settings)
        ) as fork:
            assert fork.experiment.program.name == name


def test_a_rule_changed_by_hand_is_refused(tmp_path):
    session = finished(tmp_path, "train.steps=40")
    path = session.folder / "config.toml"
    path.write_text(path.read_text().replace('rule = "constant"', 'rule = "flow"'))
    with pytest.raises(BadInput, match=r"train\.rule = flow.*begun with constant.*fork"):
        Session.resume(session.folder, steps=80)
