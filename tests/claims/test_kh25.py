"""Neuron pursuit against what is trained from tiny weights, and from weights that are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Remembering
from workbench.claims.beyond import pursuit
from workbench.claims.registry import CLAIMS
from workbench.theory.ncf.pursuit_visits import Visit

CLAIM = CLAIMS["KH25-PURSUIT"]


def made(first=(0.2, 0.01), later=0.01, rows=(0, 5, 9), incomplete=0):
    """A teacher whose run comes so near to its two stages behind the origin, at either scale."""

    def one(scale, distance):
        distances = (0.0, distance, later)
        passed = tuple(Visit(row, d, 1.0, 1.0, 1.0) for row, d in zip(rows, distances, strict=True))
        return pursuit.Followed(scale, passed, incomplete)

    return [one(scale, d) for scale, d in zip(pursuit.SCALES, first, strict=True)]


def test_what_is_seen_of_runs_made_by_hand():
    good = CLAIM.measure(made() + made())
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(CLAIM, good)
    assert_fails(CLAIM, made(rows=(0, 9, 5)), pursuit.ORDER)
    assert_fails(CLAIM, made(later=0.06), pursuit.CLOSE)
    assert_fails(CLAIM, made(first=(0.2, 0.06)), pursuit.FIRST)
    assert_fails(CLAIM, made(first=(0.01, 0.02)), pursuit.FALLS)
    assert_fails(CLAIM, made(incomplete=1), pursuit.SURE)
    lost = [
        replace(one, visits=(one.visits[0], replace(one.visits[1], distance=np.nan)))
        for one in made()
    ]
    assert_fails(CLAIM, lost, pursuit.CLOSE, pursuit.FIRST)


@pytest.mark.full
def test_it_holds_from_tiny_weights_and_not_from_others(tmp_path):
    lab = Remembering(tmp_path)
    good = CLAIM.measure(pursuit.experiment(lab, "quick")[0])
    assert CLAIM.verdict(CLAIM.criterion(good)) == "holds"
    seed = pursuit.TEACHERS["quick"][:1]
    large = pursuit.followed(Altered(lab, "init.scale=0.3"), seed)[0]
    assert_fails(CLAIM, large, pursuit.CLOSE)
    signs = pursuit.followed(Altered(lab, "model.signs=alternate", "init.scale=0.05"), seed)[0]
    assert_fails(CLAIM, signs, pursuit.FIRST)
