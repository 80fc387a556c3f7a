"""The grid: its order against nested loops, where settings lie in it, choices as they are typed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from workbench.config.study import StudyConfig, parse_study
from workbench.errors import BadInput
from workbench.study.grid import grid_of, parse_choices

BASE: dict[str, Any] = {
    "data": {"kind": "kh24-circle", "n": 10},
    "model": {"kind": "squared-relu", "width": 4},
    "init": {"kind": "gaussian", "scale": 0.5},
}


def study(**tables: Any) -> StudyConfig:
    return parse_study({**BASE, **tables}, "study.toml")


def test_members_are_in_the_order_of_nested_loops() -> None:
    grid = grid_of(
        study(
            grid={"init.seed": "range(0, 3)", "init.scale": [1e-1, 1e-2]},
            zip={"train.steps": [10, 20], "train.lr": [1.0, 2.0]},
        )
    )
    slow = [
        {"init.seed": seed, "init.scale": scale, "train.steps": steps, "train.lr": rate}
        for seed in range(3)
        for scale in (1e-1, 1e-2)
        for steps, rate in ((10, 1.0), (20, 2.0))
    ]
    assert grid.shape == (3, 2, 2)
    assert [d.name for d in grid.dimensions] == ["init.seed", "init.scale", "train.steps"]
    assert [grid.settings(k) for k in range(grid.count)] == slow
    places = itertools.product(range(3), range(2), range(2))
    assert [grid.index(each) for each in slow] == list(places)


def test_what_is_not_set_counts_as_the_run_has_it() -> None:
    grid = grid_of(study(grid={"init.seed": [0, 1], "init.scale": [0.5, 0.1]}))
    assert grid.index({"init.seed": 1}) == (1, 0)
    assert grid.index({"init.seed": 1, "init.scale": 0.1, "data.n": 10}) == (1, 1)
    assert grid.index({"init.seed": 1, "data.n": 11}) is None
    assert grid.index({"init.seed": 2}) is None
    assert grid.index({"init.seed": 1.0}) == (1, 0)


def test_a_kind_of_its_own_has_defaults_of_its_own() -> None:
    grid = grid_of(study(grid={"init.kind": ["gaussian", "he"], "init.scale": [0.5, 1.0]}))
    assert grid.index({"init.kind": "gaussian"}) == (0, 0)
    assert grid.index({"init.kind": "he"}) == (1, 1)


def test_a_study_without_choices_has_one_member() -> None:
    grid = grid_of(study(study={}))
    assert (grid.count, grid.settings(0), grid.index({})) == (1, {}, ())


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("1e-1,1e-2", (1e-1, 1e-2)),
        ("range(0,4)", (0, 1, 2, 3)),
        ("range(0,2),7", (0, 1, 7)),
        ("[10,10],[20,20]", ([10, 10], [20, 20])),
        ("[[1,2],[3]]", ([[1, 2], [3]],)),
        ("he, gaussian", ("he", "gaussian")),
        ('"a,b",true', ("a,b", True)),
        ("{a=1,b=2}", ({"a": 1, "b": 2},)),
    ],
)
def test_choices_as_they_are_typed(text: str, choices: tuple[Any, ...]) -> None:
    assert parse_choices(text) == choices


@pytest.mark.parametrize("text", ["", "1,,2", "1,", "[1,2", 'a,"b'])
def test_half_a_list_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_choices(text)


def test_more_members_than_a_study_has_are_refused() -> None:
    many = "range(0, 100000)"
    with pytest.raises(BadInput, match="100,000 × 100,000"):
        grid_of(study(grid={"init.seed": many, "data.n": many}))
