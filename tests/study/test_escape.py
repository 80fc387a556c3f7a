"""Escape times by scale: the law comes back, and members that never escape are counted, not dropped."""

from __future__ import annotations

import numpy as np
import pytest

from tests.study.fake_dataset import SCALES, studied
from workbench.errors import BadInput
from workbench.study.escape import Census, escape_times, fitted


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_a_power_law_comes_back(power):
    found = escape_times(studied(power=power))
    fit = fitted(found, power=True)
    for line in (fit.means, fit.members):
        assert line.slope == pytest.approx(-power, rel=0.01)
        assert line.low < line.slope < line.high < line.low + 0.1
    assert (fit.means.count, fit.members.count) == (4, 120)
    x, t = found.points()
    expected = np.polyfit(np.log(x), np.log(t), 1)[0]
    assert fit.members.slope == pytest.approx(expected, rel=1e-9)
    assert fit.curve(fit.members, np.array([1e-2])) == pytest.approx(20.0 * 1e2**power, rel=0.05)


def test_a_logarithmic_law_comes_back():
    fit = fitted(escape_times(studied(power=0.0)), power=False)
    assert fit.means.slope == pytest.approx(-20_000.0, rel=0.02)
    assert fit.means.r_squared > 0.999
    bent = fitted(escape_times(studied(power=1.0)), power=False)
    assert bent.means.r_squared < 0.9


def test_members_without_a_time_are_counted_by_what_became_of_them():
    dataset = studied(never=[(0, 3), (1, 3), (2, 3), (5, 0)])
    dataset["status"].values[1, 3] = "diverged"
    dataset["status"].values[2, 3] = "running"
    found = escape_times(dataset)
    assert list(found.start) == sorted(SCALES)
    assert found.census[0] == Census(escaped=27, stayed=1, broken=1, unfinished=1)
    assert found.census[3] == Census(escaped=29, stayed=1)
    assert found.all.sentence() == (
        "N = 116 of 120; not in the fit: 2 never escaped, 1 diverged or failed, 1 not at their end"
    )
    assert len(found.times[0]) == 27
    assert fitted(found, power=True).members.count == 116


def test_members_that_met_no_saddle_did_not_stay_at_it():
    dataset = studied(never=[(0, 3), (1, 3)])
    dataset["saddle_step"].values[0, 3] = np.nan
    assert escape_times(dataset).census[0] == Census(escaped=28, stayed=1, unmet=1)


def test_other_keys_are_taken_together_and_scales_that_nobody_leaves_stay_out_of_the_means():
    dataset = studied(widths=(5, 10), never=[(slice(None), 3)])
    found = escape_times(dataset)
    assert [c.total for c in found.census] == [60] * 4
    assert found.census[0] == Census(stayed=60)
    assert fitted(found, power=True).means.count == 3


def test_refusals():
    dataset = studied()
    with pytest.raises(BadInput, match=r"unknown key 'init\.scael'.*Did you mean 'init\.scale'"):
        escape_times(dataset, "init.scael")
    with pytest.raises(BadInput, match="positive numbers"):
        escape_times(dataset, "init.seed")
    with pytest.raises(BadInput, match="is text"):
        escape_times(dataset, name="status")
    with pytest.raises(BadInput, match="values along step"):
        escape_times(dataset, name="log_risk")
    with pytest.raises(BadInput, match="no saddle number 3: the most that a member met are 2"):
        escape_times(dataset, saddle=3)
