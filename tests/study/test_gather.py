"""A study as a data set: every number is where its member's settings say, and what is missing is missing."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import numpy as np
import pytest

import workbench
from tests.study.made import small_config, study_folder
from tests.study.written import drawn_record, written_study
from workbench.config.study import parse_study, study_to_toml
from workbench.errors import BadInput, StorageError
from workbench.record.shard_file import read_shard, write_shard
from workbench.study.folder import shard_path
from workbench.study.gather import coordinate, study_dataset
from workbench.study.grid import grid_of
from workbench.study.plan import extended, read_plan, write_plan
from workbench.study.stored import StoredStudy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The small study, shard 2 not begun."""
    return written_study(tmp_path_factory.mktemp("runs"), without=(2,))


def test_every_member_lies_at_its_settings(folder):
    study = StoredStudy(folder)
    dataset = workbench.open_study(folder)
    assert dict(dataset.sizes) | {"init.seed": 6, "init.scale": 2} == dict(dataset.sizes)
    step, risk = study.series("log_risk")
    assert (dataset.step.values == step).all()
    theta, norm = dataset.theta.values, dataset.neuron_norm
    assert norm.dims == ("init.seed", "init.scale", "step", "neuron")
    for outcome in study.outcomes():
        at = study.grid.index(outcome.settings)
        here = dataset.sel(outcome.settings)
        assert (int(here.member), str(here.status.item())) == (outcome.number, outcome.status.value)
        if outcome.number >= 8:
            assert np.isnan([here.last_step, here.saddle_count, here.last_log_risk]).all()
            assert np.isnan(here.log_risk).all()
            assert np.isnan(theta[at]).all()
            assert (here.reason.item(), here.end_verdict.item()) == ("", "")
            continue
        assert here.reason.item() == outcome.reason
        assert here.last_step == outcome.last_step
        assert (here.log_risk.values == risk[outcome.number]).all()
        assert (theta[at] == study.theta(outcome.number)).all()
        assert here.last_log_risk == outcome.last["log_risk"]
        assert (here.last_neuron_norm.values == outcome.last["neuron_norm"]).all()
        assert here.end_verdict.item() == outcome.end["verdict"]
        assert here.saddle_count == len(outcome.saddles)
        for k, saddle in enumerate(outcome.saddles):
            met = here.sel(saddle=k + 1)
            assert (met.saddle_step, met.saddle_time) == (saddle.step, saddle.time)
            assert met.saddle_escape_step.equals(met.saddle_escape_step * 0 + saddle.escape_step)
            assert (met.saddle_target_direction.values == saddle.target_direction).all() or (
                np.isnan(saddle.target_direction).all()
                and np.isnan(met.saddle_target_direction).all()
            )
            assert met.saddle_verdict.item() == "saddle"
            none = saddle.neuron_target < 0
            assert (np.isnan(met.saddle_neuron_target.values) == none).all()
            assert (
                np.isnan(met.saddle_leaver)
                if saddle.leaver < 0
                else (met.saddle_leaver == saddle.leaver)
            )
        beyond = here.isel(saddle=slice(len(outcome.saddles), None))
        assert np.isnan(beyond.saddle_step).all()
        assert (beyond.saddle_verdict == "").all()


@pytest.mark.parametrize(
    "part",
    [
        {"init.seed": 3},
        {"init.seed": slice(1, 5, 2), "step": -1},
        {"init.seed": slice(None, None, -1)},
        {"init.scale": [1, 0], "step": [3, 1]},
        {"init.seed": 1, "init.scale": 0, "step": slice(2, 5), "neuron": 2},
    ],
)
def test_a_part_is_the_part_of_the_whole(folder, part):
    norm = study_dataset(StoredStudy(folder)).neuron_norm
    whole = norm.copy(data=norm.values)
    assert norm.isel(part).equals(whole.isel(part))


def test_a_part_reads_only_its_shards(folder, monkeypatch):
    read = []
    dataset = study_dataset(StoredStudy(folder))
    monkeypatch.setattr(
        "workbench.study.lazy.read_shard",
        lambda path, parts: read.append((path.name, parts)) or read_shard(path, parts),
    )
    assert dataset.log_risk.sel({"init.seed": 0}).notnull().all()
    assert [name for name, _ in read] == ["0000.h5"]
    assert not {"theta", "series/neuron_norm"} & {part for _, parts in read for part in parts}


def test_attributes_say_what_is_what(folder):
    dataset = workbench.open_study(folder)
    for name, variable in dataset.data_vars.items():
        assert variable.attrs["long_name"], name
        assert variable.attrs["source"], name
        assert ("units" in variable.attrs) == (variable.dtype.kind != "O"), name
    assert dataset.log_risk.attrs["source"] == "LL20 App. K.2"
    assert dataset.attrs["study_id"] == folder.name
    stored = parse_study(tomllib.loads(dataset.attrs["configuration"]), "the attribute")
    assert stored.grid["init.scale"] == (0.01, 0.3)


def test_keys_that_go_together_share_a_dimension(tmp_path):
    folder = written_study(
        tmp_path,
        grid={"init.seed": [4, 7], "init.scale": [0.1]},
        zip={"train.lr": [1e-3, 1e-4, 1e-5], "train.steps": [100, 200, 300]},
    )
    dataset = workbench.open_study(folder)
    assert dataset.member.dims == ("init.seed", "init.scale", "train.lr")
    assert dataset["train.steps"].dims == ("train.lr",)
    assert dataset.sel({"train.lr": 1e-4})["train.steps"] == 200
    assert list(dataset["init.seed"].values) == [4, 7]
    risk = dataset.log_risk.sel({"init.seed": 7, "train.lr": 1e-5})
    number = int(dataset.member.sel({"init.seed": 7, "train.lr": 1e-5}).item())
    _, values = StoredStudy(folder).series("log_risk")
    assert np.array_equal(risk.values.ravel(), values[number], equal_nan=True)


def test_members_of_other_shapes_and_steps_are_padded(tmp_path):
    folder = written_study(
        tmp_path, without=(0, 1, 2), study={"members": 12}, grid={"model.width": [4, 6]}
    )
    plan = read_plan(folder)
    for shard in plan.shards:
        settings = [plan.settings[k] for k in shard.members]
        width = settings[0]["model.width"]
        step = np.arange(0, 10 * width, 10)
        record = drawn_record(shard.number, shard.members, settings, step=step, neurons=width)
        write_shard(shard_path(folder, shard.number), record)
    dataset = workbench.open_study(folder)
    assert (dataset.sizes["neuron"], dataset.sizes["parameter"]) == (6, 12)
    assert list(dataset.step.values) == [0, 10, 20, 30, 40, 50]
    narrow, wide = dataset.sel({"model.width": 4}), dataset.sel({"model.width": 6})
    assert narrow.theta.notnull().values[..., :8].all()
    assert not narrow.theta.notnull().values[..., 8:].any()
    assert wide.theta.notnull().all()
    assert not narrow.log_risk.notnull().values[..., 4:].any()
    assert wide.neuron_norm.notnull().all()


def test_a_damaged_shard_is_named_and_its_members_are_missing(tmp_path):
    folder = written_study(tmp_path)
    path = shard_path(folder, 1)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    dataset = workbench.open_study(folder)
    gone = dataset.status == "missing"
    assert int(gone.sum()) == 4
    assert "4 members" in dataset.attrs["left_out"]
    assert all("damaged" in reason for reason in dataset.reason.values[gone.values])
    assert np.isnan(dataset.log_risk.values[gone.values]).all()
    assert np.isfinite(dataset.log_risk.values[~gone.values]).all()


def test_damage_after_opening_is_refused_not_read(tmp_path):
    folder = written_study(tmp_path)
    dataset = workbench.open_study(folder)
    shard_path(folder, 0).write_bytes(b"no HDF5")
    with pytest.raises(StorageError):
        dataset.log_risk.load()


def test_a_grid_that_has_grown_and_one_that_has_shrunk(tmp_path):
    folder = written_study(tmp_path)
    grown = small_config(grid={"init.seed": "range(0, 7)"})
    (folder / "study.toml").write_text(study_to_toml(grown))
    before = workbench.open_study(folder)
    assert list(before.status.sel({"init.seed": 6}).values) == ["missing", "missing"]
    assert np.isnan(before.member.sel({"init.seed": 6})).all()
    write_plan(folder, extended(read_plan(folder), grown, grid_of(grown)))
    after = workbench.open_study(folder)
    assert list(after.status.sel({"init.seed": 6}).values) == ["waiting", "waiting"]
    assert list(after.member.sel({"init.seed": 6}).values) == [12, 13]
    (folder / "study.toml").write_text(study_to_toml(small_config(grid={"init.seed": [0, 5]})))
    shrunk = workbench.open_study(folder)
    assert shrunk.member.shape == (2, 2)
    assert shrunk.log_risk.equals(before.log_risk.sel({"init.seed": [0, 5]}))
    assert "10 members are not in the grid" in shrunk.attrs["left_out"]


def test_nothing_has_begun(tmp_path):
    dataset = workbench.open_study(study_folder(tmp_path, small_config()))
    assert set(dataset.status.values.ravel()) == {"waiting"}
    assert "step" not in dataset.dims
    assert np.isnan(dataset.saddle_count).all()


def test_choices_that_are_no_numbers():
    assert coordinate(["flow", "a"]).tolist() == ["flow", "a"]
    assert coordinate([True, False]).dtype == bool
    assert coordinate([1, 2.5]).tolist() == [1.0, 2.5]
    assert coordinate([1, 2]).dtype.kind == "i"
    assert coordinate([[1, 2], "é"]).tolist() == ["[1, 2]", "é"]
    assert coordinate([True, 2]).tolist() == ["true", "2"]


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(BadInput, match="holds no study"):
        workbench.open_study(tmp_path)


def test_the_package_alone_stays_light():
    code = "import sys, workbench; workbench.open_study; print('xarray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
