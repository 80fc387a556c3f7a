"""LL20 Theorems E.3 to E.5 for gradient descent: that they hold, and what other dynamics do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.ll20 import descent_limits as ll20
from workbench.claims.ll20.allowed_steps import descend, largest_values
from workbench.claims.ll20.flow import RATE_BOUNDS
from workbench.claims.ll20.kkt import EPSILON as KKT_EPSILON
from workbench.claims.ll20.kkt import NEARING
from workbench.claims.registry import CLAIMS
from workbench.measures.margin_discrete import DiscreteMargin, largest_rate

Z = np.array(ll20.Y)[:, None] * np.array(ll20.X)
NAMES = {"LL20-E3": "holds corrected", "LL20-E4": "holds", "LL20-E5": "holds"}


@pytest.fixture(scope="module")
def evidence_of():
    """A claim's evidence, stepped once a start."""
    made = {}

    def evidence(name):
        experiment = CLAIMS[name].experiment
        if experiment not in made:
            made[experiment] = experiment(None, "quick")[0]
        return made[experiment]

    return evidence


@pytest.mark.parametrize("name", NAMES)
def test_holds_and_every_check_can_fail(evidence_of, name):
    good = CLAIMS[name].measure(evidence_of(name))
    assert CLAIMS[name].verdict(CLAIMS[name].criterion(good)) == NAMES[name]
    assert_every_check_can_fail_alone(CLAIMS[name], good)


def gradients(theta, order):
    """∇q of every sample, by the product rule."""
    w = theta.reshape(order, -1)
    rest = np.array([np.delete(w, k, axis=0).prod(axis=0) for k in range(order)])
    return (Z[:, None, :] * rest).reshape(len(Z), -1)


@pytest.mark.parametrize("order", ll20.ORDERS)
def test_compiled_steps_are_the_plain_ones(order):
    """Every step with H(𝓛) as `largest_rate` has it, log T, the sum of (22), and Lemma E.10's bound."""
    theta = ll20._start(Z, order, 2.0)
    taken = descend(theta, Z, order, np.array([1e9]), 300)
    assert taken.step.tolist() == [0, 300]
    bounds = largest_values(Z, order)
    start, discrete, total, used, time = float(np.linalg.norm(theta)), None, 0.0, 0.0, 0.0
    for _ in range(300):
        q = Z @ theta.reshape(order, -1).prod(axis=0)
        risk = np.exp(-q).sum()
        gradient = -np.exp(-q) @ gradients(theta, order)
        discrete = discrete or DiscreteMargin(float(order), float(-np.log(risk)))
        rate = np.exp(largest_rate(np.array([np.log(risk)]), discrete, start, bounds)[0])
        later = theta - rate * gradient
        rho, next_rho = np.linalg.norm(theta), np.linalg.norm(later)
        beta = -gradient @ theta / rho / np.linalg.norm(gradient)
        grown = np.log(next_rho / rho)
        total += (beta**-2 - 1.0) * grown
        room = (bounds[1] / (order * -np.log(risk) / rho**order) * next_rho / rho + 1.0) * grown
        used = max(used, np.linalg.norm(later / next_rho - theta / rho) / room)
        theta, time = later, time + rate
    assert taken.theta[-1] == pytest.approx(theta, rel=1e-12)
    assert taken.log_time[-1] == pytest.approx(np.log(time), rel=1e-12)
    assert taken.sum_22[-1] == pytest.approx(total, rel=1e-9)
    assert taken.used[-1] == pytest.approx(used, rel=1e-6)


@pytest.mark.parametrize("order", ll20.ORDERS)
def test_no_unit_vector_has_more_than_the_bounds(order):
    rng = np.random.default_rng(0)
    found = np.zeros(3)
    for theta in rng.standard_normal((500, 2 * order)) * rng.choice([1.0, 0.0], (500, 2 * order)):
        if not theta.any():
            continue
        unit = theta / np.linalg.norm(theta)
        q = Z @ unit.reshape(order, -1).prod(axis=0)
        slope = gradients(unit, order)
        step = 1e-6
        bend = np.array(
            [
                (gradients(unit + step * e, order) - gradients(unit - step * e, order)) / (2 * step)
                for e in np.eye(2 * order)
            ]
        )
        norms = [np.linalg.norm(bend[:, n, :], 2) for n in range(len(Z))]
        found = np.maximum(found, [q.max(), np.linalg.norm(slope, axis=1).max(), max(norms)])
    bounds = np.array(largest_values(Z, order))
    assert (found <= bounds * (1 + 1e-6) + 1e-8).all()
    assert (found >= 0.6 * bounds).all()


def bent(evidence, bend):
    """The evidence with other weights at the records."""
    return [replace(d, run=replace(d.run, theta=bend(d.run.theta))) for d in evidence]


def frozen(theta):
    """An early record's direction from there on."""
    norm = np.linalg.norm(theta, axis=1, keepdims=True)
    early = int(0.4 * len(theta))
    later = norm[early:] * (theta[early] / norm[early])
    return np.concatenate([theta[:early], later])


def test_a_direction_that_rests_early_is_no_kkt_point(evidence_of):
    broken = bent(evidence_of("LL20-E3"), frozen)
    assert_fails(CLAIMS["LL20-E3"], broken, KKT_EPSILON, NEARING)


def test_steps_of_other_sizes_break_the_inequalities(evidence_of, monkeypatch):
    monkeypatch.setitem(ll20.STEPS, "quick", 20_000)

    def too_long(*given):
        return descend(*given, multiple=1e7)

    assert_fails(CLAIMS["LL20-E4"], ll20.descents("quick", ll20.FIRST, too_long), ll20.SUM_22)


def test_other_weights_break_the_lemmas(evidence_of):
    good = evidence_of("LL20-E4")

    def shaken(theta):
        return theta * (1.0 + 0.05 * np.random.default_rng(0).standard_normal(theta.shape))

    assert_fails(CLAIMS["LL20-E4"], bent(good, shaken), ll20.FALL, ll20.SUM_22)
    twice = [
        replace(d, steps=replace(d.steps, sum_22=10.0 * d.steps.sum_22, used=12.0 * d.steps.used))
        for d in good
    ]
    assert_fails(CLAIMS["LL20-E4"], twice, ll20.SUM_22, ll20.MOVED)
    wrong = []
    for d in good:
        held = replace(d)
        held.__dict__["certificates"] = 200.0 * d.certificates
        wrong.append(held)
    assert_fails(CLAIMS["LL20-E4"], wrong, ll20.EPSILON, ll20.DELTA, ll20.WINDOWS)


def test_a_wrong_clock_breaks_the_rates(evidence_of):
    good = evidence_of("LL20-E5")
    slow = [replace(d, run=replace(d.run, time_log=0.99 * d.run.time_log)) for d in good]
    assert_fails(CLAIMS["LL20-E5"], slow, RATE_BOUNDS[0][0])
    fast = [replace(d, run=replace(d.run, time_log=d.run.time_log + 40.0)) for d in good]
    assert_fails(CLAIMS["LL20-E5"], fast, ll20.PASSED)
    swollen = bent(good, lambda theta: theta * np.linalg.norm(theta, axis=1, keepdims=True) ** 0.5)
    assert_fails(CLAIMS["LL20-E5"], swollen, RATE_BOUNDS[2][0])
