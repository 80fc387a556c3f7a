"""Configuration: what is refused and in which words, and that TOML goes round."""

from __future__ import annotations

import tomllib

import pytest

from workbench.config.toml import override, parse_config, parse_toml, read_toml, to_toml
from workbench.errors import BadInput, clean_text
from workbench.presets import load_config, preset_names, read_preset

BASE = {"data": {"kind": "kh24-circle"}, "model": {"kind": "squared-relu"}}

REFUSED = [
    (["train.lrr=3"], ["'lrr'", "[train]", "Did you mean 'train.lr'"]),
    (["lr=3"], ["'lr'", "Did you mean 'train.lr'?"]),
    (["seed=3"], ["'seed'", "Did you mean 'data.seed' or 'init.seed'?"]),
    (["train.width=3"], ["[train]", "Did you mean 'data.width' or 'model.width'?"]),
    (["dta.x=3"], ["'dta'", "Did you mean 'data'"]),
    (["data.kind=circle"], ["data.kind 'circle'", "kh24-circle"]),
    (["model.kind=squared-rleu"], ["Did you mean 'squared-relu'"]),
    (["model.width=-1"], ["model.width = -1", "greater than or equal to 1"]),
    (["model.width=2.5"], ["model.width = 2.5"]),
    (["model.leak=-1"], ["model.leak = -1"]),
    (["model.kind=two-layer-relu", "model.signs=plus"], ["'signs'", "[model]"]),
    (["loss.kind=hinge"], ["loss.kind = 'hinge'", "logistic"]),
    (["loss.kind=cross-entropy"], ["one output"]),
    (["train.lr=nan"], ["train.lr = nan", "finite"]),
    (["train.lr=0"], ["train.lr = 0"]),
    (["record.every=0"], ["record.every = 0"]),
    (["record.every=sometimes"], ["record.every"]),
    (["data.kind=digits", "data.classes=[1,1]"], ["data.classes", "distinct"]),
    (["data.kind=inline"], ["data.x is missing"]),
    (["model.kind=torch", "model.class=os"], ["model.class = 'os'"]),
    (["pause.at=[1,2.5]"], ["pause.at[1] = 2.5"]),
    (["nonsense"], ["section.key=value"]),
    (["train=3"], ["train = 3"]),
]


@pytest.mark.parametrize(("settings", "parts"), REFUSED, ids=lambda v: str(v)[:40])
def test_nonsense_is_refused_with_key_value_and_what_is_allowed(settings, parts):
    with pytest.raises(BadInput) as caught:
        parse_config(override(BASE, settings), "settings")
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", ["data", "model", "init"])
def test_a_table_without_its_kind_names_those_there_are(section):
    table = {**BASE, section: {"seed": 1}}
    with pytest.raises(BadInput, match=rf"{section}\.kind is missing; allowed: \w[\w-]+, \w"):
        parse_config(table, "run.toml")


@pytest.mark.parametrize("name", preset_names())
def test_presets_parse_and_go_round_through_toml(name):
    config = load_config(name)
    assert parse_config(tomllib.loads(to_toml(config)), "again") == config
    assert len(config.description) > 40


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(BadInput, match="kh24-fig1"):
        read_preset("kh24-fig11")


def test_changing_the_kind_drops_the_old_kinds_keys():
    changed = override(BASE | {"init": {"kind": "gaussian", "scale": 3.0}}, ["init.kind=balanced"])
    assert changed["init"] == {"kind": "balanced"}
    kept = override(BASE | {"init": {"kind": "gaussian", "scale": 3.0}}, ["init.kind=gaussian"])
    assert kept["init"]["scale"] == 3.0


def test_values_of_settings_are_toml_or_words():
    table = override(BASE, ["train.lr=1e-3", "name=a b", 'loss.kind="square"', "pause.at=[1, 2]"])
    assert table["train"]["lr"] == 1e-3
    assert table["name"] == "a b"
    assert table["pause"]["at"] == [1, 2]


def test_a_file_path_is_relative_to_the_file_that_names_it(tmp_path):
    (tmp_path / "run.toml").write_text('[data]\nkind = "csv"\npath = "points.csv"\n')
    assert read_toml(tmp_path / "run.toml")["data"]["path"] == str(tmp_path / "points.csv")


@pytest.mark.parametrize("text", ["[data", "a = = 3", "x = 1\nx = 2"])
def test_broken_toml_is_one_sentence(text):
    with pytest.raises(BadInput, match="not valid TOML"):
        parse_toml(text, "run.toml")


def test_folders_and_missing_files_are_named(tmp_path):
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(BadInput, match=str(path)):
            read_toml(path)


def test_control_characters_never_reach_a_terminal():
    assert clean_text("a\x1b[2Jb\nc\x07") == "a [2Jb c "
    assert len(clean_text("x" * 1000)) == 400
