"""A pilot on its node: the pool of workers, and an end in good time.

`python -m workbench.study.launchers.pilot --life SECONDS -- COMMAND…` runs the command, Parsl's pool of
workers. When the pilot's time is nearly over (by its own clock, as a scheduler's warning may be a minute
early), or when the scheduler says so (signals USR1 and TERM), every worker that has a shard is told to write
it and to leave it; then the pool is ended, and with it the job.
The pool itself does not hear those signals, which schedulers send to all processes of a job: it has
still to say what came of the shards.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

PLACE = "WORKBENCH_PILOT"
"""The environment's name for the folder, on the node, in which the workers of a pilot say what they do."""
SINCE = "WORKBENCH_PILOT_SINCE"
"""The environment's name for when the pilot's job began, in seconds since 1970."""
ENDING = "ending"
DRAIN = 2.0
"""Seconds for the driver to notice that the pool takes no more, before its shards are left."""
ENOUGH = 60.0
"""Seconds for the shards to be written; the scheduler may give fewer."""
TELL = 1.0
"""Seconds for the pool to tell the driver what came of the last shards."""
LOOK = 0.2
_PR_SET_CHILD_SUBREAPER = 36
ENDS = (signal.SIGTERM, signal.SIGUSR1)


@contextlib.contextmanager
def shard_in_hand(leave: Callable[[], object]) -> Iterator[bool]:
    """In a worker: a shard is being run; `leave` is called, in a signal's handler, when the pilot ends.

    Gives False where the pilot is ending already. Outside a pilot only the signals count.
    """

    def told(number: int, frame: FrameType | None) -> None:
        leave()

    place = os.environ.get(PLACE)
    mark = Path(place) / str(os.getpid()) if place else None
    before = {number: signal.signal(number, told) for number in ENDS}
    try:
        if mark is not None:
            mark.touch()
        yield mark is None or not (mark.parent / ENDING).exists()
    finally:
        if mark is not None:
            mark.unlink(missing_ok=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str]) -> int:
    """Run the pool until it ends or its time is over; returns its exit status, 0 where its time was over."""
    split = arguments.index("--")
    life = float(arguments[arguments.index("--life") + 1])
    since = float(os.environ.get(SINCE, time.time()))
    told: list[int] = []
    for number in ENDS:
        signal.signal(number, lambda number, frame: told.append(number))
    command, left = list(arguments[split + 1 :]), life + since - time.time()
    if life:
        # From then on the pool is given no more.
        command.append(f"--drain_period={max(1, int(left - DRAIN))}")
    place = Path(tempfile.mkdtemp(prefix="workbench-pilot-"))
    _adopt()
    # The shell leaves the signals ignored to what it becomes.
    pool = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" TERM USR1; exec "$@"', "sh", *command],
        env={**os.environ, PLACE: str(place)},
        process_group=0,
    )
    try:
        until = time.monotonic() + (left if life else float("inf"))
        while pool.poll() is None and time.monotonic() < until and not told:
            time.sleep(LOOK)
        if pool.poll() is not None:
            return pool.returncode if pool.returncode >= 0 else 128 - pool.returncode
        _end(pool, place)
        return 0
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _end(pool: subprocess.Popen[bytes], place: Path) -> None:
    """Tell the workers, wait for them, then end the pool."""
    (place / ENDING).touch()
    until = time.monotonic() + ENOUGH
    told: set[int] = set()
    while (busy := _busy(place)) and time.monotonic() < until:
        for pid in busy - told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
        told |= busy
        time.sleep(LOOK)
    with contextlib.suppress(subprocess.TimeoutExpired):
        pool.wait(TELL)  # the driver ends a pool that has nothing more to do
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pool.pid, signal.SIGKILL)
    pool.wait()
    # A job is over when nothing of it is left, and what a node's first process does not bury stays.
    until = time.monotonic() + ENOUGH
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.05)


def _adopt() -> None:
    """Orphans of this process's descendants become its own children, where the system has that."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _busy(place: Path) -> set[int]:
    """The processes that have a shard in hand; one that is gone has none."""
    marked = {int(path.name) for path in place.iterdir() if path.name.isdigit()}
    return {pid for pid in marked if os.path.exists(f"/proc/{pid}")}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
