"""The pool of worker processes: what is handed out, what comes back, and how processes end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from study.launchers import small_worker
from study.launchers.small_worker import EXITS, KILLED, LEFT, RAISES, STILLBORN, WAITS

from workbench.study.launchers import local
from workbench.study.launchers.launcher import (
    Died,
    Ended,
    Progressed,
    Raised,
    Report,
    Trouble,
)
from workbench.study.launchers.local import LocalLauncher, WorkersFailed


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalLauncher]:
    """Two workers that start at once and do what their shard's number says."""
    monkeypatch.setattr(local, "WORKER", (sys.executable, small_worker.__file__))
    launcher = LocalLauncher(tmp_path, jobs=2)
    launcher.start()
    yield launcher
    launcher.close()


def reports(launcher: LocalLauncher, until: int = 0) -> list[Report]:
    """What is reported until so few are open."""
    found: list[Report] = []
    deadline = time.monotonic() + 60.0
    while launcher.open > until:
        assert time.monotonic() < deadline
        found += launcher.poll(0.2)
    return found


def pids(launcher: LocalLauncher) -> set[int]:
    return {worker.process.pid for worker in launcher._workers}


def test_every_shard_comes_back_once_and_workers_are_used_again(pool: LocalLauncher) -> None:
    for number in range(6):
        pool.submit(number)
    assert pool.open == 6
    assert len(pids(pool)) == 2
    found = reports(pool)
    assert sorted(r.number for r in found if isinstance(r, Ended)) == list(range(6))
    assert {r for r in found if isinstance(r, Progressed)} == {Progressed(k, 7) for k in range(6)}
    before = pids(pool)
    pool.submit(6)
    assert reports(pool)[-1] == Ended(6)
    assert pids(pool) == before


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (KILLED, "its process was killed by signal 9"),
        (EXITS, "its process ended with exit code 5"),
        (LEFT, "its process was killed by signal 9"),
    ],
)
def test_a_death_is_told_and_the_others_go_on(
    pool: LocalLauncher, number: int, reason: str
) -> None:
    began = time.monotonic()
    for each in (number, 0, 1):
        pool.submit(each)
    found = reports(pool)
    assert Died(number, reason) in found
    assert sum(isinstance(report, Ended) for report in found) == 2
    assert time.monotonic() - began < 30.0  # the child that was left behind lives for longer
    pool.submit(2)
    assert reports(pool)[-1] == Ended(2)


def test_what_raised_is_told_in_its_own_words(pool: LocalLauncher) -> None:
    pool.submit(RAISES)
    assert reports(pool)[-1] == Raised(RAISES, Trouble.STORAGE, "the disk is full.")


def test_cancel_drops_what_waits_and_stops_what_runs(pool: LocalLauncher) -> None:
    pool.submit(WAITS)
    reports_of_start = pool.poll(20.0)
    pool.submit(0)
    for number in range(1, 4):
        pool.submit(number)
    pool.cancel()
    found = [*reports_of_start, *reports(pool)]
    assert Ended(WAITS, stopped=True) in found
    assert not {2, 3} & {report.number for report in found}


def test_processes_that_never_come_up_end_it_with_a_sentence(pool: LocalLauncher) -> None:
    pool.submit(STILLBORN)
    found = reports(pool)
    assert found == [Died(STILLBORN, "its process ended with exit code 3")]
    pool.submit(STILLBORN)
    with pytest.raises(WorkersFailed, match=r"do not come up .*exit code 3.*log\.txt"):
        reports(pool)


def test_closing_leaves_no_process(pool: LocalLauncher) -> None:
    for number in range(3):
        pool.submit(number)
    pool.poll(20.0)
    before = pids(pool)
    pool.close()
    pool.close()
    assert before
    for pid in before:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
