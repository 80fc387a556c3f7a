"""Other norms on networks: members whose margins and γ~ are as the statement has them, and others."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.beyond import steepest_networks as networks
from workbench.claims.registry import CLAIMS

MARGINS = CLAIMS["TG25-MARGINS"]


def members(ahead=1.5, fall=0.0, stuck=(), wrong=False, seeds=6):
    """Every rule `ahead` of the others in its norm; `wrong`: in the next one; `fall` of γ~."""
    rng, found = np.random.default_rng(0), []
    for seed in range(seeds):
        for row, rule in enumerate(networks.SERIES):
            series = {}
            for column, end in enumerate(networks.SERIES.values()):
                own = (row + wrong) % 4 == column
                margin = (ahead if own else 1.0) * rng.uniform(0.98, 1.0)
                rise = np.linspace(-0.5, 1.0, 31)
                rise[20] = rise[19] - fall
                series["margin_normalized" + end] = np.array([0.0, margin * (seed not in stuck)])
                series["margin_smoothed" + end] = rise if seed not in stuck else -np.ones(31)
            found.append(
                SimpleNamespace(settings={"init.seed": seed, "train.rule": rule}, series=series)
            )
    return {"one": networks.seeds_of(found)}


def test_holds_and_every_check_can_fail():
    good = MARGINS.measure(members())
    assert MARGINS.verdict(MARGINS.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(MARGINS, good)
    assert good.quantities[networks.leads("sign")] == pytest.approx(np.log(1.5), abs=0.02)


def test_what_is_otherwise_fails():
    every = [networks.leads(rule) for rule in networks.SERIES]
    assert_fails(MARGINS, members(ahead=0.9), *every)
    assert_fails(MARGINS, members(wrong=True), *every)
    assert_fails(MARGINS, members(fall=0.1), networks.FALL)
    assert_fails(MARGINS, members(stuck=range(4)), networks.SHARE)
    assert_fails(MARGINS, members(seeds=1), *every)


def test_how_deep_a_series_falls():
    assert networks.drawdown(np.array([0.0, 2.0, 1.5, 3.0, 4.0])) == pytest.approx(0.125)
    assert networks.drawdown(np.array([0.0, 1.0, 2.0])) == 0.0
    assert np.isnan(networks.drawdown(np.array([2.0, 1.0])))
    assert np.isnan(networks.drawdown(np.array([])))


@pytest.mark.full
def test_runs_hold(tmp_path):
    from workbench.claims.sessions import SessionLab

    found, _ = MARGINS.experiment(SessionLab(tmp_path), "quick")
    assert MARGINS.verdict(MARGINS.criterion(MARGINS.measure(found))) == "holds"
