"""Shards in processes of this machine: no port, no dependency, and a death is seen at once.

Each worker imports once, runs many shards, and has one thread for arithmetic; a pipe to each says what to do
and what came of it, and its end is the worker's.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.record.logfile import LOG_FILE
from workbench.study.launchers.launcher import (
    Died,
    Ended,
    Progressed,
    Raised,
    Report,
    Trouble,
    killed_by,
)

GRACE = 60.0
"""Seconds for which `close` waits for a worker to write its shard."""
LAST = 5.0
"""Seconds in which a worker ends once it has closed its pipe."""
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
WORKER = (sys.executable, "-m", "workbench.study.launchers.local_worker")
"""What is started, with the study's folder and the pipe's descriptor."""
STILLBORN = 2
"""Workers that end before they are ready, none having been so, after which no more are started."""


class WorkersFailed(WorkbenchError):
    """No worker process can be started."""


class _Worker:
    """A process, this end of its pipe, and the shard that it has."""

    def __init__(self, folder: Path) -> None:
        self.pipe, theirs = Pipe()
        self.shard: int | None = None
        self.ready = False
        try:
            with theirs, _log(folder) as log:
                self.process = subprocess.Popen(
                    [*WORKER, str(folder), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    env=os.environ | ONE_THREAD,
                )
        except OSError as error:
            self.pipe.close()
            raise WorkersFailed(f"no worker process can be started: {error.strerror}.") from error

    def send(self, **message: Any) -> None:
        """Tell it; one that is gone is seen by the end of its pipe."""
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(json.dumps(message).encode())


def _log(folder: Path) -> Any:
    """Where workers' own words go: the study's log, or nowhere."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return open(os.open(folder / LOG_FILE, flags, 0o644), "ab")
    except OSError:
        return open(os.devnull, "ab")


class LocalLauncher:
    """A `launcher.Launcher` of up to `jobs` worker processes, started as shards ask for them."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.folder, self.jobs = Path(folder).resolve(), jobs
        self._waiting: deque[int] = deque()
        self._workers: list[_Worker] = []
        self._stillborn = 0
        self._cancelled = False

    @property
    def open(self) -> int:
        """How many shards were submitted and have not come back."""
        return len(self._waiting) + sum(worker.shard is not None for worker in self._workers)

    def start(self) -> None:
        """Nothing to make ready."""

    def submit(self, number: int) -> None:
        """Give out a shard; raises WorkersFailed where no process can be started."""
        self._waiting.append(number)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give waiting shards to idle workers, and to new ones up to `jobs`."""
        idle = [worker for worker in self._workers if worker.shard is None]
        while self._waiting and not self._cancelled:
            if not idle:
                if len(self._workers) >= self.jobs:
                    return
                self._workers.append(_Worker(self.folder))
                idle.append(self._workers[-1])
            worker = idle.pop()
            worker.shard = self._waiting.popleft()
            worker.send(shard=worker.shard)

    def poll(self, seconds: float) -> Sequence[Report]:
        """What has happened since, after waiting for at most so long; raises WorkersFailed."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        reports: list[Report] = []
        if not by_pipe:
            time.sleep(seconds)
        for pipe in wait(list(by_pipe), seconds) if by_pipe else []:
            assert isinstance(pipe, Connection)
            reports += self._heard(by_pipe[pipe])
        for worker in [w for w in self._workers if w.process.poll() is not None]:
            # A child of its own may hold the pipe open.
            reports += self._heard(worker)
            if worker in self._workers:
                reports += self._ended(worker)
        self._hand_out()
        return reports

    def _heard(self, worker: _Worker) -> list[Report]:
        """Everything that a worker has said, and its end."""
        reports: list[Report] = []
        try:
            while worker.pipe.poll():
                report = self._report(worker, json.loads(worker.pipe.recv_bytes()))
                reports += [] if report is None else [report]
        except (EOFError, OSError):
            reports += self._ended(worker)
        return reports

    def _report(self, worker: _Worker, message: dict[str, Any]) -> Report | None:
        if "ready" in message:
            worker.ready, self._stillborn = True, -1
            return None
        number = int(message["shard"])
        if "member_steps" in message:
            return Progressed(number, int(message["member_steps"]))
        worker.shard = None
        if "trouble" in message:
            return Raised(number, Trouble(message["trouble"]), str(message["sentence"]))
        if message["ended"] and not self._cancelled:
            # It was told to end by somebody else, and will.
            worker.shard = number
            return None
        return Ended(number, stopped=bool(message["ended"]))

    def _ended(self, worker: _Worker) -> list[Report]:
        """A worker's pipe has closed: it is gone, or about to be."""
        self._workers.remove(worker)
        worker.pipe.close()
        code = _code_of(worker.process, LAST)
        if worker.shard is None:
            return []
        if not worker.ready and self._stillborn >= 0 and not self._cancelled:
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise WorkersFailed(
                    f"worker processes do not come up ({killed_by(code)}); see {self.folder / LOG_FILE}."
                )
        return [Died(worker.shard, killed_by(code) if code else "its process was asked to end")]

    def cancel(self) -> None:
        """Ask the running shards to be written as they are; those that wait are dropped."""
        self._cancelled = True
        self._waiting.clear()
        for worker in self._workers:
            worker.send(stop=True)

    def close(self) -> None:
        """End every process; what runs still is written as it has come. Twice is once."""
        self.cancel()
        until = time.monotonic() + GRACE
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            _code_of(worker.process, until - time.monotonic())
        self._workers.clear()


def _code_of(process: subprocess.Popen[bytes], seconds: float) -> int:
    """A process's exit code once it has ended, which it is made to after so long."""
    try:
        return process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
