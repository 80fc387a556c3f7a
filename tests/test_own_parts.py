"""A step rule and measures of the user's own: recorded by name, resumed to the last bit, or refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from cases import finished, small, stored_state
from typer.testing import CliRunner

from commands.main import app as commands
from workbench.config.toml import parse_config, parse_toml, to_toml
from workbench.engine.programs.eager import EagerProgram
from workbench.errors import BadInput
from workbench.losses.registry import loss_of
from workbench.measures.panel import Panel
from workbench.record.export import export_run
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.session import Session
from workbench.run.stored import StoredRun
from workbench.tui.run.source import StoredSource

RULE = ("train.rule=torch", "train.steps=120", "checkpoint.every=50")
BOTH = 'measures.classes=["tests.own_parts:L1Norm", "tests.own_parts:Shares"]'


def rule(name, *more):
    return (*RULE, f"train.class=tests.own_parts:{name}", *more)


def series(folder):
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)) for name in reader.series_names()}


def ended(session):
    session.start()
    assert session.wait(60)
    session.close()
    return session


def test_the_steps_are_those_of_the_class(tmp_path):
    session = finished(
        tmp_path, *rule("Momentum", "train.arguments={rate=2e-3, decay=0.5}"), "record.every=1"
    )
    assert session.engine.error is None
    experiment = experiment_of(small("device.engine='eager'"))
    theta = experiment.state.theta.clone().requires_grad_(True)
    structure, x, y = experiment.structure, experiment.program.x, experiment.program.y
    u, v = (structure.parameter(name) for name in ("u", "v"))
    m = torch.zeros_like(theta)
    for _ in range(120):
        weights = theta[u.start : u.stop].view(u.shape), theta[v.start : v.stop]
        out = torch.relu(x @ weights[0].T) @ weights[1]
        risk = torch.nn.functional.softplus(-y * out).sum()
        m = 0.5 * m + torch.autograd.grad(risk, theta)[0]
        theta = (theta - 2e-3 * m).detach().requires_grad_(True)
    found = series(session.folder)
    np.testing.assert_allclose(found["theta"][-1], theta.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(found["time"], 2e-3 * np.arange(121), rtol=1e-12)
    np.testing.assert_allclose(found["learning_rate_log"][1:], np.log(2e-3))
    assert any("tests.own_parts:Momentum" in text for _, _, text in session.events)


@pytest.mark.parametrize("batch", [0, 5])
@pytest.mark.parametrize("name", ["Sign", "Momentum"])
def test_it_is_resumed_to_the_last_bit(tmp_path, name, batch):
    settings = (*rule(name), f"train.batch={batch}", BOTH)
    whole = finished(tmp_path / "whole", *settings)
    part = finished(tmp_path / "part", *settings, "train.steps=70")
    with pytest.raises(BadInput, match=f"tests.own_parts:{name}.*--trust"):
        Session.resume(part.folder, steps=120)
    again = ended(Session.resume(part.folder, steps=120, trust=True))
    assert again.engine.error is None
    a, b = series(whole.folder), series(again.folder)
    kept = np.isin(b["step"], a["step"])
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].tobytes() == b[key][kept].tobytes(), key
    x, y = whole.engine.state.to_arrays(), again.engine.state.to_arrays()
    assert x.keys() == y.keys()
    assert ("rule/own/m" in x) == (name == "Momentum")
    fork = ended(
        Session.fork(part.folder, 70, tmp_path / "fork", settings=["train.steps=80"], trust=True)
    )
    assert fork.engine.error is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Forgetful", "belongs in `memory`"),
        ("Writing", "belongs in `memory`"),
        ("Short", "a direction of shape .18,., and a length"),
        ("Single", "a direction of shape"),
        ("Backward", "gives the length -1.0"),
        ("Raising", "at step 0 fails: KeyError"),
    ],
)
def test_a_rule_that_cannot_be_kept_fails_the_run_in_a_sentence(tmp_path, name, words):
    session = ended(Session.create(small(*rule(name)), tmp_path))
    assert session.engine.status == "failed"
    assert isinstance(session.engine.error, BadInput)
    with pytest.raises(BadInput, match=words):
        raise session.engine.error
    assert f"tests.own_parts:{name}" in str(session.engine.error)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (rule("Nothing"), "no method move"),
        (rule("Momentun"), "Did you mean 'Momentum'"),
        ((*RULE, "train.class=no.such.module:Rule"), "cannot be imported"),
        (rule("Sign", "train.arguments={pace=1}"), "train.arguments"),
        (RULE, "needs train.class"),
        (("train.class=tests.own_parts:Sign",), "belong to rule 'torch'"),
        (("measures.classes=['tests.own_parts:Unnamed']",), "declares no source"),
        (("measures.classes=['tests.own_parts:Taken']",), "a series 'rho' already"),
        (("measures.classes=['tests.own_parts:L1Norm', 'tests.own_parts:L1Norm']",), "already"),
        (("measures.classes=['tests.own_parts:Misfit']",), "must agree"),
        (("measures.classes=['tests.own_parts:Loud']",), "lower-case"),
        (("measures.classes=['tests.own_parts:Failing']",), "ZeroDivisionError|division"),
        (("measures.classes=['tests.own_parts:Meddling']",), "read-only"),
        (("measures.classes=['tests.own_parts:Sign']",), "no method measure"),
        (("measures.classes=['L1Norm']",), "measures.classes"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, settings, words):
    with pytest.raises(BadInput, match=words) as caught:
        Session.create(small(*settings), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_measures_are_in_the_file_shown_and_exported(tmp_path):
    session = finished(tmp_path, BOTH, "train.steps=100")
    found = series(session.folder)
    np.testing.assert_allclose(found["l1_norm"], np.abs(found["theta"]).sum(axis=1), rtol=1e-15)
    np.testing.assert_allclose(
        np.log(found["loss_share"].sum(axis=1)), found["log_risk"], rtol=1e-12
    )
    with RunReader(session.folder) as reader:
        spec = reader.spec("loss_share")
        assert (spec.dims, spec.units, spec.source) == (("sample",), "1", "a test, eq. (2)")
        assert reader.layout("l1_norm").attributes["class"] == "tests.own_parts:L1Norm"
    shown = CliRunner().invoke(commands, ["show", str(session.folder), "--json"])
    described = {s["name"]: s for s in json.loads(shown.stdout)["series"]}
    assert described["l1_norm"]["last"] == found["l1_norm"][-1]
    assert described["l1_norm"]["long_name"] == "sum of the weights' sizes, ‖θ‖_1"
    export_run(session.folder, tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as file:
        assert file["loss_share"].tobytes() == found["loss_share"].tobytes()
    text = to_toml(StoredRun(session.folder).config)
    assert (
        parse_config(parse_toml(text, "t"), "t").measures.classes == session.config.measures.classes
    )
    assert "classes = []" in to_toml(small())


def test_looking_needs_neither_rule_nor_measures(tmp_path, monkeypatch):
    session = finished(tmp_path, *rule("Momentum"), BOTH)
    monkeypatch.setattr(
        "workbench.engine.rules.own.imported_class", lambda *_: pytest.fail("imported to look")
    )
    monkeypatch.setattr(
        "workbench.models.imported.imported_class", lambda *_: pytest.fail("imported to look")
    )
    state = stored_state(session.folder, 120)
    assert state.log_risk == pytest.approx(series(session.folder)["log_risk"][-1], rel=1e-13)
    source = StoredSource(session.folder)
    source.prepare()
    assert source.moment(3).step == 30
    source.close()


def test_a_configuration_changed_by_hand_is_refused(tmp_path):
    session = finished(tmp_path, *rule("Momentum"), "measures.classes=['tests.own_parts:L1Norm']")
    path = session.folder / "config.toml"
    text = path.read_text()
    path.write_text(
        text.replace('rule = "torch"', 'rule = "constant"').replace(
            'class = "tests.own_parts:Momentum"', ""
        )
    )
    with pytest.raises(BadInput, match=r"train\.rule = constant.*begun with torch"):
        Session.resume(session.folder, steps=200, trust=True)
    path.write_text(text.replace('classes = [\n    "tests.own_parts:L1Norm",\n]', "classes = []"))
    with pytest.raises(BadInput, match=r"measures\.classes = \[\].*begun with .*L1Norm"):
        Session.resume(session.folder, steps=200, trust=True)


class SignProgram(EagerProgram):
    """A step program of the user's, handed in past the configuration."""

    name = "sign"

    def _update(self, state, evaluated, labels):
        with torch.no_grad():
            for p, g in zip(self.parameters, evaluated[1], strict=True):
                p -= 1e-3 * torch.sign(g)


class MorePanel(Panel):
    def compute(self, rows):
        return {**super().compute(rows), "l1_norm": np.abs(rows.theta).sum(1)}


def test_an_experiment_that_is_not_its_configurations_is_refused(tmp_path):
    config = small("train.steps=50", "device.engine='eager'")
    made = experiment_of(config)
    old = made.program
    program = SignProgram(
        made.model,
        old.x,
        old.y,
        loss=loss_of("logistic"),
        reduction="sum",
        rule=old.rule,
        batches=old.batches,
    )
    panel = MorePanel(**{f.name: getattr(made.panel, f.name) for f in fields(made.panel)})
    for changed in (replace(made, program=program), replace(made, panel=panel)):
        with pytest.raises(BadInput, match=r"does not build.*train\.class"):
            Session.create(config, tmp_path, experiment=changed)
    mended = experiment_of(config)
    mended.program.cotangent = lambda outputs, y: (outputs - y, None)
    with pytest.raises(BadInput, match="does not build"):
        Session.create(config, tmp_path, experiment=mended)
    with pytest.raises(BadInput, match="another configuration"):
        Session.create(small("train.lr=1.0"), tmp_path, experiment=made)
    assert not list(tmp_path.iterdir())
    session = ended(Session.create(config, tmp_path, experiment=made))
    assert session.engine.error is None
