"""What a folder of 10,000 runs costs: `python benchmarks/many_runs.py [--runs N] [--folder DIR]`.

One small run is trained and copied; the copies have names, ids and times of their own. Of a hundred, one is
lost (it says it is running and nobody writes it), one is damaged (a block of zeros in its file), one has
no file at all; three of all are live. The commands are timed as a person runs them, in a process of their
own: with the index, with an index that is not there yet, and with a folder lying where the index would be:
the rival, the same commands that open every run.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py

from workbench.presets import load_config
from workbench.record.index import INDEX_FILE
from workbench.record.seal import seal_attributes
from workbench.run.session import Session

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = 3
SETTINGS = ["train.steps=300", "record.every=10"]


def build(runs: Path, count: int) -> None:
    """Fill a folder with `count` runs."""
    with tempfile.TemporaryDirectory() as place:
        with Session.create(load_config("first-look", SETTINGS), Path(place)) as session:
            session.start()
            session.wait()
        for number in range(count):
            copy(session.folder, runs, number)


def copy(original: Path, runs: Path, number: int) -> None:
    """One copy with a name, an id and a time of its own, damaged where its number says so."""
    moment = FIRST + timedelta(minutes=number)
    folder = runs / f"{moment:%Y%m%d-%H%M%S}-many-{number:04x}"
    shutil.copytree(original, folder)
    file = folder / "run.h5"
    if number % 100 == 13:
        file.unlink()
        os.utime(folder / "config.toml", (moment.timestamp(), moment.timestamp()))
        return
    with h5py.File(file, "r+", locking=False) as opened:
        opened.attrs["run_id"] = folder.name
        opened.attrs["name"] = f"many {number}"
        opened.attrs["created"] = moment.isoformat(timespec="milliseconds")
        if number % 100 == 11 or number < LIVE:
            opened.attrs["status"] = "running"
        seal_attributes(opened)
    if number % 100 == 12:
        with open(file, "r+b") as stream:
            stream.seek(64)
            stream.write(bytes(4096))


def timed(command: list[str], runs: Path) -> float:
    """Seconds of a command in a process of its own, what it prints thrown away."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "commands.main", *command, "--runs-dir", str(runs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - began


def commands(runs: Path) -> dict[str, list[str]]:
    """The commands that are timed, by what they are called in the table."""
    one = sorted(entry.name for entry in runs.iterdir() if entry.name[0] != ".")[-60]
    return {
        "list": ["list", "--all"],
        "list --json": ["list", "--json"],
        "show PREFIX": ["show", one[:-1]],
        "show NAME": ["show", f"many {int(one[-4:], 16)}"],
        "show last": ["show", "last"],
    }


def measure(runs: Path, rounds: int) -> None:
    """Print the table."""
    index = runs / INDEX_FILE
    columns = ("without", "no index yet", "warm")
    times: dict[tuple[str, str], list[float]] = {}

    def take(column: str, name: str, command: list[str]) -> None:
        times.setdefault((name, column), []).append(timed(command, runs))

    for _ in range(rounds):
        index.unlink(missing_ok=True)
        index.mkdir()
        for name, command in commands(runs).items():
            take("without", name, command)
        index.rmdir()
        for name, command in commands(runs).items():
            take("no index yet", name, command)
            index.unlink(missing_ok=True)
        timed(["list", "--json"], runs)
        for name, command in commands(runs).items():
            take("warm", name, command)
    print(f"{'seconds':<14}" + "".join(f"{column:>14}" for column in columns))
    for name in commands(runs):
        found = (statistics.median(times[name, column]) for column in columns)
        print(f"{name:<14}" + "".join(f"{seconds:>14.2f}" for seconds in found), flush=True)


def main() -> None:
    """Build where there is nothing, measure, and leave a folder that was given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept, and used again if it is there")
    parser.add_argument("--build-only", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        runs = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not runs.is_dir() or not any(runs.iterdir()):
            runs.mkdir(parents=True, exist_ok=True)
            build(runs, given.runs)
        if given.build_only:
            return
        for folder in sorted(entry for entry in runs.iterdir() if entry.is_dir())[:LIVE]:
            lock = stack.enter_context(open(folder / "run.lock", "a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.environ["OMP_NUM_THREADS"] = "1"
        measure(runs, given.rounds)


if __name__ == "__main__":
    main()
