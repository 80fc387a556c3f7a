"""Looking for the members whose own code ends the process: each is stepped alone, in a process of its own.

A step rule, a network or a measure of the user's can end the process it runs in, as by a crash of what it
calls. Nothing raises then, and all of its shard would be lost with it. So where a process died at a shard
with such code, another one takes its members to their ends one by one, and says where it is before each
record. Where it dies, that member is to fail at that record, and the next ones are tried by a new one.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from workbench.engine.program import StopFlag
from workbench.errors import StorageError
from workbench.record.shard_file import read_shard
from workbench.run.member_series import Fault
from workbench.study.folder import shard_path
from workbench.study.shard_run import shard_run, threads
from workbench.study.stored import StoredStudy

RAISED = 1
"""Exit code of a process that ends by an exception: what members raise is theirs, and no end of it."""


def killers(study_folder: Path, number: int, stop_flag: StopFlag) -> dict[int, Fault]:
    """The members of a shard, by place among those that are left, that end the process they are stepped in.

    Whoever calls has the claim, and has written nothing since. Ends early once the flag is raised.
    """
    found: dict[int, Fault] = {}
    first = 0
    while not stop_flag.raised:
        command = [sys.executable, "-m", __name__, str(study_folder), str(number), str(first)]
        place, step, ended = -1, -1, False
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if stop_flag.raised:
                        break
                    place, step = map(int, line.split())
                    ended = place < 0
            finally:
                if not ended and stop_flag.raised:
                    process.kill()
        if ended or place < 0 or stop_flag.raised or process.returncode == RAISED:
            return found
        found[place] = Fault(step, _words(process.returncode))
        first = place + 1
    return found


def _words(code: int) -> str:
    """How a process ended that was to step one member."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"its own code ended the process it ran in, by signal {name}."
    return f"its own code ended the process it ran in, with exit code {code}."


def main(study_folder: str, number: str, first: str) -> None:
    """Step the members from place `first` on; a line a record, its place and step, and −1 −1 at the end."""
    said = sys.stdout
    sys.stdout = sys.stderr  # what the user's code prints is no answer
    study = StoredStudy(Path(study_folder))
    plan = next(plan for plan in study.plan.shards if plan.number == int(number))
    try:
        kept = read_shard(shard_path(study.folder, plan.number))
    except StorageError:
        kept = None
    run = shard_run(study, plan, kept)

    def reached(step: int) -> None:
        said.write(f"{place} {step}\n")
        said.flush()

    with threads(run.members[0].config.device.threads):
        for place in range(int(first), len(run.members)):
            run.try_alone(place, reached)
    said.write("-1 -1\n")
    said.flush()


if __name__ == "__main__":
    main(*sys.argv[1:4])
