"""Weight decay: steps of torch.optim with weight_decay, by every engine, cut anywhere, in members."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import finished, small
from engine.captured.pairs import captured_of

from workbench.engine.program import StopFlag
from workbench.errors import BadInput
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.member_run import run_members
from workbench.run.session import Session

STEPS = 50
DECAY = 0.05
OPTIMIZERS = {
    "constant": ((), lambda p: torch.optim.SGD(p, lr=5e-3, weight_decay=DECAY)),
    "momentum": (
        ("train.rule=momentum", "train.momentum=0.8"),
        lambda p: torch.optim.SGD(p, lr=5e-3, momentum=0.8, weight_decay=DECAY),
    ),
    "adam": (
        ("train.rule=adam",),
        lambda p: torch.optim.Adam(p, lr=5e-3, weight_decay=DECAY),
    ),
    "adam-0": (
        ("train.rule=adam", "train.epsilon=0"),
        lambda p: torch.optim.Adam(p, lr=5e-3, eps=0.0, weight_decay=DECAY),
    ),
}
SERIES = ("log_risk", "decay_log", "rho", "theta")


def experiment(name, *settings):
    more = (f"train.weight_decay={DECAY}", *settings)
    return experiment_of(small(*OPTIMIZERS[name][0], *more))


def stepped(found, program=None):
    (program or found.program).run_chunk(found.state, 0, 1, STEPS, None, StopFlag())
    return found.state.theta.detach().numpy()


def torch_steps(name, *settings):
    """θ after the same steps of torch.optim from the same start."""
    found = experiment(name, "device.engine=eager", *settings)
    x, y = found.program.x, found.program.y
    theta = found.state.theta.clone().requires_grad_()
    optimizer = OPTIMIZERS[name][1]([theta])
    u, v = (found.structure.parameter(part) for part in ("u", "v"))
    for _ in range(STEPS):
        optimizer.zero_grad()
        out = torch.relu(x @ theta[u.start : u.stop].view(u.shape).T) @ theta[v.start : v.stop]
        risk = found.network.loss.risk(out, y)
        (risk / len(y) if found.config.loss.reduction == "mean" else risk).backward()
        optimizer.step()
    return theta.detach().numpy()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_steps_are_those_of_torch(name, loss):
    settings = (f"loss.kind={loss}", "loss.reduction=mean")
    wanted = torch_steps(name, *settings)
    eager = experiment(name, "device.engine=eager", *settings)
    np.testing.assert_allclose(stepped(eager), wanted, rtol=1e-10)


def test_the_kernel_and_the_captured_program_step_alike():
    wanted = torch_steps("constant")
    found = experiment("constant")
    assert found.program.name == "kernel"
    np.testing.assert_allclose(stepped(found), wanted, rtol=1e-11)
    other = experiment("constant", "device.engine=eager")
    theta = stepped(other, captured_of(other.program))
    np.testing.assert_allclose(theta, wanted, rtol=1e-11)


def recorded(folder):
    with RunReader(folder) as reader:
        return {name: reader.read(name) for name in (*reader.series_names(), "step")}


@pytest.mark.parametrize(
    "settings",
    [(), ("train.rule=momentum",), ("train.rule=adam",), ("train.batch=5",)],
    ids=["kernel", "momentum", "adam", "batch"],
)
def test_a_run_goes_on_to_the_last_bit_and_its_risk_is_that_of_the_data(tmp_path, settings):
    more = (*settings, f"train.weight_decay={DECAY}", "checkpoint.every=20", "record.every=5")
    whole = recorded(finished(tmp_path, *more, "train.steps=60").folder)
    part = finished(tmp_path, *more, "train.steps=40").folder
    with Session.resume(part, steps=60) as session:
        session.start()
        assert session.wait(60)
    resumed = recorded(part)
    assert whole.keys() == resumed.keys()
    assert all(resumed[name].tobytes() == whole[name].tobytes() for name in whole)
    np.testing.assert_allclose(
        np.exp(whole["decay_log"]), 0.5 * DECAY * whole["rho"] ** 2, rtol=1e-12
    )
    risk = experiment("constant").risk()
    for theta, log_risk in zip(whole["theta"], whole["log_risk"], strict=True):
        assert risk.log_risk(theta) == pytest.approx(log_risk, rel=1e-9)


@pytest.mark.parametrize("engine", ["kernel", "eager"])
def test_members_decay_each_by_its_own(tmp_path, engine):
    settings = ("train.steps=60", "record.every=10", f"device.engine={engine}", "train.lr=0.01")
    config = small(*settings, "train.weight_decay=0.1")
    each = [{"train.weight_decay": w, "init.seed": k} for k, w in enumerate((0.1, 0.02, 0.3))]
    found = run_members(config, each, series=SERIES)
    for k, one in enumerate(each):
        own = [f"{key}={value}" for key, value in one.items()]
        alone = recorded(finished(tmp_path, *settings, *own).folder)
        for name in SERIES:
            np.testing.assert_allclose(found.series[name][:, k], alone[name], rtol=1e-11)
    with pytest.raises(BadInput, match=r"train\.weight_decay is 0\.0, and 0\.1 for member 0"):
        run_members(config, [{}, {"train.weight_decay": 0.0}], series=SERIES)


@pytest.mark.parametrize(
    "rule", ["normalized", "loss-based", "flow", "sign", "coordinate", "spectral"]
)
def test_rules_that_it_is_not_defined_for_refuse_it(rule):
    said = rf"train\.weight_decay = 0\.1 adds λθ to the risk's gradient, and rule '{rule}'"
    with pytest.raises(BadInput, match=said):
        small(f"train.rule={rule}", "train.weight_decay=0.1")
    small(f"train.rule={rule}", "train.weight_decay=0")
