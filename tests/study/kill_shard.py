"""Run a shard in child after child, each killed some time after its first chunk: FOLDER NUMBER SECONDS…

Steps are so slow, and it is written so often, that a kill falls anywhere. Says how many were killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from workbench.engine.pace import Pace
from workbench.study import shard

shard.WRITE_SECONDS, shard.WRITE_SHARE = 0.0, 1.0
Pace.chunk_steps = lambda self, most: min(6, most)  # type: ignore[method-assign]


def child(pipe: int) -> None:
    """Run the shard, and say when it has begun."""

    def told(_: shard.ShardProgress) -> None:
        os.write(pipe, b".")
        time.sleep(0.01)

    shard.run_shard(Path(sys.argv[1]), int(sys.argv[2]), progress=told)


killed = 0
for seconds in map(float, sys.argv[3:]):
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        child(writes)
        os._exit(0)
    os.close(writes)
    os.read(reads, 1)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(reads)
    killed += os.WIFSIGNALED(status)
print(killed)  # noqa: T201
