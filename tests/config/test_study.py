"""A study's file: what is read, what is refused in which words, and that it is written as it was read."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from workbench.config.study import member_config, parse_study, study_to_toml
from workbench.errors import BadInput

BASE: dict[str, Any] = {
    "name": "escape",
    "data": {"kind": "kh24-circle", "n": 10},
    "model": {"kind": "squared-relu", "width": 4},
    "train": {"steps": 100, "lr": 1e-3},
}


def study(**tables: Any) -> Any:
    return parse_study({**BASE, **tables}, "study.toml")


def test_ranges_and_lists_become_choices() -> None:
    found = study(
        grid={"init.seed": "range(0, 5)", "init": {"scale": [1e-1, 1e-2]}},
        zip={"train.steps": "range(10, 30, 10)", "train.lr": [1e-3, 1e-4]},
    )
    assert found.grid == {"init.seed": (0, 1, 2, 3, 4), "init.scale": (1e-1, 1e-2)}
    assert found.zip == {"train.steps": (10, 20), "train.lr": (1e-3, 1e-4)}
    assert found.name == "escape"
    assert found.keys == ("init.seed", "init.scale", "train.steps", "train.lr")


def test_it_is_written_as_it_was_read() -> None:
    found = study(
        grid={"init.seed": "range(9, 0, -3)", "init.kind": ["gaussian", "he"]},
        zip={"model.width": [2, 4], "data.n": [8, 10]},
        study={"keep": ["rho"], "finish": ["optimal"], "members": 7},
        launcher={"jobs": 3},
    )
    text = study_to_toml(found)
    assert '"init.seed" = "range(9, 0, -3)"' in text
    assert parse_study(tomllib.loads(text), "again") == found


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"grid": {"init.seed": "range(5)x"}}, "is no list of choices"),
        ({"grid": {"init.seed": "range(5, 5)"}}, "the end itself is excluded"),
        ({"grid": {"init.seed": "range(0, 1.5)"}}, "whole numbers"),
        ({"grid": {"init.seed": "range(0, 10000000)"}}, "more than 1,000,000"),
        ({"grid": {"init.seed": []}}, "needed is at least one"),
        ({"grid": {"init.seed": [1, 2, 1]}}, "has the choice 1 twice"),
        ({"grid": {"seed": [1]}}, "'seed' is no key of a run's tables"),
        ({"grid": {"init.seed": [1]}, "zip": {"init.seed": [1]}}, "in [grid] and in [zip]"),
        ({"zip": {"init.seed": [1], "train.lr": [1.0, 2.0]}}, "init.seed 1, train.lr 2"),
        ({"zip": {"init.seed": [1, 1], "init.scale": [2.0, 2.0]}}, "the choice (1, 2.0) twice"),
        ({"study": {"kep": ["rho"]}}, "Did you mean 'study.keep'?"),
        ({"study": {"members": 0}}, "study.members = 0"),
        ({"launcher": {"kind": "slrm"}}, "launcher.kind"),
        ({"grid": [1]}, "grid is no table"),
    ],
)
def test_refusals_name_key_and_what_is_allowed(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=r"study.toml") as refused:
        study(**tables)
    assert words in str(refused.value)


def test_a_kind_brings_its_own_defaults() -> None:
    found = study(
        grid={"init.kind": ["gaussian", "he"], "init.seed": [3]},
        init={"scale": 0.5, "kind": "gaussian"},
    )
    same = member_config(found, {"init.seed": 3, "init.kind": "gaussian"})
    other = member_config(found, {"init.seed": 3, "init.kind": "he"})
    assert (same.init.scale, same.init.seed) == (0.5, 3)
    assert (other.init.kind, other.init.scale, other.init.seed) == ("he", 1.0, 3)


def test_a_rule_that_members_choose_brings_its_rate() -> None:
    base = {**BASE, "train": {"steps": 5}}
    found = parse_study({**base, "grid": {"train.rule": ["constant", "normalized"]}}, "x")
    rates = [
        member_config(found, {"train.rule": rule}).train.lr for rule in found.grid["train.rule"]
    ]
    assert rates == [1e-3, 0.1]


def test_a_refused_member_is_named() -> None:
    found = study(grid={"init.scale": [1.0, -1.0]})
    with pytest.raises(BadInput, match=r"member 1: init.scale = -1.0"):
        member_config(found, {"init.scale": -1.0}, "member 1")
    with pytest.raises(BadInput, match=r"Did you mean 'init.scale'"):
        member_config(found, {"init.scal": 1.0}, "member 0")
