"""Faults at single system calls: a run goes on, or refuses with a sentence, and ends with the same bits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DISK = "EIO once,EIO from then on,ENOSPC once,ENOSPC from then on,EDQUOT once,EDQUOT from then on"
KILLS = "killed before a call,killed after a call,killed inside a write"
CLOCKS = "clock 3 days ahead,clock 3 days behind"

DAMAGES = "newest checkpoint torn,all checkpoints torn,no checkpoint left"

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("gcc") is None,
    reason="the faults are made by a shim in C, and there is no compiler",
)


def reports(place: Path, kinds: str, stages: str, faults: str, most: int, *more: str) -> list[dict]:
    """What `fault_runs.py` says of every kind (all that there are, unless named), stage and fault."""
    command = [sys.executable, str(HERE / "fault_runs.py"), str(place), "--kinds", kinds]
    command += ["--stages", stages, "--faults", faults, "--most", str(most), *more]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sys.stdout.write(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(found: list[dict], tried: int) -> None:
    """Nothing is wrong and nothing hung, in so many runs."""
    assert [report["what"] for report in found if report["what"]] == []
    assert sum(report["wrong"] + report["hung"] for report in found) == 0
    assert sum(report["tried"] for report in found) >= tried


def test_kills_at_single_calls_change_no_bit(tmp_path: Path) -> None:
    check(reports(tmp_path, "minibatch", "resume", KILLS, 2), 6)


@pytest.mark.full
def test_damaged_checkpoints_are_gone_back_from_or_named(tmp_path: Path) -> None:
    found = reports(tmp_path, "minibatch", "resume", DAMAGES, 1)
    check(found, 3)
    assert [report["refused"] for report in found[1:]] == [1, 1]


def test_failing_calls_are_survived_or_named(tmp_path: Path) -> None:
    faults = "EIO once,ENOSPC from then on,half of a write,fsync fails once"
    found = reports(tmp_path, "records", "run", faults, 2)
    check(found, 8)
    assert sum(report["refused"] for report in found) >= 1


def test_records_acknowledged_before_they_are_written_are_noticed(tmp_path: Path) -> None:
    """The checks can fail: a writer that is wrong on purpose is caught."""
    found = reports(tmp_path, "records", "run", "killed before a call", 16, "--too-soon")
    said = [line for report in found for *_, lines in report["what"] for line in lines]
    assert any("was acknowledged" in line for line in said)


@pytest.mark.full
@pytest.mark.parametrize("stage", ["run", "resume"])
def test_a_thousand_kills_at_single_calls_change_no_bit(tmp_path: Path, stage: str) -> None:
    check(reports(tmp_path, "", stage, KILLS, 20), 520)


@pytest.mark.full
@pytest.mark.parametrize("stage", ["run", "resume"])
@pytest.mark.parametrize("fault", [*DISK.split(","), "half of a write", "fsync fails once"])
def test_every_call_of_a_run_may_fail(tmp_path: Path, fault: str, stage: str) -> None:
    check(reports(tmp_path, "records", stage, fault, 2_000), 10)


@pytest.mark.full
def test_a_call_may_fail_in_every_kind_of_run(tmp_path: Path) -> None:
    faults = f"{DISK},half of a write,fsync fails once"
    check(reports(tmp_path, "", "run,resume", faults, 4), 500)


@pytest.mark.full
def test_a_stopped_run_goes_on_and_nobody_else_writes_it(tmp_path: Path) -> None:
    more = ("--seconds", "60")
    check(reports(tmp_path, "records", "run,resume", "stopped for a while", 3, *more), 6)


@pytest.mark.full
def test_records_never_depend_on_the_calendar(tmp_path: Path) -> None:
    check(reports(tmp_path, "records,flow,saddles", "run,resume", CLOCKS, 6), 60)
