"""A process that runs one shard after the other, for the local launcher.

python -m workbench.study.launchers.local_worker STUDY-FOLDER DESCRIPTOR

The descriptor is its end of a pipe of JSON messages:

in   {"shard": 3}   {"stop": true}
out  {"ready": true}   {"shard": 3, "member_steps": 1200}
     {"shard": 3, "ended": stopped}   {"shard": 3, "trouble": "busy", "sentence": "…"}

A pipe that closes stops it as a message does: a driver that was killed leaves no process behind that goes on
for hours. The driver hears the terminal's signals, and says what is to be done.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

EVERY = 0.5
"""Seconds between messages on how far a shard has come."""
DRIVERS = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that reach a whole process group, or a whole job: the driver stops its workers itself."""


def main() -> None:
    """Run what the driver sends until it says stop."""
    for number in DRIVERS:
        signal.signal(number, signal.SIG_IGN)
    folder, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    _Worker(folder, Connection(descriptor)).run()
    # Nobody waits for what a look may still be doing.
    os._exit(0)


class _Worker:
    def __init__(self, folder: Path, pipe: Connection) -> None:
        from workbench.engine.program import StopFlag

        self.folder, self.pipe = folder, pipe
        self.stop_flag = StopFlag()
        self.shards: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.told = 0.0
        for number in (signal.SIGTERM, signal.SIGXCPU):
            signal.signal(number, self._asked)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.stop_flag.raised = True
        self.shards.put(None)

    def run(self) -> None:
        """Until a stop, or the end of the pipe."""
        from workbench.study import shard as imported_once  # noqa: F401

        threading.Thread(target=self._listen, name="pipe", daemon=True).start()
        self._say(ready=True)
        while not self.stop_flag.raised and (number := self.shards.get()) is not None:
            self._run(number)

    def _listen(self) -> None:
        try:
            while "shard" in (message := json.loads(self.pipe.recv_bytes())):
                self.shards.put(int(message["shard"]))
        except (EOFError, OSError):
            pass
        self.stop_flag.raised = True
        self.shards.put(None)

    def _run(self, number: int) -> None:
        from workbench.study.launchers.launcher import raised
        from workbench.study.shard import ShardProgress, run_shard

        def progress(found: ShardProgress) -> None:
            if time.monotonic() - self.told > EVERY:
                self.told = time.monotonic()
                self._say(shard=number, member_steps=found.member_steps)

        try:
            run_shard(self.folder, number, stop_flag=self.stop_flag, progress=progress)
        except Exception as error:  # noqa: BLE001  (a process's top frame: the driver is told)
            traceback.print_exc()
            report = raised(number, error)
            self._say(shard=number, trouble=report.trouble, sentence=report.sentence)
        else:
            self._say(shard=number, ended=self.stop_flag.raised)

    def _say(self, **message: Any) -> None:
        try:
            self.pipe.send_bytes(json.dumps(message).encode())
        except OSError:
            self.stop_flag.raised = True


if __name__ == "__main__":
    main()
