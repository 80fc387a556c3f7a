"""Studies in a runs folder: found beside runs and never taken for one, summed up, deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from record import sample_run
from study.scripted import study, write

from workbench.config.study import StudyConfig
from workbench.errors import BadInput, RunBusy, StorageError
from workbench.record.delete import delete_run, delete_study
from workbench.record.folder import (
    find_run_or_study,
    find_study,
    list_runs,
    list_studies,
    resolve_run,
    run_folders,
    study_folders,
)
from workbench.record.lock import RunLock
from workbench.record.study_origin import ORIGIN_FILE
from workbench.record.study_summary import study_summaries, summarize_study
from workbench.record.subject import STUDY, shard_subject
from workbench.study import create
from workbench.study.create import create_study

RUN = "20260101-000000-sample-abcd"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """One run and two studies, made one after the other."""
    sample_run.finished(tmp_path / RUN)
    for name in ("first", "second"):
        folder = create_study(study(name=name), tmp_path)
        made = {"created": f"2026-02-0{1 + (name == 'second')}T00:00:00+00:00", "workbench": "0"}
        (folder / ORIGIN_FILE).write_text(json.dumps(made))
    return tmp_path


def named(runs: Path, name: str) -> Path:
    return find_study(runs, name)


def test_studies_and_runs_are_found_apart_and_together(runs: Path) -> None:
    first, second = named(runs, "first"), named(runs, "second")
    assert [folder.name for folder in run_folders(runs)] == [RUN]
    assert [folder.name for folder in list_runs(runs)] == [RUN]
    assert set(study_folders(runs)) == {first, second}
    assert list_studies(runs) == [second, first]
    assert find_study(runs, "last") == second
    assert find_study(runs, first.name) == first
    assert find_study(runs, str(first)) == first
    assert find_study(runs, str(first / "study.toml")) == first
    assert resolve_run("last", runs).name == RUN
    assert find_run_or_study(runs, "20260101").name == RUN
    assert find_run_or_study(runs, "first") == first
    assert find_run_or_study(runs, "last") == second
    (first / ORIGIN_FILE).unlink()  # then it is as old as its file
    assert find_run_or_study(runs, "last") == first


def test_what_is_none_is_refused_with_the_nearest(runs: Path) -> None:
    first = named(runs, "first")
    with pytest.raises(BadInput, match=r"unknown study 'frist'.*Did you mean 'first'"):
        find_study(runs, "frist")
    with pytest.raises(BadInput, match=f"'{first.name}' is a study.* workbench run {first.name}/0"):
        resolve_run("first", runs)
    with pytest.raises(BadInput, match="there is no study at"):
        find_study(runs, str(runs / RUN))
    with pytest.raises(BadInput, match="fits 2 studies"):
        find_study(runs, first.name[:2])
    with pytest.raises(BadInput, match="there are no studies in"):
        find_study(runs / "nowhere", "last")
    with pytest.raises(BadInput, match="a run or study is named by"):
        find_run_or_study(runs, "")


def test_a_study_is_summed_up_by_its_shards(runs: Path) -> None:
    folder = named(runs, "first")
    assert (summarize_study(folder).status, summarize_study(folder).members) == ("stopped", 6)
    write(folder, 0)
    write(folder, 1, {2: "failed", 3: "diverged"})
    found = summarize_study(folder)
    assert found.by_status == {"finished": 2, "failed": 1, "diverged": 1, "waiting": 2}
    assert (found.ended, found.failed, found.status, found.name) == (3, 1, "stopped", "first")
    with RunLock(folder, subject=STUDY):
        assert summarize_study(folder).status == "running"
    write(folder, 2)
    assert summarize_study(folder).status == "failed"
    write(folder, 1)
    assert summarize_study(folder).status == "finished"
    (folder / "shards" / "0001.h5").write_bytes(b"no shard")
    assert summarize_study(folder).by_status == {"finished": 4, "missing": 2}
    (folder / "plan.json").write_text("{")
    found = summarize_study(folder)
    assert (found.status, found.reason) == ("unreadable", "plan.json is damaged.")
    assert [one.name for one in study_summaries(runs)] == ["second", ""]


def test_a_driver_that_was_killed_has_lost_its_study(runs: Path) -> None:
    folder = named(runs, "first")
    script = (
        "import os, sys; from pathlib import Path; from workbench.record.lock import RunLock\n"
        "from workbench.record.subject import STUDY\n"
        "RunLock(Path(sys.argv[1]), subject=STUDY).acquire(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(folder)], check=False).returncode == -9
    assert summarize_study(folder).status == "lost"


def test_listing_studies_needs_no_torch(runs: Path) -> None:
    write(named(runs, "first"), 0)
    script = (
        "import sys; from pathlib import Path; from workbench.record.study_summary import *\n"
        "assert len(study_summaries(Path(sys.argv[1]))) == 2; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(runs)], check=True)


def test_a_study_is_deleted_and_nothing_else(runs: Path, tmp_path: Path) -> None:
    folder, other = named(runs, "first"), named(runs, "second")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (folder / "shards" / "link").symlink_to(outside)
    with pytest.raises(BadInput, match="holds no run"):
        delete_run(folder, runs)
    with pytest.raises(BadInput, match="holds no study"):
        delete_study(runs / RUN, runs)
    with RunLock(folder, subject=STUDY), pytest.raises(RunBusy, match="is being driven"):
        delete_study(folder, runs)
    claim = RunLock(folder / "shards", subject=shard_subject(1))
    with claim, pytest.raises(RunBusy, match="shard 1 of study"):
        delete_study(folder, runs)
    delete_study(folder, runs)
    assert not folder.exists()
    assert (outside / "kept.txt").read_text() == "kept"
    (link := runs / "20260303-000000-link-0000").symlink_to(other)
    with pytest.raises(BadInput, match="is a link"):
        delete_study(link, runs)
    assert other.exists()
    with pytest.raises(BadInput, match="there is no study"):
        delete_study(folder, runs)


@pytest.mark.parametrize("part", ["write_text", "write_origin", "write_plan", "new_run_id"])
def test_a_failed_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def full(*arguments: object) -> None:
        raise StorageError("cannot write: no space left on device.")

    monkeypatch.setattr(create, part, full)
    with pytest.raises(StorageError):
        create_study(study(), tmp_path / "runs")
    assert os.listdir(tmp_path / "runs") == []


def test_a_member_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    bad: StudyConfig = study(grid={"init.scale": [0.1, -1.0]})
    with pytest.raises(BadInput, match="member 1"):
        create_study(bad, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
