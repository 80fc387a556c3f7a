"""Kills, full disks and second writers: whatever was acknowledged is there afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from record import sample_run

from workbench.errors import RunBusy, StorageError
from workbench.protocol.status import RunStatus
from workbench.record.checkpoint import load_checkpoint
from workbench.record.lock import RunLock
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.superblock import recover

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def run_script(name: str, *arguments: object, timeout: float = 300) -> dict:
    """Run a helper script in a process of its own; it must end by itself and print JSON."""
    done = subprocess.run(
        [sys.executable, str(HERE / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_sixty_kills_lose_nothing(tmp_path: Path) -> None:
    report = run_script("kill_writers.py", tmp_path, 80, 11)
    assert report["wrong"] == []
    assert report["kills"] >= 60
    assert report["records"] > 1000
    # How many are kept before the kills depends on the machine; none would show nothing.
    assert report["inspections"] > 0


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_thousand_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    report = run_script("kill_writers.py", tmp_path, 1000, seed, timeout=900)
    assert report["wrong"] == []


def test_the_kill_test_notices_a_counter_written_first(tmp_path: Path) -> None:
    report = run_script("kill_writers.py", tmp_path, 60, 11, "--counter-first")
    assert report["wrong"] != []


def check_full(folder: Path, report: dict, words: str) -> None:
    """What must hold after a failed write: one sentence, and every acknowledged record."""
    assert words in report["failure"]
    assert str(folder / "run.h5") in report["failure"]
    assert report["later"] == [report["failure"]] * 3
    with RunReader(folder) as reader:
        assert sample_run.check(reader) == []
        assert reader.n_records >= report["acknowledged"]
        if report["after"]:
            assert report["acknowledged"] < report["carried"] < report["after"]
            assert reader.n_records == report["after"]
            assert len(reader.events()) == report["carried"] // 50


@pytest.mark.parametrize("limit", [60_000, 250_000, 333_333, 1_000_000])
def test_a_file_that_cannot_grow_keeps_what_was_acknowledged(tmp_path: Path, limit: int) -> None:
    report = run_script("fill_disk.py", tmp_path, "--limit", limit)
    check_full(tmp_path, report, "size limit")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB; skips where mounting one is not allowed."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_named_and_survived(small_disk: Path) -> None:
    folder = small_disk / "run"
    folder.mkdir()
    report = run_script("fill_disk.py", folder)
    check_full(folder, report, "the disk is full")


def test_recording_goes_on_once_there_is_room(small_disk: Path) -> None:
    folder, ballast = small_disk / "run", small_disk / "ballast"
    folder.mkdir()
    ballast.write_bytes(bytes(1_200_000))
    report = run_script("fill_disk.py", folder, "--make-room", ballast)
    check_full(folder, report, "the disk is full")


SAVE = """
import sys
from pathlib import Path
import numpy as np
from workbench.errors import StorageError
from workbench.record.checkpoint import save_checkpoint
from workbench.record.export import export_run
folder = Path(sys.argv[1])
state = {"theta": np.arange(60_000.0)}
said = []
for step in range(9):
    try:
        save_checkpoint(folder, step, state, {})
    except StorageError as error:
        said.append(str(error))
for suffix in (".h5", ".nc", ".csv", ".npz"):
    try:
        export_run(Path(sys.argv[2]), folder / f"out{suffix}")
    except StorageError as error:
        said.append(str(error))
import json
print(json.dumps(said))
"""


def test_checkpoints_and_exports_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    source = sample_run.finished(tmp_path / "source", 5000)
    done = subprocess.run(
        [sys.executable, "-c", SAVE, str(small_disk), str(source)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert len(said) >= 8
    assert all("the disk is full" in sentence for sentence in said)
    files = sorted(path.name for path in small_disk.rglob("*") if path.is_file())
    assert not [name for name in files if name.endswith(".tmp")]
    for path in (small_disk / "checkpoints").iterdir():
        assert load_checkpoint(path).arrays["theta"][-1] == 59_999.0


def test_a_finish_without_room_for_the_copy_keeps_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 100))

    def full(*_: object, **__: object) -> None:
        raise StorageError("cannot write 'x': the disk is full.")

    monkeypatch.setattr("workbench.record.compact.copy_run", full)
    assert "full" in str(store.finish(RunStatus.FINISHED))
    with RunReader(tmp_path) as reader:
        assert (reader.status, reader.n_records) == ("finished", 100)
        assert sample_run.check(reader) == []


def test_a_wrong_copy_never_takes_the_files_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 100))
    blocks = RunReader.blocks
    seen: list[str] = []

    def broken(self: RunReader, name: str) -> Iterator:
        for start, block in blocks(self, name):
            seen.append(name)
            block[0] += name == "margins" and seen.count(name) == 1
            yield start, block

    monkeypatch.setattr(RunReader, "blocks", broken)
    note = store.finish(RunStatus.FINISHED)
    monkeypatch.undo()
    assert note is not None
    assert "not what was to be copied" in note
    with RunReader(tmp_path) as reader:
        assert sample_run.check(reader) == []


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        with pytest.raises(RunBusy, match=f"pid {os.getpid()}"), RunLock(tmp_path):
            pass
        code = (
            "import sys; from pathlib import Path; from workbench.record.lock import RunLock;"
            "from workbench.errors import RunBusy\n"
            "try: RunLock(Path(sys.argv[1])).acquire()\n"
            "except RunBusy as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
        )
        assert f"pid {os.getpid()}" in done.stdout
    with RunLock(tmp_path) as lock:
        assert lock.held


def test_recovery_under_the_lock_makes_a_plain_open_work(tmp_path: Path) -> None:
    import h5py

    child = os.fork()
    if child == 0:
        store = sample_run.create(tmp_path)
        store.append(sample_run.rows(0, 60))
        store.commit(sync=True)
        store.append(sample_run.rows(60, 40))
        store.commit()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(tmp_path / "run.h5", "r")
    with RunReader(tmp_path) as reader:
        assert (reader.status, reader.n_records) == ("lost", 100)
    assert recover(tmp_path / "run.h5")
    assert not recover(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "r") as file:
        assert int(file["n_committed"][()]) == 100
    RunStore.reopen(tmp_path).close()


def test_a_disk_that_goes_on_failing_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a failed write left cannot be removed then; the write is what is told."""
    from workbench.record.atomic import write_text

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(StorageError, match="cannot write"):
        write_text(tmp_path / "config.toml", "")
