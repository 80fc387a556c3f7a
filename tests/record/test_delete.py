"""Deleting a run: nothing but a run of the folder, through no link, and none that lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tui.fake_app import make_run

from workbench.errors import BadInput, RunBusy, WorkbenchError
from workbench.record import delete
from workbench.record.delete import delete_run
from workbench.record.lock import RunLock


def test_delete_refuses_what_is_no_run_of_the_folder(tmp_path: Path) -> None:
    runs, other = tmp_path / "runs", tmp_path / "other"
    run, foreign = make_run(runs, "mine"), make_run(other, "foreign")
    link = runs / "20260101-000001-link-0001"
    link.symlink_to(foreign, target_is_directory=True)
    plain = runs / "plain"
    plain.mkdir()
    (plain / "thesis.tex").write_text("years of work")
    for wrong in (link, foreign, runs, plain, runs / "..", runs / "gone", run / "checkpoints"):
        with pytest.raises(BadInput):
            delete_run(wrong, runs)
    with pytest.raises(BadInput, match="is a link"):
        delete_run(link, runs)
    assert (foreign / "run.h5").exists()
    assert (plain / "thesis.tex").exists()
    assert link.is_symlink()
    assert (run / "run.h5").exists()


def test_delete_follows_no_links_inside(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "mine")
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "data.csv").write_text("1,2")
    (tmp_path / "precious").write_text("do not truncate")
    (run / "link").symlink_to(keep, target_is_directory=True)
    (run / "run.lock").unlink(missing_ok=True)
    (run / "run.lock").symlink_to(tmp_path / "precious")
    delete_run(run, tmp_path / "runs")
    assert not run.exists()
    assert (keep / "data.csv").read_text() == "1,2"
    assert (tmp_path / "precious").read_text() == "do not truncate"
    assert list((tmp_path / "runs").iterdir()) == []


def test_delete_through_a_linked_runs_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path / "real", "mine")
    (tmp_path / "runs").symlink_to(tmp_path / "real", target_is_directory=True)
    delete_run(tmp_path / "runs" / run.name, tmp_path / "runs")
    assert not run.exists()


def test_delete_refuses_a_living_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, "mine")
    with RunLock(run), pytest.raises(RunBusy):
        delete_run(run, tmp_path)
    assert (run / "run.h5").exists()
    delete_run(run, tmp_path)
    assert not run.exists()


def test_delete_removes_links_to_the_root_and_to_itself(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "mine")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "thesis.tex").write_text("years of work")
    (run / "root").symlink_to("/", target_is_directory=True)
    (run / "up").symlink_to("../..", target_is_directory=True)
    (run / "self").symlink_to("self")
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "ck_000000000001.h5").symlink_to(kept / "thesis.tex")
    os.link(kept / "thesis.tex", run / "second-name")
    os.mkfifo(run / "pipe")
    delete_run(run, tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []
    assert (kept / "thesis.tex").read_text() == "years of work"


def test_a_run_that_became_a_link_meanwhile_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, foreign = make_run(tmp_path / "runs", "mine"), make_run(tmp_path / "other", "foreign")
    before = {path: path.stat().st_size for path in foreign.rglob("*")}
    looked = delete._require_own

    def swapped(folder: Path, runs_dir: Path, name: str) -> None:
        looked(folder, runs_dir, name)
        folder.rename(tmp_path / "aside")
        folder.symlink_to(foreign, target_is_directory=True)

    monkeypatch.setattr(delete, "_require_own", swapped)
    with pytest.raises(WorkbenchError, match="could not be deleted"):
        delete_run(run, tmp_path / "runs")
    assert {path: path.stat().st_size for path in before} == before
    assert (tmp_path / "aside" / "run.h5").exists()


def test_a_runs_folder_that_leads_to_itself_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to("runs")
    with pytest.raises(WorkbenchError, match="cannot be looked at"):
        delete_run(tmp_path / "runs" / "mine", tmp_path / "runs")
