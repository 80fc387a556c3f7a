"""JT19's step rule against 60-digit arithmetic, against its own promises, in runs, and its starts."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch
from cases import finished, small
from pydantic import TypeAdapter

from workbench.config.init import InitConfig
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.rules.smoothness import LOGISTIC_LIPSCHITZ, LOGISTIC_SMOOTH
from workbench.errors import BadInput
from workbench.models.start import first_theta
from workbench.run.experiment import experiment_of
from workbench.run.session import Session

SMOOTH = (
    "train.rule=smoothness",
    "loss.reduction=mean",
    "model.kind=deep-linear",
    "model.width=3",
    "model.depth=3",
    "init.scale=0.6",
)
INIT = TypeAdapter(InitConfig)


def matrices(experiment, theta):
    return [experiment.structure.view(theta, p.name) for p in experiment.structure.parameters]


def slow(weights, x, y, steps):
    """The rule in JT19's words, from mpmath matrices: (weights, Σ η)."""
    w = [mp.matrix(a.tolist()) for a in weights]
    depth, time, radius = len(w), mp.mpf(0), mp.mpf(0)
    longest = max([mp.mpf(1)] + [mp.norm(mp.matrix(row.tolist())) for row in x])
    for _ in range(steps):
        norm = max(mp.sqrt(sum(v * v for v in a)) for a in w)
        if norm > radius - 1:
            radius = norm + 1
        slopes = longest**2 / 4 + longest
        eta = min(1 / (2 * depth**2 * radius ** (2 * depth - 2) * slopes), mp.mpf(1))
        grads = [mp.zeros(a.rows, a.cols) for a in w]
        for row, label in zip(x, y, strict=True):
            h = [mp.matrix(row.tolist())]
            for a in w:
                h.append(a * h[-1])
            back = mp.matrix([[-label / (1 + mp.e ** (label * h[-1][0])) / len(y)]])
            for k in range(depth - 1, -1, -1):
                grads[k] += back * h[k].T
                back = w[k].T * back
        w = [a - eta * g for a, g in zip(w, grads, strict=True)]
        time += eta
    return w, time


@pytest.mark.parametrize("longest", [0.7, 2.5])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_smoothness_equals_sixty_digits(depth, longest):
    experiment = experiment_of(small(*SMOOTH, f"model.depth={depth}", "data.n=5"))
    x = experiment.dataset.x * longest / np.linalg.norm(experiment.dataset.x, axis=1).max()
    inline = [f"data.x={x.tolist()}", f"data.y={experiment.dataset.y.tolist()}"]
    experiment = experiment_of(small(*SMOOTH, f"model.depth={depth}", "data.kind=inline", *inline))
    start = matrices(experiment, experiment.state.theta.numpy().copy())
    with mp.workdps(60):
        wanted, time = slow(start, experiment.dataset.x, experiment.dataset.y, 60)
    experiment.program.run_chunk(experiment.state, 0, 1, 60, None, StopFlag())
    for found, exact in zip(
        matrices(experiment, experiment.state.theta.numpy()), wanted, strict=True
    ):
        exact = np.array(exact.tolist(), dtype=float)
        assert np.abs(found - exact).max() <= 1e-12 * np.abs(exact).max()
    assert experiment.state.time == pytest.approx(float(time), rel=1e-12)


def test_every_step_lowers_the_risk_as_promised_and_stays_inside():
    experiment = experiment_of(small(*SMOOTH, "init.zero=['w1']", "record.every=1"))
    buffer = RowBuffer(401, experiment.state.theta, experiment.output_shape)
    experiment.program.evaluate(experiment.state, buffer)
    experiment.program.run_chunk(experiment.state, 0, 400, 1, buffer, StopFlag())
    rows = buffer.take()
    q = experiment.dataset.y * rows.outputs
    risk = np.log1p(np.exp(-q)).mean(axis=1)
    gradient = np.linalg.norm(rows.gradient, axis=1) * np.exp(rows.gradient_log_scale)
    eta = np.exp(rows.rule_series["learning_rate_log"][1:])
    promised = eta / 2 * gradient[:-1] ** 2
    assert (risk[:-1] - risk[1:] >= promised * (1 - 1e-9)).all()
    # A row holds the radius of the step that leaves it; the first and the last were only looked at.
    radius = np.array([memory["radius"][0] for memory in rows.memory[1:-1]])
    norms = np.array([[np.linalg.norm(w) for w in matrices(experiment, t)] for t in rows.theta])
    longest = norms.max(axis=1)
    assert (longest[1:-1] <= radius - 1 + 1e-15).all()
    assert (longest[2:] <= radius).all()
    assert (np.diff(radius) >= 0).all()
    stays = longest[2:-1] <= radius[:-1] - 1
    assert (np.diff(radius)[stays] == 0).all()
    assert (np.diff(radius) > 0).any()


def test_the_radius_follows_a_theta_that_was_moved_by_hand():
    experiment = experiment_of(small(*SMOOTH))
    experiment.program.run_chunk(experiment.state, 0, 1, 5, None, StopFlag())
    with torch.no_grad():
        experiment.state.theta.mul_(50.0)
    norm = max(
        float(np.linalg.norm(w)) for w in matrices(experiment, experiment.state.theta.numpy())
    )
    experiment.program.run_chunk(experiment.state, 5, 1, 1, None, StopFlag())
    radius = float(experiment.state.memory["radius"][0])
    assert radius == pytest.approx(norm + 1, rel=1e-14)
    slopes = LOGISTIC_SMOOTH * max(1, np.linalg.norm(experiment.dataset.x, axis=1).max()) ** 2
    slopes += LOGISTIC_LIPSCHITZ * max(1, np.linalg.norm(experiment.dataset.x, axis=1).max())
    assert np.exp(experiment.state.rate_log) == pytest.approx(
        1 / (18 * radius**4 * slopes), rel=1e-12
    )


def test_a_resumed_run_is_the_same_to_the_last_bit(tmp_path):
    settings = (*SMOOTH, "checkpoint.every=61")
    whole = finished(tmp_path / "whole", *settings, "train.steps=300")
    part = finished(tmp_path / "part", *settings, "train.steps=140")
    session = Session.resume(part.folder, steps=300)
    session.start()
    assert session.wait(60)
    session.close()
    assert session.experiment.state.theta.equal(whole.experiment.state.theta)
    assert session.experiment.state.time_log == whole.experiment.state.time_log
    for name in ("log_risk", "learning_rate_log", "time_log", "balance_drift"):
        assert session.history.scalar(name).tobytes() == whole.history.scalar(name).tobytes()


REFUSED = [
    (["loss.kind=exponential"], "loss.kind is 'exponential'; allowed: logistic"),
    (["loss.reduction=sum"], "loss.reduction is 'sum'; allowed: mean"),
    (["train.batch=5"], "full batch"),
    (["model.kind=deep-relu"], "model.kind is 'deep-relu'; allowed: deep-linear"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_what_the_rule_cannot_promise_is_refused_in_a_sentence(settings, words):
    with pytest.raises(BadInput, match=words) as caught:
        small(*SMOOTH, *settings)
    assert "\n" not in str(caught.value)


def start(*settings, **table):
    experiment = experiment_of(small(*settings))
    return experiment, first_theta(INIT.validate_python(table), experiment.structure)


def test_equal_norms_and_layers_at_zero():
    experiment, theta = start(*SMOOTH, kind="gaussian", scale=0.3, frobenius=4.0, zero=["w1"])
    norms = [np.linalg.norm(w) for w in matrices(experiment, theta)]
    np.testing.assert_allclose(norms, [0.0, 4.0, 4.0], rtol=1e-14)
    digits = ("data.kind=digits", "data.n=20", "loss.kind=cross-entropy", "model.kind=cnn")
    small_cnn = (*digits, "model.channels=[2,3]", "model.width=5")
    experiment, theta = start(*small_cnn, kind="he", frobenius=2.0)
    _, drawn = start(*small_cnn, kind="he")
    for name in ("w1", "b1", "w2"):
        same = [experiment.structure.view(t, name) for t in (theta, drawn)]
        assert np.array_equal(*same)
    for name in ("w3", "w4"):
        assert np.linalg.norm(experiment.structure.view(theta, name)) == pytest.approx(
            2.0, rel=1e-14
        )
    with pytest.raises(BadInput, match="unknown parameter 'w'"):
        start(*SMOOTH, kind="gaussian", zero=["w"])
    with pytest.raises(BadInput, match="has none"):
        start(kind="gaussian", frobenius=4.0)


def test_the_uniform_start_is_that_of_torchs_own_layers():
    digits = ("data.kind=digits", "data.n=20", "loss.kind=cross-entropy", "model.kind=cnn")
    experiment, theta = start(*digits, "model.channels=[8,16]", "model.width=100", kind="uniform")
    fan_in = {"w1": 25, "b1": 25, "w2": 72, "w3": 64, "w4": 100}
    for name, count in fan_in.items():
        part, bound = experiment.structure.view(theta, name), count**-0.5
        assert np.abs(part).max() <= bound
        assert np.abs(part).max() > 0.5 * bound
        if part.size > 500:
            assert part.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    own = torch.nn.Linear(100, 10)
    assert float(own.weight.detach().abs().max()) <= 0.1 + 1e-6
