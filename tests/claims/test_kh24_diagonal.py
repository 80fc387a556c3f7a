"""KH24 §5.2's diagonal networks: the saddles that the NCF foretells, and flows that visit others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.kh24 import diagonal
from workbench.claims.registry import CLAIMS

DIAG = CLAIMS["KH24-DIAG"]


@pytest.fixture(scope="module")
def visits():
    return diagonal.evidence("quick")


def test_holds_and_every_check_can_fail(visits):
    good = DIAG.measure(visits)
    assert DIAG.verdict(DIAG.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(DIAG, good)


def too_fast(x, y, beta):
    return 1.2 * diagonal.gradient(x, y, beta)


def of_other_labels(x, y, beta):
    return diagonal.gradient(x, y[::-1], beta)


def not_of_the_residual(x, y, beta):
    """Growth that never forgets the labels: the NCF of y, not of what is left of it."""
    return 0.5 * (diagonal.gradient(x, y, beta) + diagonal.gradient(x, y, 0.0 * beta))


@pytest.mark.parametrize(
    ("pull", "says"),
    [
        (too_fast, [diagonal.LAST_TIME, diagonal.ASTRAY]),
        (of_other_labels, [diagonal.LAST_OFF]),
        (not_of_the_residual, [diagonal.LAST_OFF, diagonal.LAST_ASTRAY]),
    ],
)
def test_other_flows_visit_other_saddles(pull, says):
    assert_fails(DIAG, diagonal.evidence("quick", pull), *says)


def test_more_neurons_than_foretold_and_others_directions_are_seen(visits):
    still = replace(visits[0], straight=0.0 * visits[0].straight + 0.3)
    assert_fails(DIAG, [still], diagonal.STRAIGHT)
    more = replace(visits[0], count=visits[0].count + 1.0)
    assert_fails(DIAG, [more], diagonal.COUNT, diagonal.FEW)


def test_the_flow_is_that_of_the_networks_own_weights():
    """Against plain steps of (u, v), from a start that is not small."""
    x, y = diagonal.samples(0)
    rng = np.random.default_rng(1)
    u, v = rng.uniform(0.1, 0.5, (2, diagonal.FEATURES))
    start = diagonal.Start(np.log((u + v) / np.sqrt(2)), np.log(np.abs(u - v) / np.sqrt(2)))
    times = np.linspace(0.0, 2.0, 5)
    exact = start.beta(diagonal.follow(x, y, start, times)[0])
    seen, h = [u * v], 1e-4
    for k in range(1, 20_001):
        # Heun's rule.
        g = x.T @ (y - x @ (u * v))
        a, b = u + h * g * v, v + h * g * u
        other = x.T @ (y - x @ (a * b))
        u, v = u + 0.5 * h * (g * v + other * b), v + 0.5 * h * (g * u + other * a)
        if k % 5_000 == 0:
            seen.append(u * v)
    np.testing.assert_allclose(exact, seen, atol=1e-7)


def test_the_last_saddle_is_the_least_risk():
    for seed in range(10):
        x, y = diagonal.samples(seed)
        found = diagonal.successive_saddles(x, y)
        np.testing.assert_allclose(found.beta[-1], np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-9)
        assert np.all(np.diff(found.leave) > 0)
        assert np.all(np.diff(diagonal.risk_of(x, y, found.beta)) < 0)
