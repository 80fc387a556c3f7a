"""A loss of the user's own: the workbench's where it is one of them, resumed to the last bit, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import finished, small, stored_state
from test_own_parts import ended, series

from workbench.config.toml import parse_config, parse_toml, to_toml
from workbench.engine.programs.members.each import EachMember
from workbench.errors import BadInput
from workbench.figures.ncf import landscape_of
from workbench.figures.network import network_for
from workbench.figures.series import RunSeries
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.members import members_of
from workbench.run.session import Session
from workbench.tui.run.source import StoredSource

STEPS = "train.steps=120"


def own(name, *more):
    return ("loss.kind=torch", f"loss.class=tests.own_parts:{name}", STEPS, *more)


def test_the_steps_descend_the_loss_of_the_class(tmp_path):
    session = finished(tmp_path, *own("Huber", "loss.arguments={delta=0.3}", "loss.reduction=mean"))
    assert session.engine.error is None
    experiment = experiment_of(small("device.engine=eager"))
    theta = experiment.state.theta.clone().requires_grad_(True)
    x, y = experiment.program.x, experiment.program.y
    u, v = (experiment.structure.parameter(name) for name in ("u", "v"))
    risks = []
    for _ in range(121):
        out = torch.relu(x @ theta[u.start : u.stop].view(u.shape).T) @ theta[v.start : v.stop]
        far = (out - y).abs()
        risk = torch.where(far < 0.3, 0.5 * far**2, 0.3 * (far - 0.15)).mean()
        risks.append(risk.item())
        theta = (theta - 5e-3 * torch.autograd.grad(risk, theta)[0]).detach().requires_grad_(True)
    found = series(session.folder)
    np.testing.assert_allclose(found["log_risk"], np.log(risks[::10]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["LogExponential", "PlainExponential"])
@pytest.mark.parametrize("rule", ["constant", "normalized", "loss-based", "adam"])
def test_one_that_is_the_workbenchs_gives_its_run(tmp_path, name, rule):
    given = ("train.lr=1e-2", f"train.rule={rule}")
    mine = series(finished(tmp_path / "own", *own(name, *given)).folder)
    there = series(finished(tmp_path / "built", "loss.kind=exponential", STEPS, *given).folder)
    for key in ("theta", "log_risk", "grad_norm_log", "margin_normalized", "time"):
        np.testing.assert_allclose(mine[key], there[key], rtol=1e-9, atol=1e-12, err_msg=key)
    # By ℓ⁻¹ and f, which nobody has told.
    gone = {"margin_smoothed", "margin_discrete", "kkt_epsilon", "kkt_delta"}
    gone |= {"margin_smoothed_linf"} if rule == "adam" else set()
    assert there.keys() - mine.keys() == gone


def test_logs_are_right_where_the_loss_is_below_a_float(tmp_path):
    """A start of margins in the thousands: nothing moves with `losses`, and all does with its log."""
    far = ("init.scale=60.0", "train.rule=normalized", "train.lr=0.1", "train.steps=600")
    config = ("data.kind=inline", "data.x=[[1.0, 0.5]]", "data.y=[1.0]", "init.seed=2")
    mine = series(finished(tmp_path / "log", *own("LogExponential", *far, *config)).folder)
    assert mine["log_risk"][0] < -800.0
    assert np.all(np.diff(mine["log_risk"]) < 0.0)
    plain = series(finished(tmp_path / "plain", *own("PlainExponential", *far, *config)).folder)
    assert np.all(plain["log_risk"] == -np.inf)
    assert np.ptp(plain["theta"], axis=0).max() == 0.0


def test_classes_have_an_output_each(tmp_path):
    data = ("data.kind=digits", "data.classes=[0,1,2]", "data.n=30")
    model = ("model.kind=deep-relu", "model.widths=[8]")
    mine = series(finished(tmp_path / "own", *own("Softmax", *data, *model)).folder)
    there = series(
        finished(tmp_path / "built", "loss.kind=cross-entropy", STEPS, *data, *model).folder
    )
    np.testing.assert_allclose(mine["log_risk"], there["log_risk"], rtol=1e-10)
    with pytest.raises(
        BadInput, match=r"loss\.class 'tests\.own_parts:Softmax' needs one output a class"
    ):
        experiment_of(small(*own("Softmax", *data)))


@pytest.mark.parametrize("batch", [0, 5])
def test_it_is_resumed_to_the_last_bit_and_with_trust_alone(tmp_path, batch):
    settings = own("LogExponential", f"train.batch={batch}", "checkpoint.every=50")
    whole = finished(tmp_path / "whole", *settings)
    part = finished(tmp_path / "part", *settings, "train.steps=70")
    with pytest.raises(BadInput, match=r"own_parts:LogExponential.*--trust"):
        Session.resume(part.folder, steps=120)
    with pytest.raises(BadInput, match=r"own_parts:LogExponential.*--trust"):
        stored_state(part.folder)
    again = ended(Session.resume(part.folder, steps=120, trust=True))
    assert again.engine.error is None
    a, b = series(whole.folder), series(again.folder)
    kept = np.isin(b["step"], a["step"])
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].tobytes() == b[key][kept].tobytes(), key
    x, y = whole.engine.state.to_arrays(), again.engine.state.to_arrays()
    assert x["theta"].tobytes() == y["theta"].tobytes()
    state = stored_state(again.folder, 120, trust=True)
    assert state.log_risk == pytest.approx(a["log_risk"][-1], rel=1e-13)
    config = again.config
    assert parse_config(parse_toml(to_toml(config), "t"), "t").loss == config.loss
    path = again.folder / "config.toml"
    path.write_text(path.read_text().replace("LogExponential", "PlainExponential"))
    with pytest.raises(BadInput, match=r"loss\.class = tests.own_parts:Plain.*begun with .*LogExp"):
        Session.resume(again.folder, steps=200, trust=True)


def test_looking_imports_nothing(tmp_path, monkeypatch):
    session = finished(tmp_path, *own("Huber"))
    monkeypatch.setattr("workbench.run.loss.imported_class", lambda *_: pytest.fail("imported"))
    source = StoredSource(session.folder)
    source.prepare()
    assert source.moment(3).step == 30
    source.close()
    with RunReader(session.folder) as reader:
        found = RunSeries(reader)
        assert found.loss is None
        with pytest.raises(BadInput, match="network or loss is a class of your own"):
            network_for(found, "residual")
        with pytest.raises(BadInput, match="has a network or a loss of your own"):
            landscape_of(found, "ncf")


def test_members_are_stepped_one_by_one():
    config = small(*own("LogExponential"), "device.engine=eager")
    assert type(members_of(config, [{"init.seed": k} for k in range(2)]).program) is EachMember


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (own("Labelless"), "labels = 'any'; allowed: 'real', 'binary', 'classes'"),
        (own("Lossless"), r"no method losses\(outputs, y\)"),
        (own("Hubber"), "Did you mean 'Huber'"),
        (own("Averaged"), r"float64 of shape \(\), and one number a sample"),
        (own("Detached"), "without a gradient"),
        (own("Broken"), "KeyError"),
        (own("Huber", "loss.arguments={width=1}"), "loss.arguments"),
        (
            own("LogExponential", "data.kind=kh24-circle"),
            "loss.class 'tests.own_parts:Log.*needs labels",
        ),
        (own("Huber", "train.rule=flow"), "a loss of your own"),
        (("loss.kind=torch",), "needs loss.class"),
        (("loss.class=tests.own_parts:Huber",), "belong to kind 'torch'"),
        (own("Huber", "device.engine=kernel"), "has no kernel"),
        (("loss.kind=huber",), "allowed: 'square'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, settings, words):
    with pytest.raises(BadInput, match=words) as caught:
        Session.create(small(*settings), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_loss_below_0_fails_the_run_in_a_sentence(tmp_path):
    session = ended(Session.create(small(*own("Gaining", "init.scale=1e-3")), tmp_path))
    assert session.engine.status == "failed"
    assert "a loss is 0 or more" in str(session.engine.error)
