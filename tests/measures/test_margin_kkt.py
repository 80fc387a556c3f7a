"""ε, δ and γ^ of every record: against the certificate of single states, and in files of before them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.losses.registry import loss_of
from workbench.measures.margin_discrete import DiscreteMargin
from workbench.measures.registry import MEASURES
from workbench.measures.series.margin_discrete import MARGIN_DISCRETE
from workbench.measures.series.margin_kkt import MARGIN_KKT, constraints
from workbench.record.reader import RunReader
from workbench.run import experiment
from workbench.run.experiment import Experiment, experiment_of
from workbench.run.session import Session
from workbench.theory.margin.kkt import PaperCertificate, paper_certificate_at
from workbench.theory.margin.problem import MarginPoint, class_margins

EASY = ("data.n=6", "train.lr=0.05", "train.steps=1500", "record.every=50", "init.scale=0.5")
RUNS = {
    "logistic": EASY,
    "exponential, averaged": (*EASY, "loss.kind=exponential", "loss.reduction=mean"),
    "order 3": (
        *EASY,
        "model.kind=deep-relu",
        "model.widths=[6,5]",
        "init.kind=he",
        "train.lr=0.1",
    ),
    "minibatches": (*EASY, "train.batch=2"),
    "flow": (*EASY, "train.rule=flow", "loss.kind=exponential", "train.until={log10_risk=-60}"),
    "classes": (
        "data.kind=digits",
        "data.n=12",
        "model.kind=deep-relu",
        "model.widths=[8]",
        "loss.kind=cross-entropy",
        "init.kind=he",
        "train.lr=0.01",
        "train.steps=400",
        "record.every=50",
    ),
}


def plain_log_weights(q: np.ndarray, loss: str, samples: np.ndarray | None) -> np.ndarray:
    """log of the weight of ∂q_i in −∇𝓛: −q, or the logarithm of the wrong class's probability."""
    if loss == "exponential":
        return -q
    if loss == "logistic":
        return -np.log1p(np.exp(q))
    total = np.array([1.0 + np.exp(-q[samples == sample]).sum() for sample in samples])
    return np.log(np.exp(-q) / total)


def certificate(run: Experiment, theta: np.ndarray) -> PaperCertificate:
    """Lemma C.8 at θ, with the gradient of one constraint after the other."""
    model, data = run.model, run.dataset
    with torch.no_grad():
        run.state.theta.copy_(torch.from_numpy(theta))
    outputs = model(torch.from_numpy(data.x))
    if run.panel.outputs == 1:
        margins, samples = torch.from_numpy(data.y) * outputs.reshape(-1), None
    else:
        q, index = class_margins(outputs.detach().numpy(), data.y)
        samples, label = index[:, 0], data.y.astype(int)
        margins = outputs[samples, label[samples]] - outputs[samples, index[:, 1]]
    parameters = [p for p in model.parameters() if p.requires_grad]
    rows = [
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(m, parameters, retain_graph=True)])
        for m in margins
    ]
    q = margins.detach().numpy()
    point = MarginPoint.at(theta, q, torch.stack(rows).numpy(), run.panel.order)
    return paper_certificate_at(point, plain_log_weights(q, run.config.loss.kind, samples))


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_record_has_the_certificate_of_its_state(tmp_path, name):
    session = finished(tmp_path, *RUNS[name])
    with RunReader(session.folder) as reader:
        theta, q_min = reader.read("theta"), reader.read("q_min")
        epsilon, delta = reader.read("kkt_epsilon"), reader.read("kkt_delta")
    separated = np.flatnonzero(q_min > 0)
    assert len(separated) > 3
    assert np.isnan(epsilon[q_min <= 0]).all()
    assert np.isnan(delta[q_min <= 0]).all()
    for row in (separated[0], separated[len(separated) // 2], separated[-1]):
        paper = certificate(session.experiment, theta[row])
        np.testing.assert_allclose(epsilon[row], paper.epsilon, rtol=1e-8)
        np.testing.assert_allclose(delta[row], paper.delta, rtol=1e-8)


def test_constraints_against_those_of_a_single_state():
    draw = np.random.default_rng(5)
    y = np.array([2.0, 0.0, 1.0, 2.0])
    outputs = 3.0 * draw.normal(size=(3, 4, 3))
    q, weights = constraints(outputs, y, loss_of("cross-entropy"))
    for row in range(3):
        expected, index = class_margins(outputs[row], y)
        np.testing.assert_array_equal(q[row], expected)
        logs = plain_log_weights(expected, "cross-entropy", index[:, 0])
        np.testing.assert_allclose(weights[row], logs, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_margin_of_descent_is_that_of_its_own_risk_and_norm(tmp_path, reduction):
    settings = (*EASY, "loss.kind=exponential", f"loss.reduction={reduction}")
    session = finished(tmp_path, *settings)
    with RunReader(session.folder) as reader:
        found, smoothed = reader.read("margin_discrete"), reader.read("margin_smoothed")
        risk, rho = reader.read("log_risk"), reader.read("rho")
    risk = risk + (np.log(6) if reduction == "mean" else 0.0)
    begun = risk <= -1.0
    assert begun.any()
    assert not begun.all()
    assert np.isnan(found[~begun]).all()
    alone = [
        DiscreteMargin(2.0, 1.0).margin(risk[i : i + 1], rho[i : i + 1]) for i in range(len(risk))
    ]
    assert np.concatenate(alone).tobytes() == found.tobytes()
    assert (found[begun] < smoothed[begun]).all()
    assert (np.diff(found[begun]) >= 0).all()


def test_they_apply_to_margins_of_homogeneous_networks_only():
    names = {"kkt_epsilon", "kkt_delta"}

    def of(*settings):
        return set(experiment_of(small(*settings)).panel.shapes()) & {*names, "margin_discrete"}

    assert of("loss.kind=exponential") == {*names, "margin_discrete"}
    assert of("loss.kind=logistic") == names
    assert of("loss.kind=square") == set()
    assert of("model.kind=skip-linear") == set()


def test_a_run_of_before_they_were_recorded_goes_on_without_them(tmp_path, monkeypatch):
    settings = ("loss.kind=exponential", "train.steps=200")
    whole = finished(tmp_path / "now", *settings)
    old = tuple(measure for measure in MEASURES if measure not in (MARGIN_KKT, MARGIN_DISCRETE))
    with monkeypatch.context() as before:
        before.setattr(experiment, "MEASURES", old)
        part = finished(tmp_path / "old", *settings, "train.steps=90")
    session = Session.resume(part.folder, steps=200)
    session.start()
    assert session.wait(60)
    session.close()
    assert session.engine.error is None
    with RunReader(whole.folder) as a, RunReader(part.folder) as b:
        missing = {"kkt_epsilon", "kkt_delta", "margin_discrete"}
        assert set(a.series_names()) - set(b.series_names()) == missing
        for name in b.series_names():
            assert a.read(name).tobytes() == b.read(name).tobytes(), name
