"""What a drive hands out, what it makes of each report, and what it leaves: against a scripted launcher."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study.scripted import STEPS, Scripted, study, write

from workbench.engine.program import StopFlag
from workbench.errors import BadInput, ExitCode, RunBusy, StorageError
from workbench.record.lock import RunLock, is_alive
from workbench.record.shard_file import read_shard
from workbench.record.subject import STUDY
from workbench.study.create import create_study
from workbench.study.drive import DriveProgress, StudyEnd, drive
from workbench.study.folder import shard_path
from workbench.study.launchers.launcher import Died, Ended, Progressed, Raised, Report, Trouble
from workbench.study.plan import read_plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six members in three shards."""
    return create_study(study(), tmp_path)


def driven(folder: Path, acts: Any = None, **more: Any) -> tuple[StudyEnd, Scripted]:
    launcher = Scripted(folder, acts)
    end = drive(folder, launcher=launcher, **more)
    assert launcher.closed
    assert not is_alive(folder, STUDY)
    return end, launcher


def members(folder: Path, number: int) -> dict[int, tuple[str, str]]:
    found = read_shard(shard_path(folder, number)).member
    each = zip(found["status"].tolist(), found["reason"].tolist(), strict=True)
    return dict(zip(found["number"].tolist(), each, strict=True))


def killed(number: int) -> Report:
    return Died(number, "its process was killed by signal 9")


def leaves(folder: Path, statuses: dict[int, str], **how: Any) -> Callable[[int], Report]:
    def act(number: int) -> Report:
        write(folder, number, statuses, **how)
        return Ended(number, stopped=not how.get("done", True))

    return act


def test_what_is_done_is_not_run_again(folder: Path) -> None:
    end, launcher = driven(folder)
    assert launcher.given == [0, 1, 2]
    assert end.members == {"finished": 6}
    assert end.exit_code is ExitCode.DONE
    end, launcher = driven(folder)
    assert launcher.given == []
    assert end.exit_code is ExitCode.DONE


def test_a_shard_whose_process_died_goes_on_in_another(folder: Path) -> None:
    told: list[str] = []
    end, launcher = driven(folder, {1: [killed]}, tell=told.append)
    assert launcher.given == [0, 1, 2, 1]
    assert end.exit_code is ExitCode.DONE
    assert told == ["shard 1: its process was killed by signal 9; it goes on in another one"]


def test_the_second_death_costs_the_shard_and_nothing_else(folder: Path) -> None:
    def half(number: int) -> Report:
        write(folder, number, {2: "finished"}, done=False, last_step=20)
        return killed(number)

    end, launcher = driven(folder, {1: [half, killed], 0: [killed, killed]})
    assert launcher.given == [0, 1, 2, 0, 1]
    assert end.members == {"finished": 3, "lost": 3}
    assert end.exit_code is ExitCode.FAILED
    why = "its process was killed by signal 9"
    assert members(folder, 1) == {2: ("finished", ""), 3: ("lost", why)}
    assert members(folder, 0) == {0: ("lost", why), 1: ("lost", why)}
    # What there is to go on from is kept.
    assert list(read_shard(shard_path(folder, 1)).state) == ["members/theta"]
    end, launcher = driven(folder)
    assert launcher.given == [0, 1]
    assert end.exit_code is ExitCode.DONE


def test_failed_members_are_tried_again_when_asked_and_no_others(folder: Path) -> None:
    end, launcher = driven(folder, {1: [leaves(folder, {3: "failed"})]})
    assert launcher.given == [0, 1, 2]
    assert end.members == {"finished": 5, "failed": 1}
    assert end.exit_code is ExitCode.FAILED
    assert members(folder, 1)[3] == ("failed", "it raised")
    end, launcher = driven(folder)
    assert launcher.given == [1]
    assert end.members == {"finished": 6}


def test_a_member_that_failed_in_a_shard_not_yet_done_is_tried_again_after_it(folder: Path) -> None:
    flag = StopFlag()

    def stopped(number: int) -> Report:
        flag.raised = True
        return leaves(folder, {0: "failed"}, done=False, last_step=10)(number)

    end, _ = driven(folder, {0: [stopped]}, stop=flag)
    assert end.exit_code is ExitCode.INTERRUPTED
    end, launcher = driven(folder, {0: [leaves(folder, {0: "failed"})]})
    assert launcher.given == [0, 1, 2, 0]
    assert end.exit_code is ExitCode.DONE


def test_a_stop_leaves_the_rest_for_later(folder: Path) -> None:
    flag = StopFlag()

    def stopped(number: int) -> Report:
        flag.raised = True
        write(folder, number, done=False, last_step=20)
        return Ended(number, stopped=True)

    end, launcher = driven(folder, {1: [stopped]}, stop=flag)
    assert end.by_signal
    assert end.exit_code is ExitCode.INTERRUPTED
    assert end.members == {"finished": 2, "running": 2, "waiting": 2}
    assert "asked" in (folder / "log.txt").read_text()
    end, launcher = driven(folder)
    assert launcher.given == [1, 2]
    assert end.exit_code is ExitCode.DONE


def test_a_full_disk_stops_the_study(folder: Path) -> None:
    sentence = "cannot write 'shards/0001.h5': the disk is full."
    end, launcher = driven(folder, {1: [lambda n: Raised(n, Trouble.STORAGE, sentence)]})
    assert end.problem == sentence
    assert end.exit_code is ExitCode.FAILED
    assert launcher.given == [0, 1, 2]
    assert end.members == {"finished": 2, "waiting": 4}
    assert driven(folder)[0].exit_code is ExitCode.DONE


def test_what_raises_as_a_whole_fails_with_its_sentence(folder: Path) -> None:
    sentence = "member 2: data.path does not exist."
    end, _ = driven(folder, {1: [lambda n: Raised(n, Trouble.INPUT, sentence)]})
    assert end.members == {"finished": 4, "failed": 2}
    assert members(folder, 1) == {2: ("failed", sentence), 3: ("failed", sentence)}


def test_a_shard_that_somebody_has_is_given_out_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.study.drive.BUSY_AGAIN", 0.05)
    busy = [lambda n: Raised(n, Trouble.BUSY, "shard 1 is being run by another process.")] * 3
    end, launcher = driven(folder, {1: busy})
    assert launcher.given == [0, 1, 2, 1, 1, 1]
    assert end.exit_code is ExitCode.DONE


def test_a_shard_whose_file_cannot_be_read_begins_anew(folder: Path) -> None:
    driven(folder)
    path = shard_path(folder, 1)
    path.write_bytes(path.read_bytes()[:1000])
    told: list[str] = []
    end, launcher = driven(folder, tell=told.append)
    assert launcher.given == [1]
    assert end.exit_code is ExitCode.DONE
    assert len(told) == 1
    assert "shard 1 begins anew" in told[0]


def test_what_the_grid_gained_is_run_in_new_shards(folder: Path) -> None:
    driven(folder)
    toml = folder / "study.toml"
    toml.write_text(toml.read_text().replace("range(0, 6)", "range(0, 9)"))
    end, launcher = driven(folder)
    assert launcher.given == [3, 4]
    assert [shard.members for shard in read_plan(folder).shards[3:]] == [(6, 7), (8,)]
    assert end.members == {"finished": 9}


@pytest.mark.parametrize(
    ("then", "now", "key"),
    [("lr = 0.001", "lr = 0.002", "train.lr"), ('records = "log"', 'records = "all"', "records")],
)
def test_what_the_members_share_stays_as_it_is(folder: Path, then: str, now: str, key: str) -> None:
    toml = folder / "study.toml"
    assert then in toml.read_text()
    toml.write_text(toml.read_text().replace(then, now))
    with pytest.raises(BadInput, match=key):
        driven(folder)
    assert not is_alive(folder, STUDY)


def test_a_second_driver_is_told_who_has_the_study(folder: Path) -> None:
    who = f"study '{folder.name}' is being driven by another process .pid {os.getpid()} on .*, since 20"
    with RunLock(folder, subject=STUDY), pytest.raises(RunBusy, match=who):
        drive(folder, launcher=Scripted(folder))


def test_the_claim_is_given_back_whatever_happens(folder: Path) -> None:
    def breaks(number: int) -> Report:
        raise StorageError("no worker.")

    launcher = Scripted(folder, {1: [breaks]})
    with pytest.raises(StorageError, match="no worker"):
        drive(folder, launcher=launcher)
    assert launcher.closed
    assert not is_alive(folder, STUDY)


def test_progress_counts_what_was_done_before(folder: Path) -> None:
    write(folder, 0)
    write(folder, 1, done=False, last_step=20)
    seen: list[DriveProgress] = []

    def halfway(number: int) -> Report:
        return Progressed(number, 80)

    launcher = Scripted(folder, {1: [halfway]})
    launcher_waits = iter([lambda: launcher.waiting.append(1)])

    def show(found: DriveProgress) -> None:
        seen.append(found)
        next(launcher_waits, lambda: None)()

    drive(folder, launcher=launcher, on_progress=show)
    assert seen[0].member_steps == 2 * STEPS + 80
    assert seen[-1].seconds_left == 0.0
    assert seen[0].members_over == 2
    assert (seen[-1].member_steps, seen[-1].member_steps_total) == (6 * STEPS, 6 * STEPS)
    assert seen[-1].members_over == seen[-1].members == 6
