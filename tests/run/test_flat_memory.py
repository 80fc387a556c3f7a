"""What a run keeps in memory while it trains for a week: bounded, whatever it tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.protocol.events import (
    MOST_EVENTS,
    Checkpointed,
    RunEvent,
    SaddleFound,
    without_the_oldest,
)
from workbench.record import logfile
from workbench.record.logfile import LogFile

TRAINED = """
import ctypes, resource, sys
from pathlib import Path
from workbench.presets import load_config
from workbench.run.session import Session

config = load_config("first-look", [
    "train.steps=330000", "record.every=1", "record.theta=false",
    "checkpoint.every=1000"])
page = resource.getpagesize()
with Session.create(config, Path(sys.argv[1])) as session:
    session.start()
    ended = False
    while not ended:
        ended = session.wait(0.5)
        # What was given back must not count as kept.
        ctypes.CDLL(None).malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print(session.history.count, pages * page, len(session.events), flush=True)
"""

APPENDED = """
import ctypes, sys
from pathlib import Path
from record import sample_run

class Allocated(ctypes.Structure):
    _fields_ = [(f"field {k}", ctypes.c_size_t) for k in range(10)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Allocated
store = sample_run.create(Path(sys.argv[1]))
for k in range(300):
    store.append(sample_run.rows(2000 * k, 2000))
    store.commit()
    if k in (149, 299):
        told = libc.mallinfo2()
        print(getattr(told, "field 7") + getattr(told, "field 4"))
store.close()
"""


def test_checkpoints_go_first_and_the_newest_stay() -> None:
    told: list[RunEvent] = []
    for step in range(50_000):
        told.append(RunEvent(step, SaddleFound.kind if step % 100 == 0 else Checkpointed.kind))
        if len(told) > MOST_EVENTS:
            told = without_the_oldest(told)
    assert len(told) <= MOST_EVENTS
    assert [event.step for event in told[-1000:]] == list(range(49_000, 50_000))
    assert [event.step for event in told] == sorted(event.step for event in told)
    assert {event.step for event in told} >= set(range(0, 50_000, 100))


def test_a_log_is_put_aside_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "LARGEST", 2_000)
    log = LogFile(tmp_path)
    for step in range(500):
        log.line(step, "checkpoint", "")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"log.txt", "log.1.txt"}
    assert max(sizes.values()) < 2_100
    kept = (tmp_path / "log.1.txt").read_text() + (tmp_path / "log.txt").read_text()
    assert kept.endswith("step 499  checkpoint\n")
    steps = [int(line.split("step ")[1].split()[0]) for line in kept.splitlines()]
    assert steps == list(range(steps[0], 500))


@pytest.mark.full
def test_the_memory_of_a_run_of_many_records_is_flat(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAINED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert told[-1][0] > 300_000
    warm = [size for count, size, _ in told if 140_000 < count < 200_000]
    # The last records come with the compaction, which holds blocks of the file for a moment.
    late = [size for count, size, _ in told if 270_000 < count < 330_000]
    assert max(late) < max(warm) + 20 * 2**20


def test_a_series_keeps_no_more_of_itself_in_memory_than_is_written_into(tmp_path: Path) -> None:
    """What is allocated outside Python, while rows 300,000 to 600,000 are written."""
    done = subprocess.run(
        [sys.executable, "-c", APPENDED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    early, late = map(int, done.stdout.split())
    assert late < early + 4 * 2**20
