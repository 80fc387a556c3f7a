"""Run by the tests in a process of its own: who writes, finds or deletes shared samples dies at a call.

    python kill_sharing.py FOLDER STRIDE OFFSET [--too-early]

In every case a forked child does one thing to a runs folder and is struck at its n-th system call: killed
before it, after it or inside a write, or the call fails. Then the next run of the same data is begun, what is
there is read, and all runs are deleted. Prints one JSON object: how often each case was `struck`, what became
of the call that failed, and what was `wrong`. With `--too-early` others find the file before it is whole and
nobody looks at what he found, which the checks must notice.

    python kill_sharing.py FOLDER --starters N

N children begin a run each, all at once, while another removes again and again what nobody has.
"""

from __future__ import annotations

import collections
import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import StorageError
from workbench.record import data_files, delete
from workbench.record.data_file import read_data_file
from workbench.record.delete import delete_run
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.reference import DATA_FOLDER, Reference, is_data_file
from workbench.record.schema import RUN_FILE
from workbench.record.store import RunStore

X = np.random.default_rng(0).integers(0, 256, (900, 40)) / 255.0
CALLS = ("mkdir", "open", "pwrite", "ftruncate", "fsync", "chmod", "link", "replace", "rename")
CALLS += ("unlink", "rmdir")
HOW = ("before", "after", "torn", errno.EIO, errno.ENOSPC)
DIED = 77
TOO_EARLY = "--too-early" in sys.argv
data_files.SHARED_FROM = 4096
delete.LEFT_BEHIND = -1.0


def run_folder(runs: Path, number: int) -> Path:
    """A new run's folder."""
    folder = runs / f"20260101-00000{number}-shared-000{number}"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("")
    return folder


def begin(folder: Path) -> None:
    """The file of a new run of the data."""
    store = RunStore.create(
        folder, attributes={"config": ""}, x=X, y=X[:, 0], series=[SeriesLayout("log_risk")]
    )
    store.close()


def struck_at(number: int, how: Any) -> Callable[[], int]:
    """From now on the n-th of the calls is struck; what is returned tells how many there were."""
    seen = 0

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def replaced(*given: Any, **more: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen != number:
                return call(*given, **more)
            if isinstance(how, int):
                raise OSError(how, os.strerror(how))
            if how == "torn" and name == "pwrite":
                call(given[0], given[1][: len(given[1]) // 2], given[2])
            try:
                if how == "after":
                    call(*given, **more)
            finally:
                os._exit(DIED)

        return replaced

    for name in CALLS:
        setattr(os, name, wrapped(name, getattr(os, name)))
    return lambda: seen


def child(act: Callable[[], None], number: int, how: Any) -> tuple[int, str, int]:
    """One life: its exit status, what it said, and its calls."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        count = struck_at(number, how)
        said = "done"
        try:
            act()
        except StorageError:
            said = "refused"
        except Exception as error:  # noqa: BLE001  (it is reported)
            said = f"raised {error!r}"
        os.write(send, f"{count()} {said}".encode())
        os._exit(0)
    os.close(send)
    with open(receive, "rb") as stream:
        told = stream.read().decode()
    status = os.waitpid(pid, 0)[1]
    calls, _, said = told.partition(" ")
    return os.waitstatus_to_exitcode(status), said, int(calls or 0)


def damage(runs: Path) -> None:
    """A flipped bit in the pool's file, whose run is gone."""
    for path in (runs / data_files.POOL).iterdir():
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.unlink()
        path.write_bytes(raw)
        os.link(path, runs / "kept")


def prepare(case: str, runs: Path) -> Callable[[], None]:
    """A runs folder as the case has it, and what is done to it."""
    shutil.rmtree(runs, ignore_errors=True)
    if case != "first":
        begin(run_folder(runs, 1))
    if case == "damaged":
        damage(runs)
    if case in ("last deleted", "one of two deleted"):
        if case == "one of two deleted":
            begin(run_folder(runs, 2))
        return lambda: delete_run(runs / "20260101-000001-shared-0001", runs)
    folder = run_folder(runs, 2)
    return lambda: begin(folder)


CASES = ("first", "second", "damaged", "last deleted", "one of two deleted")


def wrong_with(case: str, runs: Path) -> list[str]:
    """What is not as it must be, once the next run was begun and all were deleted."""
    wrong = []
    for folder in runs.glob("20*"):
        if (folder / RUN_FILE).exists() and not reads(folder) and folder.name[-1] != "1":
            wrong.append(f"{folder.name} lost its data")
        if (folder / RUN_FILE).exists() and case != "damaged" and not reads(folder):
            wrong.append(f"{folder.name} lost its data")
    after = run_folder(runs, 3)
    begin(after)
    if not reads(after):
        wrong.append("the next run has other data")
    with RunReader(after) as reader:
        reference = reader.references[0]
    wrong += unsound(runs, reference)
    mine = (after / DATA_FOLDER / reference.file_name).stat()
    pool = runs / data_files.POOL / reference.file_name
    if not pool.exists() or not os.path.samestat(mine, pool.stat()):
        wrong.append("the next run's file is not the shared one")
    (runs / "kept").unlink(missing_ok=True)
    for folder in sorted(runs.glob("20*")):
        delete_run(folder, runs)
        wrong += [f"{other.name} lost its data" for other in runs.glob("20*3") if not reads(other)]
    left = [path.name for path in (runs / data_files.POOL).iterdir() if is_data_file(path.name)]
    if left:
        wrong.append(f"{left} stayed when all runs were gone")
    return wrong


def reads(folder: Path) -> bool:
    """Whether a run gives back the data that it was begun with."""
    try:
        with RunReader(folder) as reader:
            found = reader.x
            return found is not None and found.tobytes() == X.tobytes()
    except StorageError:
        return False


def unsound(runs: Path, reference: Reference) -> list[str]:
    """Files in the pool that are not what their names say."""
    found = []
    for path in (runs / data_files.POOL).iterdir():
        if is_data_file(path.name):
            try:
                read_data_file(path, reference)
            except StorageError as error:
                found.append(f"in the pool: {error}")
    return found


def break_the_order() -> None:
    """A writer that is wrong on purpose."""
    build = data_files._build

    def early(path: Path, values: Any, form: Any) -> None:
        pool = path.parent.parent.parent / data_files.POOL
        (pool / path.name).write_bytes(b"begun")
        build(path, values, form)
        os.replace(path, pool / path.name)
        os.link(pool / path.name, path)

    data_files._build = early
    data_files._published = lambda *given: None
    data_files.read_data_file = lambda *given: None


def started_together(runs: Path, count: int) -> list[str]:
    """What is wrong where so many runs of the same data were begun at once."""
    folders = [run_folder(runs, number) for number in range(count)]
    gate, go = os.pipe()
    parent, children = os.getpid(), []
    for folder in folders:
        pid = os.fork()
        if pid == 0:
            os.close(go)
            os.read(gate, 1)
            begin(folder)
            os._exit(0)
        children.append(pid)
    sweeper = os.fork()
    if sweeper == 0:
        os.close(go)
        while os.getppid() == parent:
            data_files.drop_unused(runs)
        os._exit(0)
    os.close(go)
    wrong = [f"{os.waitpid(pid, 0)[1]}" for pid in children]
    os.kill(sweeper, signal.SIGKILL)
    os.waitpid(sweeper, 0)
    wrong = [f"a starter ended with {status}" for status in wrong if status != "0"]
    wrong += [f"{folder.name} has other data" for folder in folders if not reads(folder)]
    inodes = {path.stat().st_ino for path in runs.glob("*/data/*")}
    if len(inodes) != 1 or len(list(runs.glob("*/data/*"))) != count:
        wrong.append(f"{len(inodes)} files of the same data")
    left = [path.name for path in runs.rglob("*.tmp")]
    return wrong + ([f"{left} were left"] if left else [])


def main() -> None:
    runs = Path(sys.argv[1]) / "runs"
    if sys.argv[2] == "--starters":
        found = started_together(runs, int(sys.argv[3]))
        sys.stdout.write(json.dumps({"wrong": found, "files": len(list(runs.glob("*/data/*")))}))
        return
    stride, offset = int(sys.argv[2]), int(sys.argv[3])
    struck: collections.Counter[str] = collections.Counter()
    report: dict[str, Any] = {"wrong": [], "struck": struck, "failed": collections.Counter()}
    if TOO_EARLY:
        break_the_order()
    for case in CASES:
        _, said, calls = child(prepare(case, runs), 0, "before")
        if said != "done":
            report["wrong"].append(f"{case}: undisturbed {said}")
        points = [(n, how) for n in range(1, calls + 1) for how in HOW]
        for number, how in points[offset::stride]:
            code, said, _ = child(prepare(case, runs), number, how)
            place = f"{case}, {how} call {number}"
            if isinstance(how, int):
                report["failed"][said] += 1
                if code or said.startswith("raised"):
                    report["wrong"].append(f"{place}: {code} {said}")
            elif code != DIED:
                report["wrong"].append(f"{place}: ended with {code}, {said}")
            struck[case] += 1
            report["wrong"] += [f"{place}: {line}" for line in wrong_with(case, runs)]
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
