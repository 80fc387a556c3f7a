"""The plan: who is where, what a grown grid adds, and what of a study may not change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.config.study import StudyConfig, member_config, parse_study
from workbench.errors import BadInput, StorageError
from workbench.run.members import block_of
from workbench.study.grid import grid_of
from workbench.study.plan import (
    PLAN_FILE,
    Plan,
    extended,
    plan_of,
    read_plan,
    write_plan,
)

BASE: dict[str, Any] = {
    "data": {"kind": "gaussian-separable", "n": 8},
    "model": {"kind": "squared-relu", "width": 3},
    "init": {"kind": "gaussian", "scale": 0.5},
    "train": {"steps": 20, "lr": 1e-3},
}


def study(grid: dict[str, Any], **tables: Any) -> StudyConfig:
    return parse_study({**BASE, "grid": grid, **tables}, "study.toml")


def planned(grid: dict[str, Any], **tables: Any) -> Plan:
    config = study(grid, **tables)
    return plan_of(config, grid_of(config))


def grown(plan: Plan, grid: dict[str, Any], **tables: Any) -> Plan:
    config = study(grid, **tables)
    return extended(plan, config, grid_of(config))


def cut(plan: Plan) -> list[tuple[int, ...]]:
    return [shard.members for shard in plan.shards]


def test_members_of_other_shapes_are_in_other_shards() -> None:
    plan = planned(
        {"init.seed": [0, 1], "model.width": [2, 3], "train.lr": [1e-3, 1e-2], "data.seed": [0, 1]},
        study={"members": 5},
    )
    assert plan.count == 16
    for shard in plan.shards:
        assert len({plan.settings[k]["model.width"] for k in shard.members}) == 1
    assert sorted(len(part) for part in cut(plan)) == [3, 3, 5, 5]
    assert sorted(k for part in cut(plan) for k in part) == list(range(16))


def test_samples_of_other_shapes_are_in_other_shards() -> None:
    assert cut(planned({"data.n": [8, 9], "data.margin": [0.0, 0.1]})) == [(0, 1), (2, 3)]


@pytest.mark.parametrize("key", ["model.kind", "init.kind", "train.steps", "loss.reduction"])
def test_every_shard_is_stepped_together(key: str) -> None:
    choices = {
        "model.kind": ["squared-relu", "two-layer-relu"],
        "init.kind": ["gaussian", "he"],
        "train.steps": [20, 30],
        "loss.reduction": ["sum", "mean"],
    }
    config = study({"init.seed": [0, 1], key: choices[key]})
    plan = plan_of(config, grid_of(config))
    assert cut(plan) == [(0, 2), (1, 3)]
    for shard in plan.shards:
        settings = [plan.settings[k] for k in shard.members]
        block = block_of([member_config(config, each) for each in settings])
        assert [n.config.init.seed for n in block.networks] == [0, 1]


def test_a_refused_member_is_named(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("1,2,1\n2,1,-1\n")
    with pytest.raises(BadInput, match=r"member 3: init\.scale = -1\.0"):
        planned({"init.seed": [0, 1], "init.scale": [1.0, 2.0, 3.0, -1.0]})
    with pytest.raises(BadInput, match=r"member 1: init\.seed = -1"):
        planned({"init.seed": [0, -1], "init.scale": [1.0]})
    with pytest.raises(BadInput, match=r"member 0: unknown key 'sed'.*Did you mean 'init.seed'"):
        planned({"init.sed": [0]})
    with pytest.raises(BadInput, match=r"member 1: .*missing.csv"):
        planned({"data.kind": ["csv"], "data.path": [str(there), "/missing.csv"]})
    with pytest.raises(BadInput, match=r"member 1: train\.batch = 9 is more than the 8 samples"):
        planned({"train.batch": [0, 9]})
    with pytest.raises(BadInput, match=r"member 1: .*cross-entropy"):
        planned({"loss.kind": ["square", "cross-entropy"]}, model={"kind": "deep-relu"})


@pytest.mark.parametrize("axis", ["init.seed", "init.scale"])
def test_a_grid_that_grows_keeps_its_numbers(axis: str) -> None:
    first: dict[str, Any] = {"init.seed": [0, 1], "init.scale": [0.1, 0.2]}
    plan = planned(first)
    more = {**first, axis: [9, *first[axis], 7]}
    found = grown(plan, more)
    before = [dict(each) for each in plan.settings]
    assert [dict(each) for each in found.settings][:4] == before
    assert found.shards[: len(plan.shards)] == plan.shards
    assert {k for part in cut(found)[len(plan.shards) :] for k in part} == {4, 5, 6, 7}
    assert {each[axis] for each in found.settings[4:]} == {9, 7}
    config = study(more)
    assert cut(extended(found, config, grid_of(config))) == cut(found)


def test_a_key_that_is_added_is_what_the_members_had() -> None:
    plan = planned({"init.seed": [0, 1]})
    found = grown(plan, {"init.scale": [0.1, 0.5], "init.seed": [0, 1]})
    assert list(found.settings) == [
        {"init.seed": 0, "init.scale": 0.5},
        {"init.seed": 1, "init.scale": 0.5},
        {"init.seed": 0, "init.scale": 0.1},
        {"init.seed": 1, "init.scale": 0.1},
    ]


def test_an_added_key_without_the_old_value_leaves_the_old_members() -> None:
    found = grown(planned({"init.seed": [0]}), {"init.seed": [0], "init.scale": [0.1]})
    assert list(found.settings)[1] == {"init.seed": 0, "init.scale": 0.1}
    assert grid_of(study({"init.seed": [0], "init.scale": [0.1]})).index(found.settings[0]) is None


def test_a_grid_that_shrinks_keeps_what_was_run() -> None:
    plan = planned({"init.seed": [0, 1, 2]})
    found = grown(plan, {"init.seed": [1]})
    assert (found.count, found.shards) == (plan.count, plan.shards)


def test_keys_that_go_together_grow_together() -> None:
    plan = planned({"init.seed": [0, 1]}, zip={"train.steps": [20], "train.lr": [1e-3]})
    found = grown(
        plan, {"init.seed": [0, 1]}, zip={"train.steps": [20, 40], "train.lr": [1e-3, 1e-4]}
    )
    assert [each["train.steps"] for each in found.settings] == [20, 20, 40, 40]
    assert [each["train.lr"] for each in found.settings] == [1e-3, 1e-3, 1e-4, 1e-4]


def test_what_all_share_may_not_change() -> None:
    plan = planned({"init.seed": [0]})
    with pytest.raises(BadInput, match=r"train.steps is 30, and was 20"):
        grown(plan, {"init.seed": [0, 1]}, train={"steps": 30, "lr": 1e-3})
    with pytest.raises(BadInput, match=r"study.theta is False, and was True"):
        grown(plan, {"init.seed": [0, 1]}, study={"theta": False})
    assert grown(plan, {"init.seed": [0, 1]}, launcher={"jobs": 9}, name="other").count == 2


def test_a_key_that_a_later_workbench_has_got_changes_nothing() -> None:
    plan = planned({"init.seed": [0]})
    base: Any = {**plan.base, "train": {**plan.base["train"]}}
    del base["train"]["batch"]
    older = replace(plan, base=base, kept={k: v for k, v in plan.kept.items() if k != "theta"})
    assert grown(older, {"init.seed": [0, 1]}).count == 2


def test_a_rate_that_follows_from_the_rule_may_be_left_out() -> None:
    rule = {"train.rule": ["constant", "normalized"]}
    plan = planned(rule, train={"steps": 20})
    assert grown(plan, {**rule, "init.seed": [0, 1]}, train={"steps": 20}).count == 4
    assert grown(plan, {"init.seed": [0, 1]}, train={"steps": 20}).count == 3


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    plan = planned({"init.seed": [0, 1], "model.kind": ["squared-relu", "two-layer-relu"]})
    found = grown(plan, {"init.seed": [0, 1], "model.width": [3, 5]})
    write_plan(tmp_path, found)
    read = read_plan(tmp_path)
    assert (list(read.settings), read.shards) == (list(found.settings), found.shards)
    assert (read.base, read.kept) == (found.base, found.kept)
    assert read.shard_of == {k: s.number for s in found.shards for k in s.members}


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"schema": 99}',
        '{"schema": 1}',
        '{"schema": 1, "members": 2, "settings": {}, '
        '"shards": [{"number": 0, "members": [0, 0]}], "base": {}, "study": {}}',
    ],
)
def test_a_damaged_plan_is_refused_in_a_sentence(tmp_path: Path, damage: str) -> None:
    (tmp_path / PLAN_FILE).write_text(damage)
    with pytest.raises(StorageError, match=PLAN_FILE):
        read_plan(tmp_path)


def test_large_studies_are_cut_by_work_and_by_bytes() -> None:
    many = {"init.seed": "range(0, 2000)"}
    assert len(planned(many).shards) == 1
    long = planned(many, train={"steps": 1_000_000, "lr": 1e-3}, launcher={"jobs": 2})
    assert 20 <= len(long.shards) <= 400
    wide = planned(many, study={"keep": ["theta"]}, model={"kind": "two-layer-relu", "width": 500})
    assert len(wide.shards) > 10
