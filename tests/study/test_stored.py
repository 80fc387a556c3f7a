"""A study on disk, as far as it has come."""

from __future__ import annotations

import numpy as np
import pytest
from html_cells import Cells
from study.made import finished_study, half_done_study, small_config, study_folder

from workbench.errors import BadInput
from workbench.protocol.status import RunStatus
from workbench.record.lock import RunLock
from workbench.record.shard_file import read_shard, write_shard
from workbench.record.subject import STUDY, shard_subject
from workbench.study.folder import shard_path, shards_folder
from workbench.study.outcome import MemberStatus
from workbench.study.shard import run_shard
from workbench.study.stored import StoredStudy


@pytest.fixture(scope="module")
def half_done(tmp_path_factory):
    return half_done_study(tmp_path_factory.mktemp("half"))


def test_a_half_done_study_says_how_far_it_has_come(half_done):
    study = StoredStudy(half_done)
    assert study.status is RunStatus.STOPPED
    found = study.progress()
    assert found.members == {
        MemberStatus.FINISHED: 4,
        MemberStatus.LOST: 4,
        MemberStatus.WAITING: 4,
    }
    assert (found.shards_done, found.shards, found.steps_total) == (1, 3, 12 * 400)
    left = study.outcome(4).last_step
    assert found.steps_done == 4 * 400 + 4 * left
    assert [outcome.number for outcome in study.outcomes()] == list(range(12))
    step, rho = study.series("rho")
    assert rho.shape == (12, len(step))
    assert np.isfinite(rho[:4]).all()
    assert np.isnan(rho[8:]).all()
    np.testing.assert_array_equal(np.isfinite(rho[4:8]).all(axis=0), step <= left)
    assert np.isnan(study.last("rho")[8:]).all()
    np.testing.assert_array_equal(study.steps(2), [])
    assert study.theta(9) is None
    assert study.theta(2).shape == (8,)


def test_a_notebook_shows_its_grid_and_its_members(half_done):
    study = StoredStudy(half_done)
    tables = Cells(study._repr_html_()).tables
    assert "stopped, 12 members" in "".join(tables[""])
    assert tables["grid"] == ["init.seed", "6", "0, 1, 2, 3, 4, 5", "init.scale", "2", "0.01, 0.3"]
    assert tables["members"] == ["finished", "4", "lost", "4", "waiting", "4"]
    passed = tables["saddles passed"]
    met = sum(len(outcome.saddles) > 0 for outcome in study.outcomes())
    assert met > 0
    assert sum(map(int, passed[3::2])) == 12
    assert "squared-relu, width = 4" in tables["configuration"]


def test_who_runs_a_shard_makes_its_members_running(half_done):
    study = StoredStudy(half_done)
    study.changed()
    assert not study.changed()
    with RunLock(shards_folder(half_done), subject=shard_subject(2)):
        assert study.changed()
        assert study.status is RunStatus.RUNNING
        assert {study.outcome(k).status for k in (8, 9, 10, 11)} == {MemberStatus.RUNNING}
        assert study.outcome(5).status is MemberStatus.LOST
    assert study.changed()
    assert study.outcome(9).status is MemberStatus.WAITING


def test_what_a_shard_comes_to_is_seen_without_opening_anew(tmp_path):
    folder = study_folder(tmp_path, small_config(study={"members": 12}))
    study = StoredStudy(folder)
    assert study.status is RunStatus.STOPPED
    with RunLock(folder, subject=STUDY):
        assert study.changed()
        assert study.status is RunStatus.RUNNING
    assert study.changed()
    run_shard(folder, 0)
    assert study.changed()
    assert study.status is RunStatus.FINISHED
    assert study.outcome(11).status is MemberStatus.FINISHED


def test_a_member_is_the_run_of_its_settings(half_done):
    config = StoredStudy(half_done).member_config(7)
    assert (config.init.seed, config.init.scale) == (3, 0.3)
    assert config.model.width == 4


def test_a_shard_of_other_members_than_planned_is_missing(tmp_path):
    folder = finished_study(tmp_path, study={"members": 12})
    path = shard_path(folder, 0)
    record = read_shard(path)
    record.member["number"][0] = 77
    write_shard(path, record)
    study = StoredStudy(folder)
    assert {outcome.status for outcome in study.outcomes()} == {MemberStatus.MISSING}
    assert "other members" in study.problems()[0]
    assert run_shard(folder, 0).members == {MemberStatus.FINISHED: 12}
    assert study.status is RunStatus.FINISHED


def test_what_is_not_there_is_refused_in_a_sentence(half_done, tmp_path):
    study = StoredStudy(half_done)
    with pytest.raises(BadInput, match="no member 12; allowed: 0 to 11"):
        study.outcome(12)
    with pytest.raises(BadInput, match="kept: log_risk, rho, neuron_norm"):
        study.series("rhoo")
    with pytest.raises(BadInput, match="no 'x'"):
        study.last("x")
    with pytest.raises(BadInput, match="holds no study"):
        StoredStudy(tmp_path)
    with pytest.raises(BadInput, match="no shard 3; it has 3"):
        run_shard(half_done, 3)
