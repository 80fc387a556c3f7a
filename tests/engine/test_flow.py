"""Gradient flow: closed forms, an independent integrator, risks of 1e−800 and 1e−100,000, kinks."""

from __future__ import annotations

import time

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests.engine.flows import MODELS, flow_of, follow, relative, scalar
from workbench.engine.program import StopFlag
from workbench.engine.programs.flow.program import Memory
from workbench.errors import BadInput

LN10 = np.log(10.0)


@pytest.mark.parametrize("log10_risk", [-3, -800, -100_000])
def test_the_scalar_flow_keeps_its_closed_form(log10_risk):
    """θ̇ = 2θ e^{−θ²}: with s = θ², t = (Ei(s) − Ei(s_0))/4."""
    experiment = flow_of(scalar(), log10_risk, rtol=1e-7)
    values, _ = follow(experiment)
    s = values["theta"][-1, 0] ** 2
    assert values["log_risk"][-1] <= log10_risk * LN10
    assert values["log_risk"][-1] == pytest.approx(-s, rel=1e-14)
    with mp.workdps(50):
        wanted = float(mp.log((mp.ei(mp.mpf(s)) - mp.ei(mp.mpf(0.25))) / 4))
    assert values["time_log"][-1] == pytest.approx(wanted, abs=2e-6, rel=1e-14)
    assert np.all(np.diff(values["time_log"]) > 0)
    finite = values["time_log"] < 700
    assert np.allclose(np.log(values["time"][finite]), values["time_log"][finite], atol=1e-12)


@pytest.mark.parametrize("log10_risk", [-3, -800, -100_000])
def test_the_scalar_flow_of_a_cubed_margin_keeps_its_closed_form(log10_risk):
    """ṡ = 12 s³ e^{−s³} for s = θ² and ℓ = e^{−q³}: t = ∫ e^{s³}/(12 s³) ds."""
    experiment = flow_of(scalar(init=0.9), log10_risk, loss="exponential-cubed", rtol=1e-7)
    values, memory = follow(experiment)
    s = values["theta"][-1, 0] ** 2
    assert log10_risk * LN10 * 1.01 < values["log_risk"][-1] <= log10_risk * LN10
    assert values["log_risk"][-1] == pytest.approx(-(s**3), rel=1e-14)
    assert values["margin_smoothed"][-1] == pytest.approx(1.0, rel=1e-12)
    with mp.workdps(50):
        end, first = mp.mpf(s), mp.mpf("0.81")
        # The last e-folds are all of it where there are many.
        last = mp.cbrt(max(first**3, end**3 - 100))
        parts = mp.linspace(last, end, 9)
        whole = mp.quad(lambda r: mp.e ** (r**3 - end**3) / (12 * r**3), parts)
        wanted = float(mp.log(whole) + end**3)
    assert values["time_log"][-1] == pytest.approx(wanted, abs=1e-5, rel=1e-14)
    assert memory.falls == 0, memory.worst


@pytest.mark.parametrize("loss", ["exponential-cubed", "logistic-cubed"])
@pytest.mark.parametrize("model", ["linear", pytest.param("relu", marks=pytest.mark.full)])
def test_cubed_margins_flow_to_any_risk(model, loss):
    """γ~ never falls before rounding does (Theorem A.7), and is below γ̄ by g'(ξ) ln n/ρ^L (Lemma A.5)."""
    experiment = flow_of(model, -800, loss=loss, rtol=1e-5)
    values, memory = follow(experiment, 4000)
    assert experiment.program.ended(experiment.state)[0] == "finished"
    assert -800 * LN10 * 1.01 < values["log_risk"][-1] <= -800 * LN10
    assert memory.worst <= 1e-5, memory
    smoothed, q = values["margin_smoothed"][-1], values["margin_normalized"][-1]
    power = values["rho"][-1] ** experiment.panel.order
    height = -values["log_risk"][-1]
    assert (
        q - np.log(len(experiment.dataset.y)) / (3.0 * height ** (2 / 3) * power) <= smoothed <= q
    )


@pytest.mark.parametrize(
    ("loss", "reduction"),
    [("exponential", "sum"), pytest.param("logistic", "mean", marks=pytest.mark.full)],
)
def test_the_flow_equals_an_independent_integrator(loss, reduction):
    """In physical time, from before separation to a risk of 1e−3."""
    experiment = flow_of("squared", -3.0, loss=loss, reduction=reduction, rtol=1e-6)
    u0 = experiment.state.theta.numpy().copy()
    values, _ = follow(experiment)
    x, y = experiment.dataset.x, experiment.dataset.y
    signs = np.array(experiment.structure.neurons.signs)

    def field(t, flat):
        u = flat.reshape(-1, 2)
        s = np.maximum(x @ u.T, 0.0)
        q = y * (s**2 @ signs)
        slope = np.exp(-q) if loss == "exponential" else 0.5 - 0.5 * np.tanh(q / 2)
        grad = ((slope * y)[:, None] * 2.0 * s * signs).T @ x
        return grad.ravel() / (len(y) if reduction == "mean" else 1.0)

    times = values["time"][[len(values["time"]) // 3, -1]]
    reference = solve_ivp(field, (0.0, times[1]), u0, "LSODA", times, rtol=1e-9, atol=1e-12)
    assert relative(values["theta"][len(values["time"]) // 3], reference.y[:, 0]) < 1e-4
    assert relative(values["theta"][-1], reference.y[:, 1]) < 1e-4


@pytest.mark.full
def test_the_direction_converges_with_the_tolerance():
    """At 1e−800 the direction is off by about ten times the tolerance of a single step."""
    found = {}
    for rtol in (1e-7, 1e-6, 1e-5):
        values, _ = follow(flow_of("squared", -800, rtol=rtol))
        theta = values["theta"][-1]
        found[rtol] = theta / np.linalg.norm(theta)
    assert relative(found[1e-6], found[1e-7]) < 3e-5
    assert relative(found[1e-5], found[1e-7]) < 3e-4


@pytest.mark.parametrize(
    "model", ["squared", "linear", pytest.param("wide", marks=pytest.mark.full)]
)
@pytest.mark.parametrize("log10_risk", [-800, pytest.param(-100_000, marks=pytest.mark.full)])
def test_smooth_networks_reach_any_risk_and_the_margin_never_falls(model, log10_risk):
    experiment = flow_of(model, log10_risk)
    values, memory = follow(experiment, 2000)
    assert experiment.program.ended(experiment.state)[0] == "finished"
    assert log10_risk * LN10 * 1.01 < values["log_risk"][-1] <= log10_risk * LN10
    assert memory.falls == 0, memory.worst
    late = values["log_risk"] < -1.0
    smoothed = values["margin_smoothed"][late]
    assert np.all(np.diff(smoothed) >= -1e-12 * smoothed[1:])
    q, n = values["margin_normalized"][late], len(experiment.dataset.y)
    slack = np.log(n) / values["rho"][late] ** experiment.panel.order
    assert np.all(smoothed <= q * (1 + 1e-12))
    assert np.all(q - slack <= smoothed * (1 + 1e-12))
    assert values["alignment"][-1] > values["alignment"][late][0]
    assert np.all(np.isfinite(values["time_log"]))


@pytest.mark.parametrize("engine", ["auto", "eager"])
@pytest.mark.parametrize("model", ["relu", pytest.param("leaky", marks=pytest.mark.full)])
def test_kinks_do_not_stall_the_flow(model, engine):
    began = time.process_time()
    experiment = flow_of(model, -800, loss="logistic", rtol=1e-4, engine=engine)
    values, memory = follow(experiment, 2000)
    assert values["log_risk"][-1] <= -800 * LN10
    assert memory.worst <= 1e-4, memory
    assert experiment.state.step < 800
    assert time.process_time() - began < 60


@pytest.mark.full
def test_the_width_of_the_gate_hardly_matters():
    """The margin reached by sliding along kinks is that of the sharp network to about the width."""
    reached = []
    for width in (1e-3, 1e-4, 1e-5):
        values, _ = follow(flow_of("relu", -800, rtol=1e-5, gate_width=width, engine="eager"), 4000)
        reached.append(values["margin_normalized"][-1])
    assert abs(reached[0] - reached[2]) < 1e-3 * reached[2]
    assert abs(reached[1] - reached[2]) < 1e-4 * reached[2]


def test_cross_entropy_flows_too():
    data = {"kind": "digits", "n": 40, "classes": [0, 1, 2]}
    model = {"kind": "deep-relu", "widths": [12], "leak": 1.0}
    experiment = flow_of((data, model, {"kind": "he"}), -800, loss="cross-entropy")
    values, memory = follow(experiment, 3000)
    assert values["log_risk"][-1] <= -800 * LN10
    assert memory.falls == 0, memory.worst


def test_the_square_loss_flows_in_physical_time():
    """θ̇ = −(θ² − 1)·2θ: s = θ² follows the logistic curve s = 1/(1 + (1/s_0 − 1) e^{−4t})."""
    experiment = flow_of(scalar(1.0, 0.1), loss="square", rtol=1e-7)
    values, _ = follow(experiment, 600)
    s, t = values["theta"][:, 0] ** 2, values["time"]
    wanted = 1.0 / (1.0 + (1.0 / 0.01 - 1.0) * np.exp(-4.0 * t))
    assert np.abs(s - wanted).max() < 1e-5
    assert t[-1] > 3.0


def test_an_unseparable_sample_never_leaves_the_near_chart():
    experiment = flow_of(scalar(-1.0), loss="logistic")
    values, memory = follow(experiment, 200)
    assert memory.far == 0.0
    assert values["log_risk"][-1] == pytest.approx(np.log(np.log(2.0)), abs=1e-3)


def test_chunks_do_not_change_a_bit():
    whole, parts = flow_of("squared", rtol=1e-5), flow_of("squared", rtol=1e-5)
    whole.program.run_chunk(whole.state, 0, 1, 140, None, StopFlag())
    for count in (1, 2, 80, 57):
        parts.program.run_chunk(parts.state, parts.state.step, 1, count, None, StopFlag())
    assert Memory.of(whole.state).far == 1.0, "the late phase is not tested"
    a, b = whole.state.to_arrays(), parts.state.to_arrays()
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


def test_a_network_that_is_not_homogeneous_is_refused_in_a_sentence():
    data, _, init = MODELS["squared"]
    biased = {"kind": "torch", "class": "tests.engine.flows:Biased"}
    with pytest.raises(BadInput, match="needs a homogeneous network") as caught:
        flow_of((data, biased, init))
    assert "\n" not in str(caught.value)
    flow_of((data, biased, init), loss="square")


def test_a_tolerance_that_cannot_be_met_ends_the_run_as_stalled():
    experiment = flow_of("squared")
    experiment.program.rtol = 1e-30
    # Steps whose two estimates agree to the last bit are still taken: how many depends on the processor.
    assert experiment.program.run_chunk(experiment.state, 0, 1, 100, None, StopFlag()) < 100
    outcome, text = experiment.program.ended(experiment.state)
    assert outcome == "stalled"
    assert "train.rtol" in text
