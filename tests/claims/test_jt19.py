"""JT19's claims over real sessions, and over networks whose dynamics are broken on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, Remembering, Short
from workbench.claims.jt19 import descent as descent
from workbench.claims.jt19 import figures as figures
from workbench.claims.jt19 import flow as flow
from workbench.claims.jt19 import runs as runs
from workbench.claims.registry import CLAIMS
from workbench.figures import FIGURES

E24, L26, T22, T28 = (CLAIMS[f"JT19-{name}"] for name in ("E2.4", "L2.6", "T2.2", "T2.8"))
T36, F1, F2, F3 = (CLAIMS[f"JT19-{name}"] for name in ("T3.6", "F1", "F2", "F3"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("jt19"))


def evidence_of(claim, lab):
    return claim.experiment(lab, "quick")[0]


@pytest.mark.parametrize("claim", [E24, L26, T22, T28, T36, F1, F2], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(lab, claim):
    evidence, folder = claim.experiment(lab, "quick")
    good = claim.measure(evidence)
    assert claim.verdict(claim.criterion(good)) == "holds"
    assert folder is not None
    assert folder.is_dir()
    assert claim.figure in FIGURES
    assert_every_check_can_fail_alone(claim, good)


def growing_noise(theta):
    """A part that grows with ‖θ‖, across every layer: the rest does not fall behind."""
    noise = np.random.default_rng(0).standard_normal(theta.shape[1])
    noise /= np.linalg.norm(noise)
    return theta + 0.3 * np.linalg.norm(theta, axis=1, keepdims=True) * noise


def unbalanced(theta):
    """The first weights run ahead of the others by a hundredth at the end."""
    bent = theta.copy()
    bent[:, : theta.shape[1] // 4] *= 1 + 0.01 * np.linspace(0, 1, len(theta))[:, None]
    return bent


def lost(theta):
    return np.full_like(theta, np.nan)


BROKEN = [
    (E24, lambda lab: Bent(lab, unbalanced), "drift"),
    (E24, lambda lab: Bent(lab, lost), "drift"),
    (L26, lambda lab: Bent(lab, growing_noise), "least"),
    (L26, lambda lab: Bent(lab, lost), "D = 0"),
    (T22, lambda lab: Bent(lab, growing_noise), "order of 1 − ‖W_k‖_2"),
    (T22, lambda lab: Short(lab, 0.5), "log10 of the risk"),
    (T22, lambda lab: Bent(lab, lambda theta: theta[:1].repeat(len(theta), 0)), "order of"),
    (T28, lambda lab: Bent(lab, growing_noise), "at the end"),
    (T28, lambda lab: Short(lab, 0.5), "order of the angle"),
    (F1, lambda lab: Bent(lab, growing_noise), "order in"),
    (F1, lambda lab: Short(lab, 0.5), "log10 of the risk"),
    (F2, lambda lab: Bent(lab, growing_noise), "second singular value"),
    (T36, lambda lab: Bent(lab, growing_noise), "slack"),
    (T36, lambda lab: Bent(lab, lambda theta: theta[::-1]), descent.STALLED),
    (T36, lambda lab: Bent(lab, lambda theta: theta[:1].repeat(len(theta), 0)), descent.STALLED),
    (T36, lambda lab: Bent(lab, lambda theta: 0.3 * theta), descent.ROOM),
]


@pytest.mark.parametrize(("claim", "broken", "says"), BROKEN, ids=lambda a: getattr(a, "id", None))
def test_a_broken_dynamic_fails(lab, claim, broken, says):
    assert_fails(claim, evidence_of(claim, broken(lab)), says)


def test_a_risk_that_rises_is_seen(lab):
    for claim in (T22, T36):
        evidence = list(evidence_of(claim, lab))
        run = evidence[0].run
        risk = run.log_risk.copy()
        risk[len(risk) // 2] += 10.0
        evidence[0] = replace(evidence[0], run=replace(run, log_risk=risk))
        assert_fails(claim, evidence, "rise of log")


def test_steps_longer_than_promised_are_seen(lab):
    """The same risks in twenty times the time: the promised fall is not kept."""
    evidence = evidence_of(T36, lab)
    run = evidence[0].run
    slower = replace(evidence[0], run=replace(run, time=20.0 * run.time))
    assert_fails(T36, [slower], "fall of 𝓡")


def test_a_risk_that_falls_slower_than_its_norms_allow_is_seen(lab):
    """𝓡 halts while norms go on: 1/𝓡 rises less than ½γ²Σηκ²‖W_L⋯W_2‖²."""
    evidence = evidence_of(T36, lab)
    risk = evidence[0].run.log_risk
    slow = replace(evidence[0], run=replace(evidence[0].run, log_risk=0.03 * risk + 0.97 * risk[0]))
    assert_fails(T36, [slow], descent.RISE)


def test_directions_that_stop_short_of_their_limit_are_seen(lab):
    """The records of the last fourfold, their directions those of its beginning."""
    case = evidence_of(T36, lab)[0]
    begin = int(np.searchsorted(case.run.time, case.run.time[-1] / 4.0))
    theta = case.run.theta.copy()
    norm = np.linalg.norm(theta, axis=1, keepdims=True)
    theta[begin:] = norm[begin:] * theta[begin] / norm[begin]
    assert_fails(
        T36, [replace(case, run=replace(case.run, theta=theta))], descent.ALIGNED, descent.TURNED
    )


def test_layers_of_rank_one_from_the_first_step_hold(lab):
    """W_1 = 0: 1 − |⟨w_prod/∏‖W_k‖_F, v_1⟩| is 0, and nothing is left to fall."""
    train = {"rule": "smoothness", "steps": 16_000}
    made = runs.config("JT19 step rule, rank one", 2, runs.ZERO_FIRST, train, every=20)
    case = runs.chain(lab, made)
    assert np.max(np.abs(case.off_first[1:])) < 1e-12
    measured = descent.t36_measure([case])
    assert T36.verdict(descent.t36_criterion(measured)) == "holds"


@pytest.mark.parametrize(("claim", "says"), [(F1, "to ū"), (F2, "to ū"), (T28, "at the end")])
def test_another_direction_is_seen(lab, claim, says):
    """The inputs turned by five degrees behind the network's back: it ends across the samples' ū."""
    assert_fails(claim, evidence_of(claim, Bent(lab, turned)), says)


def turned(theta):
    """W_1, the first pairs of numbers, turned in the plane of the inputs."""
    c, s = np.cos(np.radians(5.0)), np.sin(np.radians(5.0))
    bent, first = theta.copy(), 12 if theta.shape[1] > 2 else 2
    a, b = theta[:, 0:first:2], theta[:, 1:first:2]
    bent[:, 0:first:2], bent[:, 1:first:2] = c * a - s * b, s * a + c * b
    return bent


def test_the_gradient_is_that_of_the_recorded_run(lab):
    """Eq. (3.3)'s gradient from plain products against the run's own series."""
    from workbench.record.reader import RunReader

    case = evidence_of(T36, lab)[0]
    with RunReader(case.run.folder) as reader:
        wanted = np.exp(2.0 * reader.read("grad_norm_log"))
    np.testing.assert_allclose(descent.gradient_squared(case), wanted, rtol=1e-10)


def test_orders_of_powers_and_of_what_does_not_fall():
    x = [1.0, 10.0, 100.0]
    assert flow.order(x, [1e-2, 1e-4, 1e-6], 1e-14) == pytest.approx(2.0)
    assert flow.order(x, [1e-2, 1e-2, 1e-2], 1e-14) == pytest.approx(0.0)
    assert flow.order(x, [0.0, 0.0, 0.0], 1e-14) == float("inf")
    assert np.isnan(flow.order(x, [1e-2, np.nan, 1e-6], 1e-14))
    assert np.isnan(flow.order(x[:1], [1e-2], 1e-14))
    assert flow.order(x, [1e-20, 1e-20, 1e-2], 1e-14) < 0 or np.isnan(
        flow.order(x, [1e-20, 1e-20, 1e-2], 1e-14)
    )


# --- Fig. 3, its measure alone in the normal suite -----------------------------------------------


def made_up(ratio_first, ratio_last, records=5):
    """A convolutional network's dense layers with a leading direction that grows."""
    from workbench.claims.lab import TrainedRun
    from workbench.models.structure import Description, Layer, Matrix, Parameter, Structure

    rng = np.random.default_rng(1)
    shapes, parameters, layers, start = [(12, 10), (8, 12), (5, 8)], [], [], 0
    for k, shape in enumerate(shapes, start=1):
        parameters.append(Parameter(f"w{k}", shape, start))
        layers.append(Layer(f"w{k}", (f"w{k}",), matrix=Matrix(f"w{k}", shape)))
        start = parameters[-1].stop
    rows = []
    for share in np.linspace(ratio_first, ratio_last, records):
        parts = []
        for r, c in shapes:
            noise = rng.standard_normal((r, c))
            line = np.outer(rng.standard_normal(r), rng.standard_normal(c))
            parts.append((share * line + noise).ravel())
        rows.append(np.concatenate(parts))
    step, risk = np.arange(records), -np.arange(records, dtype=float)
    theta = np.stack(rows)
    run = TrainedRun(
        step, step * 1.0, risk, theta, Structure(tuple(parameters), Description(tuple(layers)))
    )
    return figures.Dense(run)


def test_dense_layers_that_align_hold_and_that_do_not_fail():
    good = [made_up(0.0, 8.0), made_up(0.0, 6.0)]
    measured = figures.f3_measure(good)
    assert F3.verdict(F3.criterion(measured)) == "holds"
    assert_every_check_can_fail_alone(F3, measured)
    assert_fails(F3, [good[0], made_up(8.0, 0.0)], "over the start", "of noise")
    frozen = replace(good[0].run, theta=good[0].run.theta[[0] * 5])
    assert_fails(F3, [figures.Dense(frozen)], "of noise")


@pytest.mark.full
def test_the_dense_layers_of_a_trained_network_hold(lab):
    evidence, _ = F3.experiment(lab, "quick")
    assert F3.verdict(F3.criterion(F3.measure(evidence))) == "holds"
