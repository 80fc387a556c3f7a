"""Forecasts for random teachers come true within their intervals; the full hunt is 40 and more of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.inspector.forecast_hunt import Tally, forecasts_of, hunted


def check(tally: Tally) -> None:
    """What is promised of forecasts."""
    assert tally.one_name_right >= 0.95 * tally.one_name
    assert tally.time_inside >= 0.9 * tally.decided
    assert tally.angle_inside >= 0.9 * tally.with_angle
    assert np.median(tally.widths) <= 0.05


def test_a_few_random_teachers(tmp_path):
    found = []
    for seed in (202, 205):
        found += forecasts_of(hunted(seed, steps=2500, planar=True), tmp_path)
    tally = Tally.of(found)
    assert tally.decided >= 2
    check(tally)


@pytest.mark.full
def test_forty_random_teachers(tmp_path):
    found, seed = [], 1000
    while sum(kept.outcome is not None for kept in found) < 40:
        found += forecasts_of(hunted(seed), tmp_path)
        seed += 1
    tally = Tally.of(found)
    sys.stdout.write(f"\nseeds 1000 to {seed - 1}: {tally}\n")
    check(tally)
    # Most name one neuron: "undecided" is no way out.
    assert tally.one_name >= 0.75 * tally.decided
