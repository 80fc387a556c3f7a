"""Presets that are studies: they parse, their members run, and what they keep is there to keep."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from commands.main import app
from workbench.config.study import member_config, parse_study, study_to_toml
from workbench.errors import BadInput
from workbench.presets import load_config, preset_names, preset_text, read_preset, study_names
from workbench.run.member_run import run_members
from workbench.study.grid import grid_of
from workbench.study.plan import plan_of


@pytest.fixture(params=study_names())
def study(request):
    return parse_study(read_preset(request.param), request.param)


def test_studies_parse_and_go_round_through_toml(study):
    again = parse_study(tomllib.loads(study_to_toml(study)), "again")
    assert replace(again, name=study.name) == study
    assert len(study.base.description) > 100


def test_every_member_fits_and_keeps_what_it_is_asked_to(study):
    grid = grid_of(study)
    plan = plan_of(study, grid)
    assert sum(len(shard.members) for shard in plan.shards) == grid.count >= 20
    kept = set(study.study.keep)
    for member in {shard.members[0] for shard in plan.shards}:
        config = member_config(study, plan.settings[member])
        short = config.train.model_copy(update={"steps": min(2, config.train.steps)})
        found = run_members(config.model_copy(update={"train": short}), [{}], series=kept)
        assert all(np.isfinite(found.last["log_risk"]))
        assert set(found.series) == kept
        if config.model.kind == "cnn":
            break


def test_a_study_is_listed_apart_and_printed_as_it_is_written():
    result = CliRunner().invoke(app, ["presets"])
    runs, _, studies = result.stdout.partition("\n\n")
    assert [line.split()[0] for line in runs.splitlines()] == preset_names()
    assert [line.split()[0] for line in studies.splitlines()[1:]] == study_names()
    for name in (study_names()[0], preset_names()[0]):
        assert CliRunner().invoke(app, ["presets", name]).stdout == preset_text(name)


def test_a_study_is_no_run(tmp_path):
    with pytest.raises(BadInput, match=r"kh24-basins is a study.*workbench sweep kh24-basins"):
        load_config("kh24-basins")
    path = tmp_path / "mine.toml"
    path.write_text(preset_text("kh24-basins"))
    with pytest.raises(BadInput, match=r"mine.toml is a study"):
        load_config(str(path))
    with pytest.raises(BadInput, match="kh24-basins"):
        read_preset("kh24-basin")
