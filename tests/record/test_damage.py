"""Files that are torn, flipped, foreign or no files at all: one sentence each, at once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from record import sample_run

from workbench.errors import StorageError, WorkbenchError
from workbench.record.lookup3 import lookup3
from workbench.record.overlay import Overlay
from workbench.record.reader import RunReader
from workbench.record.seal import seal_attributes
from workbench.record.store import RunStore
from workbench.record.summary import summarize
from workbench.record.superblock import has_valid_checksum, patched_head, recover

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def read_elsewhere(folder: Path) -> dict[str, str]:
    """What reading each file says, in a process that may be stopped."""
    done = subprocess.run(
        [sys.executable, str(HERE / "read_damaged.py"), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, (done.stdout[-300:], done.stderr[-2000:])
    assert done.stderr == ""
    return {name: said for name, said, _ in map(json.loads, done.stdout.splitlines())}


def check_sentences(said: dict[str, str]) -> None:
    for name, sentence in said.items():
        if sentence != "sound":
            assert sentence.endswith("."), (name, sentence)
            assert "\n" not in sentence
            assert len(sentence) < 600


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A finished run's file and a killed one's."""
    place = tmp_path_factory.mktemp("sources")
    sample_run.finished(place / "finished", 200)
    (place / "killed").mkdir()
    child = os.fork()
    if child == 0:
        store = sample_run.create(place / "killed")
        for _ in range(4):
            store.append(sample_run.rows(store.last_step + 1, 50))
            store.event(store.last_step, "note", "so far")
            store.commit(sync=True)
        os._exit(0)
    os.waitpid(child, 0)
    return {name: (place / name / "run.h5").read_bytes() for name in ("finished", "killed")}


@pytest.mark.parametrize("which", ["finished", "killed"])
def test_truncated_files(tmp_path: Path, files: dict[str, bytes], which: str) -> None:
    data = files[which]
    sizes = {0, 1, 7, 8, 11, 12, 47, 48, 49, 96, *range(100, len(data), len(data) // 40)}
    for size in sizes:
        (tmp_path / f"{size:09d}.h5").write_bytes(data[:size])
    said = read_elsewhere(tmp_path)
    assert len(said) == len(sizes)
    check_sentences(said)
    assert all(sentence != "sound" for sentence in said.values())


@pytest.mark.parametrize("which", ["finished", "killed"])
def test_flipped_bytes(tmp_path: Path, files: dict[str, bytes], which: str) -> None:
    data = files[which]
    rng = random.Random(5)
    places = [*range(48), *(rng.randrange(48, 6000) for _ in range(80))]
    places += [rng.randrange(len(data)) for _ in range(60)]
    for number, place in enumerate(places):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        (tmp_path / f"{number:04d}-{place}.h5").write_bytes(damaged)
    said = read_elsewhere(tmp_path)
    check_sentences(said)
    assert len(said) == len(places)
    assert all(sentence != "sound" for name, sentence in said.items() if int(name[:4]) < 48)


def test_flipped_bytes_in_the_heaps_of_text(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Global heaps have no checksum, and HDF5 loops for ever on one whose sizes lead nowhere."""
    data = files["killed"]
    heap = data.find(b"GCOL")
    assert heap > 0
    for offset in [*range(8, 48), *range(48, 2000, 61)]:
        for bit in (0, 3, 7):
            damaged = bytearray(data)
            damaged[heap + offset] ^= 1 << bit
            (tmp_path / f"{offset:04d}-{bit}.h5").write_bytes(damaged)
    said = read_elsewhere(tmp_path)
    check_sentences(said)
    assert any("heap" in sentence for sentence in said.values())


def test_foreign_files(tmp_path: Path) -> None:
    place = tmp_path / "files"
    place.mkdir()
    (place / "text.h5").write_text("not a run\n")
    (place / "empty.h5").write_bytes(b"")
    (place / "random.h5").write_bytes(random.Random(1).randbytes(5000))
    (place / "signature.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (place / "folder.h5").mkdir()
    with h5py.File(place / "other.h5", "w") as file:
        file["x"] = np.arange(10)
    with h5py.File(place / "group.h5", "w") as file:
        file["series"] = np.arange(10)
        file["n_committed"] = 3
    with h5py.File(place / "text-steps.h5", "w") as file:
        file["series/step"] = ["a", "b"]
        file["n_committed"] = 2
    with h5py.File(place / "huge.h5", "w") as file:
        file.create_dataset("series/step", (2**50,), maxshape=(None,), chunks=(8,), dtype="i8")
        file["n_committed"] = 2**50
    with h5py.File(place / "link.h5", "w") as file:
        file.create_group("series")["step"] = h5py.ExternalLink("other.h5", "/x")
        file["n_committed"] = 1
    with h5py.File(place / "later.h5", "w") as file:
        file.create_dataset("series/step", (0,), maxshape=(None,), dtype="i8")
        file["n_committed"] = 0
        file.attrs["schema_version"] = 99
    os.symlink("nowhere", place / "dangling.h5")
    os.mkfifo(place / "pipe.h5")
    said = read_elsewhere(place)
    check_sentences(said)
    assert all(sentence != "sound" for sentence in said.values()), said
    assert "not an HDF5 file" in said["text.h5"]
    assert "empty" in said["empty.h5"]
    assert "no run" in said["other.h5"]
    assert "later workbench" in said["later.h5"]


def test_more_counted_than_there_is(tmp_path: Path) -> None:
    sample_run.finished(tmp_path, 20)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["n_committed"][()] = 21
    with pytest.raises(StorageError, match="do not hold their checksum"):
        RunReader(tmp_path)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        del file["counters_crc32"]  # as in files of before there was one
    with pytest.raises(StorageError, match="counts 21 records"):
        RunReader(tmp_path)
    with pytest.raises(StorageError, match="counts 21"):
        RunStore.reopen(tmp_path)
    summary = summarize(tmp_path)
    assert summary.status == "unreadable"
    assert "counts 21" in summary.reason


def test_unknown_groups_and_series_are_kept_out_of_the_way(tmp_path: Path) -> None:
    sample_run.finished(tmp_path, 20)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["novelties/step"] = np.arange(3)
        file["series"].create_dataset("novel", data=np.ones(20), maxshape=(None,))
    with RunReader(tmp_path) as reader:
        assert sample_run.check(reader) == []
        assert "novel" in reader.series_names()
        assert reader.spec("novel").dims == ()


def test_control_characters_stay_in_the_file(tmp_path: Path) -> None:
    evil = "\x1b]0;gotcha\x07\x1b[2J\r\nname"
    store = RunStore.create(
        tmp_path,
        attributes={**sample_run.ATTRIBUTES, "name": evil, "config": f'a = "{evil}"\nb = 1\n'},
        x=None,
        y=None,
        series=sample_run.LAYOUTS,
    )
    store.append(sample_run.rows(0, 3))
    store.close()
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["events/text"].resize((1,))
        file["events/kind"].resize((1,))
        file["events/step"].resize((1,))
        file["events/text"][0] = evil.encode()
        file["events/n_committed"][()] = 1
        del file["counters_crc32"]
        file["series/rho"] = file["series/time"]
        file["series/rho"].attrs["units"] = evil
        seal_attributes(file["series/rho"])
    with RunReader(tmp_path) as reader:
        texts = [
            str(reader.attributes["name"]),
            reader.events()[0].text,
            reader.spec("rho").units,
            summarize(tmp_path).name,
            *reader.config_text.split("\n"),
        ]
        assert len(reader.config_text.splitlines()) == 3
    assert all(text.isprintable() for text in texts), texts


def test_lookup3_known_values() -> None:
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551
    assert lookup3(b"Four score and seven years ago", 1) == 0xCD628161


def test_a_superblock_is_patched_and_recovered(tmp_path: Path, files: dict[str, bytes]) -> None:
    killed, finished = tmp_path / "killed.h5", tmp_path / "finished.h5"
    killed.write_bytes(files["killed"])
    finished.write_bytes(files["finished"])
    head = files["killed"][:48]
    assert head[11] != 0
    patched = patched_head(head, len(files["killed"]))
    assert has_valid_checksum(head)
    assert has_valid_checksum(patched)
    assert recover(killed)
    assert killed.read_bytes() == patched + files["killed"][48:]
    assert not recover(finished)
    assert finished.read_bytes() == files["finished"]
    with h5py.File(killed, "r") as file:
        assert int(file["n_committed"][()]) == 200


def test_recovery_does_not_hide_damage(tmp_path: Path, files: dict[str, bytes]) -> None:
    damaged = bytearray(files["killed"])
    damaged[40] ^= 4
    (tmp_path / "run.h5").write_bytes(damaged)
    with pytest.raises(StorageError, match="superblock checksum"):
        recover(tmp_path / "run.h5")
    assert (tmp_path / "run.h5").read_bytes() == bytes(damaged)
    for content, words in [(b"", "empty"), (b"plain text", "not an HDF5 file")]:
        (tmp_path / "run.h5").write_bytes(content)
        with pytest.raises(StorageError, match=words):
            recover(tmp_path / "run.h5")


def test_the_overlay_reads_like_a_file(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(files["killed"])
    with Overlay(path) as overlay:
        assert overlay.seek(0, os.SEEK_END) == len(files["killed"])
        overlay.seek(40)
        assert overlay.read(20)[8:] == files["killed"][48:60]
        overlay.seek(-4, os.SEEK_END)
        assert overlay.read(8) == files["killed"][-4:] + bytes(4)
    with pytest.raises(WorkbenchError):
        Overlay(tmp_path / "none.h5")
