"""Run by the kill tests in a process of its own: whole headless runs are forked, killed and resumed.

    python kill_runs.py FOLDER KIND KILLS SEED [AIM]

The process imports everything once and forks, so that a kill costs a tenth of a second and not the
two seconds of a cold start; it never runs torch itself. KIND names one of `kill_kinds.KINDS`, or some
with commas between them, then SEED has as many. A run is killed and resumed until it finishes, then the
next one begins, until there were KILLS kills. Every dead run is read, and every finished one compared
with a run that nobody killed.

Kills are aimed in four ways: at a moment (`clock`), at the n-th time that the child opens, renames
or removes a file among its runs (`call`, from within the child), the same but counted from the run's
last checkpoint on (`end`), and shortly after a file with an unfinished name appears (`tmp`). AIM, one of
those names, takes the place of a choice by chance for every kill.

Prints a JSON object a kind: kills by aim and by what they hit, runs, records, and what was wrong.
"""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from kill_kinds import settings

import commands.headless
import commands.main
import workbench.run.session  # noqa: F401  (what every child would import)
from workbench.errors import WorkbenchError
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.record.folder import list_runs
from workbench.record.lock import is_alive
from workbench.record.reader import RunReader
from workbench.record.summary import summarize

# A run that was killed this often is left to finish, to be compared.
MOST_KILLS_A_RUN = 25
LIFE_SECONDS = 120.0
FILE_CALLS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.truncate"})


def command(arguments: list[str], log: Path, prepare: Callable[[], None] | None = None) -> int:
    """Fork a `workbench` command with its output going to `log`; the child's pid."""
    tasks = len(os.listdir("/proc/self/task"))
    if tasks != 1:
        raise SystemExit(f"{tasks} threads: forking would not be safe")
    child = os.fork()
    if child:
        return child
    code = 9
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(out, descriptor)
        if prepare is not None:
            prepare()
        sys.argv = ["workbench", *arguments]
        commands.main.main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, until: float) -> int | None:
    """The child's wait status once it has ended; None at the time `until`."""
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        if time.monotonic() >= until:
            return None
        time.sleep(0.001)


def die_at_call(number: int, place: Path, last: str = "") -> Callable[[], None]:
    """For the child: a hook that kills it at its n-th file operation below `place`.

    Counts only from when a checkpoint of the name `last` exists, if one is given.
    """
    below, left = str(place), [number]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FILE_CALLS and isinstance(arguments[0], str | Path):
            counts = str(arguments[0]).startswith(below)
            if counts and last and left[0] == number:
                counts = any(place.glob(f"*/checkpoints/{last}"))
            left[0] -= counts
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return lambda: sys.addaudithook(hook)


def unfinished_names(place: Path) -> bool:
    """Whether some run has a file under an unfinished name just now."""
    return any(
        name.endswith(".tmp")
        for pattern in ("*", "*/checkpoints")
        for folder in place.glob(pattern)
        if folder.is_dir()
        for name in os.listdir(folder)
    )


class Whole:
    """The run that nobody killed, as it must come out every time."""

    def __init__(self, folder: Path) -> None:
        with h5py.File(folder / "run.h5", "r") as file:
            group = file["series"]
            self.series = {
                name: group[name][()] for name in group if group[name].maxshape[:1] == (None,)
            }
            self.data = {name: file["data"][name][()].tobytes() for name in ("x", "y")}
        step, path = list_checkpoints(folder)[-1]
        self.last = step, load_checkpoint(path).arrays
        self.last_name = path.name

    def differences(self, folder: Path) -> list[str]:
        """Where a finished run differs from this one, to the last bit."""
        other = Whole(folder)
        wrong = [
            f"series {name} differs"
            for name in self.series.keys() | other.series.keys()
            if name not in other.series
            or name not in self.series
            or self.series[name].tobytes() != other.series[name].tobytes()
        ]
        wrong += ["the data differ"] if self.data != other.data else []
        (step, arrays), (found, theirs) = self.last, other.last
        if step != found or arrays.keys() != theirs.keys():
            return [*wrong, f"the last checkpoint is of step {found}, not {step}"]
        return wrong + [
            f"{name} of the last checkpoint differs"
            for name, array in arrays.items()
            if array.tobytes() != theirs[name].tobytes()
        ]

    def dead(self, folder: Path) -> tuple[str, list[str]]:
        """What a kill hit, and what is wrong with what it left."""
        if is_alive(folder):
            return "file", ["a dead run looks alive"]
        if not (folder / "run.h5").exists():
            status = summarize(folder).status
            return "creation", [] if status == "unreadable" else [f"no file, status {status}"]
        checkpoints = list_checkpoints(folder)
        try:
            with RunReader(folder) as reader:
                status, count = reader.status, reader.n_records
                wrong = [
                    f"series {name} is no prefix"
                    for name in reader.series_names()
                    if np.asarray(reader.read(name)).tobytes()
                    != self.series[name][:count].tobytes()
                ]
            for step, path in checkpoints[-1:]:
                known = int(load_checkpoint(path).arrays["recorded_step"])
                if count == 0 or known > self.series["step"][count - 1]:
                    wrong.append(f"checkpoint {step} knows record {known}, the file does not")
        except WorkbenchError as error:
            return "file", [str(error)]
        at_end = bool(checkpoints) and checkpoints[-1][0] == self.last[0]
        if status not in (("lost", "finished") if at_end else ("lost",)):
            wrong.append(f"status {status}")
        if summarize(folder).status != status:
            wrong.append("the summary says another status")
        return ("end" if at_end else "training" if checkpoints else "first records"), wrong


def whole_run(toml: Path, place: Path) -> Whole:
    """Train the run without kills."""
    child = command(
        ["run", str(toml), "--headless", "--runs-dir", str(place)], place.with_suffix(".log")
    )
    status = ended(child, time.monotonic() + LIFE_SECONDS)
    if status != 0:
        raise SystemExit(f"the run without kills ended with {status}")
    return Whole(list_runs(place)[0])


class Torture:
    """One run, killed and resumed until it is finished; what it finds goes to the report."""

    def __init__(
        self, toml: Path, place: Path, whole: Whole, rng: random.Random, report: dict[str, Any]
    ) -> None:
        self.toml, self.place, self.whole, self.rng, self.report = toml, place, whole, rng, report
        self.log = place.with_suffix(".log")
        place.mkdir()

    def begun(self) -> Path | None:
        """The run's folder once its file exists; before that there is nothing to resume."""
        return next((f for f in list_runs(self.place) if (f / "run.h5").exists()), None)

    def start(self, prepare: Callable[[], None] | None = None) -> int:
        """Begin or resume the run in a child; its pid."""
        folder = self.begun()
        first = ["run", str(self.toml)] if folder is None else ["resume", folder.name, "--trust"]
        arguments = [*first, "--headless", "--runs-dir", str(self.place)]
        return command(arguments, self.log, prepare)

    def until_finished(self, most: int) -> None:
        """Kill at most `most` times, then let it end, and compare."""
        for killed in range(MOST_KILLS_A_RUN + 1):
            if killed < most:
                at_end = self.report["kind"] == "short" or killed >= 15
                aim, status = self.live(at_end)
            else:
                aim, status = "none", ended(self.start(), time.monotonic() + LIFE_SECONDS)
            if status is None:
                self.report["wrong"].append("the run did not end by itself")
            elif os.WIFSIGNALED(status):
                self.killed(aim)
            else:
                self.finished(os.WEXITSTATUS(status))
                return
            if self.report["wrong"]:
                return

    def live(self, at_end: bool) -> tuple[str, int]:
        """One life of the run: how its kill was aimed, and the wait status."""
        rng = self.rng
        by_chance = rng.choices(["clock", "call", "tmp", "end"], [5, 3, 2, 2 * at_end])[0]
        aim = self.report["aim"] or by_chance
        status = None
        if aim in ("call", "end"):
            number = rng.randrange(1, 10 if aim == "end" else rng.choice([14, 60]))
            last = self.whole.last_name if aim == "end" else ""
            child = self.start(die_at_call(number, self.place, last))
            status = ended(child, time.monotonic() + LIFE_SECONDS)
        elif aim == "clock":
            child = self.start()
            moment = rng.choice([0.12, 0.4, 1.2]) * rng.random()
            status = ended(child, time.monotonic() + moment)
        else:
            child, skip = self.start(), rng.randrange(4)
            limit = time.monotonic() + LIFE_SECONDS
            while status is None and time.monotonic() < limit:
                if unfinished_names(self.place):
                    if skip == 0:
                        break
                    skip -= 1
                status = ended(child, 0.0)
            time.sleep(0.004 * rng.random())
        if status is None:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        return aim, status

    def killed(self, aim: str) -> None:
        """Count a kill and look at what it left."""
        self.report["kills"] += 1
        self.report["aims"][aim] += 1
        folder = self.begun() or next(iter(list_runs(self.place)), None)
        hit, wrong = ("start-up", []) if folder is None else self.whole.dead(folder)
        self.report["hits"][hit] += 1
        self.report["wrong"] += wrong

    def finished(self, code: int) -> None:
        """Compare a run that has ended by itself."""
        folder, wrong = self.begun(), self.report["wrong"]
        told = self.log.read_text()
        # A kill during the last copy leaves a finished run, which is not resumed.
        if folder is None or (code != 0 and "has finished" not in told):
            wrong.append(f"ended with {code}: {told[-300:]}")
            return
        wrong += self.whole.differences(folder)
        if summarize(folder).status != "finished":
            wrong.append(f"a finished run is {summarize(folder).status}")
        self.report["killed_in_last_copy"] += code != 0
        self.report["runs"] += 1


def torture(folder: Path, kind: str, kills: int, seed: str, aim: str) -> dict[str, Any]:
    """Kill runs of one kind until there were enough kills; the report."""
    rng = random.Random(f"{kind} {seed}")
    folder.mkdir(exist_ok=True)
    toml = folder / f"{kind}.toml"
    toml.write_text(settings(kind))
    began = time.monotonic()
    whole = whole_run(toml, folder / "whole")
    report: dict[str, Any] = {
        "kind": kind,
        "aim": aim,
        "seconds_of_a_run": round(time.monotonic() - began, 2),
        "records": len(whole.series["step"]),
        "kills": 0,
        "runs": 0,
        "killed_in_last_copy": 0,
        "aims": collections.Counter(),
        "hits": collections.Counter(),
        "wrong": [],
    }
    number = 0
    while report["kills"] < kills and not report["wrong"] and number < kills:
        most = min(MOST_KILLS_A_RUN, kills - report["kills"])
        Torture(toml, folder / str(number), whole, rng, report).until_finished(most)
        number += 1
    report["seconds"] = round(time.monotonic() - began, 1)
    return report


def main() -> None:
    folder, kinds, kills = Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3])
    aim = sys.argv[5] if len(sys.argv) > 5 else ""
    for kind, seed in zip(kinds, sys.argv[4].split(","), strict=True):
        sys.stdout.write(json.dumps(torture(folder / kind, kind, kills, seed, aim)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
