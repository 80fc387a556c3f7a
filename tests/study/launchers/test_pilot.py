"""A pilot on its node: shards are left in good time, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from e2e.terminal import ROOT, wait_until

from workbench.study.launchers.pilot import ENDING, PLACE, SINCE, shard_in_hand

POOL = """
import os, subprocess, sys, time
place, count = sys.argv[1], int(sys.argv[2])  # and when it is to take no more
for k in range(count):
    subprocess.Popen([sys.executable, "-c", WORKER, place, str(k)])
time.sleep(60)
"""
WORKER = """
import sys, time
from pathlib import Path
from workbench.study.launchers.pilot import shard_in_hand
place, name = Path(sys.argv[1]), sys.argv[2]
told = []
with shard_in_hand(lambda: told.append(1)):
    (place / f"{name}.begun").touch()
    while not told:
        time.sleep(0.02)
    time.sleep(0.3)
    (place / f"{name}.left").touch()
time.sleep(60)
"""


def pilot(place: Path, life: float, count: int = 2, **environment: str) -> subprocess.Popen[bytes]:
    script = place / "pool.py"
    script.write_text(f"WORKER = {WORKER!r}\n{POOL}")
    module = (sys.executable, "-m", "workbench.study.launchers.pilot")
    return subprocess.Popen(
        [*module, "--life", str(life), "--", sys.executable, str(script), str(place), str(count)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        start_new_session=True,
    )


def of_session(leader: int) -> list[int]:
    """The processes of a session that are left."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def begun(place: Path) -> bool:
    return len(list(place.glob("*.begun"))) == 2


@pytest.mark.parametrize("ended", ["its time", "TERM", "USR1"])
def test_shards_are_left_and_everything_ends(tmp_path: Path, ended: str) -> None:
    # The job began long ago: of its life a few seconds are left.
    early = {SINCE: str(time.time() - 1000.0)} if ended == "its time" else {}
    process = pilot(tmp_path, 1005.0 if early else 0.0, **early)
    wait_until(lambda: begun(tmp_path), 30.0, "for the workers")
    if not early:
        # As a scheduler does: to every process of the job.
        for pid in of_session(process.pid):
            os.kill(pid, getattr(signal, f"SIG{ended}"))
    assert process.wait(30) == 0
    assert sorted(path.name for path in tmp_path.glob("*.left")) == ["0.left", "1.left"]
    assert of_session(process.pid) == []


def test_a_pool_that_ends_by_itself_ends_the_pilot(tmp_path: Path) -> None:
    module = (sys.executable, "-m", "workbench.study.launchers.pilot")
    done = subprocess.run([*module, "--life", "0", "--", "/bin/sh", "-c", "exit 7"], cwd=ROOT)
    assert done.returncode == 7


def test_an_ending_pilot_wants_no_more_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PLACE, str(tmp_path))
    before = signal.getsignal(signal.SIGUSR1)
    told: list[bool] = []
    with shard_in_hand(lambda: told.append(True)) as welcome:
        assert welcome
        assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]
        os.kill(os.getpid(), signal.SIGUSR1)
    assert told == [True]
    assert signal.getsignal(signal.SIGUSR1) is before
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ENDING).touch()
    with shard_in_hand(lambda: None) as welcome:
        assert not welcome
