"""KH24 Fig. 4a: the distance to the saddle over real sessions, and over weights that leave otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Bent, Remembering
from workbench.claims.kh24 import distance
from workbench.claims.registry import CLAIMS
from workbench.presets import read_preset

F4A = CLAIMS["KH24-F4A"]
SADDLE = np.array(read_preset("kh24-fig4")["init"]["values"]["u"]).ravel()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("distance"))


def test_holds_and_every_check_can_fail(lab):
    stays, folder = F4A.experiment(lab, "quick")
    good = F4A.measure(stays)
    assert F4A.verdict(F4A.criterion(good)) == "holds"
    assert folder is not None
    assert_every_check_can_fail_alone(F4A, good)


def frozen(theta):
    return theta[:1].repeat(len(theta), 0)


def linear(theta):
    """A distance that grows by the same in every record."""
    away = theta[0] - SADDLE
    steps = np.linspace(0.0, 1.1 * distance.LEFT / np.linalg.norm(away), len(theta))
    return SADDLE + away * (1.0 + steps[:, None])


def squared(theta):
    """A distance that grows at twice the rate."""
    away = theta - SADDLE
    size = np.linalg.norm(away, axis=1, keepdims=True)
    return SADDLE + away * size / size[0]


def lost(theta):
    return np.full_like(theta, np.nan)


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (frozen, distance.SLOPE),
        (linear, distance.SLOPE),
        (squared, distance.STEEP),
        (lost, distance.STEEP),
    ],
)
def test_weights_that_leave_otherwise_fail(lab, bend, says):
    assert_fails(F4A, F4A.experiment(Bent(lab, bend), "quick")[0], says)


def test_a_saddle_left_sooner_or_louder_than_it_may_be_fails(lab):
    stays = F4A.experiment(lab, "quick")[0]
    assert_fails(F4A, [replace(s, times=0.05 * s.times) for s in stays], distance.LEMMA)
    assert_fails(F4A, [replace(s, risk=0.02 + s.risk) for s in stays], distance.RISK)
    later = stays[0].times + np.array([0.0, 0.0, 0.0, 0.05])
    assert_fails(F4A, [replace(stays[0], times=later)], distance.NEARER)
