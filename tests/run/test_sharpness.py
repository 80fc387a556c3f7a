"""Sharpness of recorded states: against the whole Hessian, at chosen steps, the same bits however run."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished, small

from workbench.errors import BadInput
from workbench.figures import draw_figure
from workbench.measures.sharpness import Sharpness
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.member_run import run_members
from workbench.run.session import Session
from workbench.run.stored import StoredRun

EVERY = ("train.steps=40", "checkpoint.every=20", "record.every=2", "measures.sharpness_every=4")
SERIES = ("sharpness", "sharpness_residual", "stability_threshold")
VARIANTS = {
    "logistic": (),
    "square": ("data.kind=kh24-circle", "loss.kind=square", "model.kind=squared-relu"),
    "mean": ("model.kind=deep-linear", "model.widths=[4,3]", "loss.reduction=mean"),
    "classes": (
        "data.kind=digits",
        "data.n=40",
        "model.kind=deep-relu",
        "model.widths=[3]",
        "loss.kind=cross-entropy",
        "init.kind=he",
    ),
}


def recorded(folder):
    with RunReader(folder) as reader:
        return {name: reader.read(name) for name in (*reader.series_names(), "step")}


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_is_the_largest_eigenvalue_of_the_whole_hessian(tmp_path, variant):
    folder = finished(tmp_path, *EVERY, *VARIANTS[variant], "init.scale=0.5").folder
    found = recorded(folder)
    with StoredRun(folder) as run:
        risk = run.network().risk()
    rows = np.flatnonzero(found["step"] % 4 == 0)
    assert len(rows) == 11
    assert np.isnan(found["sharpness"][found["step"] % 4 != 0]).all()
    for row in rows:
        theta = found["theta"][row]
        values = np.linalg.eigvalsh(risk.hessian_products(theta, np.eye(theta.size)))
        value, residual = found["sharpness"][row], found["sharpness_residual"][row]
        assert value == pytest.approx(values[-1], rel=1e-4)
        assert np.abs(values - value).min() <= residual <= 2e-3 * np.abs(values).max()


def test_samples_in_blocks_have_the_hessian_of_all(monkeypatch):
    from workbench.engine.programs import blocks

    experiment = experiment_of(small("init.scale=0.5", "measures.sharpness_every=1"))
    theta = experiment.state.theta.numpy()
    whole = experiment.panel.sharpness
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 200)
    network = experiment.network
    parts = whole.of(network.model, network.dataset.x, network.dataset.y)
    parts._block = 3
    assert isinstance(parts, Sharpness)
    assert parts.at(theta).value == pytest.approx(whole.at(theta).value, rel=1e-6)


RULES = {
    "constant": ("train.lr=0.01",),
    "momentum": ("train.rule=momentum", "train.momentum=0.5", "train.lr=0.01"),
    "normalized": ("train.rule=normalized", "train.lr=0.02"),
    "adam": ("train.rule=adam",),
}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_threshold_is_that_of_the_rule(tmp_path, rule):
    found = recorded(finished(tmp_path, *EVERY, *RULES[rule]).folder)
    if rule == "adam":
        assert "stability_threshold" not in found
        assert "sharpness" in found
        return
    threshold = found["stability_threshold"]
    if rule == "normalized":
        assert np.isnan(threshold[0])
        wanted = 2.0 / np.exp(found["learning_rate_log"][1:])
        np.testing.assert_allclose(threshold[1:], wanted, rtol=1e-12)
    else:
        assert threshold == pytest.approx({"constant": 200.0, "momentum": 300.0}[rule])


def test_the_figure_has_the_measured_records_and_the_threshold(tmp_path):
    folder = finished(tmp_path, *EVERY, *RULES["momentum"]).folder
    with RunReader(folder) as reader:
        figure = draw_figure(reader, "sharpness")
        sharpness, threshold = figure.axes[0].lines[:2]
        assert len(sharpness.get_xdata()) == 11
        np.testing.assert_allclose(threshold.get_ydata(), 300.0)
    other = finished(tmp_path, "train.steps=20").folder
    with RunReader(other) as reader, pytest.raises(BadInput, match="recorded no sharpness"):
        draw_figure(reader, "sharpness")


def test_goes_on_to_the_last_bit_and_a_member_is_its_run(tmp_path):
    settings = (*EVERY, "init.scale=0.3")
    whole = recorded(finished(tmp_path, *settings).folder)
    part = finished(tmp_path, *settings, "train.steps=20").folder
    with Session.resume(part, steps=40) as session:
        session.start()
        assert session.wait(60)
    resumed = recorded(part)
    seeds = [{"init.seed": 0, "train.lr": 0.02}, {"init.seed": 3, "train.lr": 0.01}]
    members = run_members(small(*settings), seeds, series=SERIES)
    third = recorded(finished(tmp_path, *settings, "init.seed=3", "train.lr=0.01").folder)
    for name in SERIES:
        assert resumed[name].tobytes() == whole[name].tobytes()
        np.testing.assert_array_equal(members.series[name][:, 1], third[name])


def test_is_refused_where_there_is_no_such_hessian():
    model = ("model.kind=torch", "model.class=tests.models.own_modules:Dropping")
    with pytest.raises(BadInput, match=r"measures\.sharpness_every = 1 needs outputs that depend"):
        experiment_of(small(*model, "measures.sharpness_every=1"))
    with pytest.raises(BadInput, match=r"a loss of your own \(loss\.class\) does not tell"):
        small("loss.kind=torch", "loss.class=tests.own_parts:Huber", "measures.sharpness_every=1")
