"""Which KKT points members go to: told apart by direction and kind, in shares of those that go anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from tests.study.fake_dataset import TARGETS, studied
from workbench.errors import BadInput
from workbench.study.targets import targets_of


def test_points_are_told_apart_whatever_their_row_is_in_each_member():
    dataset = studied(seeds=100)
    found = targets_of(dataset)
    assert [round(point.angle) for point in found.points] == [20, 140, -95]
    assert [point.kind for point in found.points] == ["max", "max", "saddle"]
    assert [point.value for point in found.points] == pytest.approx([2.0, 1.5, 0.4])
    direction = dataset.saddle_target_direction.isel(saddle=0).values
    for point, angle in zip(found.points, TARGETS, strict=True):
        near = direction @ [np.cos(angle), np.sin(angle)] > 0.99
        assert (point.where == near).all()
    shares = found.shares()
    assert sum(share.count for share in shares) == 400
    assert {share.total for share in shares} == {400}


def test_of_a_later_saddle_only_those_that_met_it_count():
    dataset = studied(seeds=100)
    found = targets_of(dataset, saddle=2)
    met = int(dataset.saddle_step.isel(saddle=1).notnull().sum())
    assert 0 < met < 400
    assert (int(found.met.sum()), found.shares()[0].total) == (met, met)
    among = np.zeros(found.aimed.shape, dtype=bool)
    among[:, 0] = True
    assert sum(s.count for s in found.shares(among)) == int((found.aimed & among).sum())


def test_one_direction_of_two_kinds_is_two_points():
    dataset = studied(seeds=10)
    dataset["saddle_target_kind"].values[:5] = "flat"
    kinds = [point.kind for point in targets_of(dataset).points]
    assert "flat" in kinds
    assert "max" in kinds


def test_a_study_without_targets_says_so():
    with pytest.raises(BadInput, match="name no KKT points"):
        targets_of(studied().drop_vars("saddle_target_direction"))
