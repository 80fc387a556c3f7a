"""Run files that somebody made on purpose: what no run holds is refused in a sentence, or left alone."""

from __future__ import annotations

import functools
import os
import shutil
import zlib

import h5py
import numpy as np
import pytest
from data.mutate import tried
from record import sample_run
from record.read_damaged import read_all

from workbench.errors import StorageError
from workbench.record.checkpoint import load_checkpoint, save_checkpoint
from workbench.record.compact import must_rewrite
from workbench.record.export import export_run
from workbench.record.reader import RunReader
from workbench.record.summary import summarize

ROWS = 30


def replaced(path):
    """What makes a dataset of the file anew: the old one's name, and the file to make another in."""

    def decorate(make):
        def harm(file, folder):
            del file[path]
            make(file, path, folder)

        harm.__name__ = f"{make.__name__} {path}"
        return harm

    return decorate


def soft(file, path, folder):
    file[path] = h5py.SoftLink("/data/x")


def soft_loop(file, path, folder):
    file[path] = h5py.SoftLink(f"/{path}")


def external(file, path, folder):
    file[path] = h5py.ExternalLink(str(folder / "pipe"), "/x")


def stored_outside(file, path, folder):
    held = [(str(folder / "outside"), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(path, (ROWS,), maxshape=(None,), dtype="f8", external=held)


def stored_in_a_pipe(file, path, folder):
    file.create_dataset(path, (ROWS,), dtype="f8", external=[(str(folder / "pipe"), 0, 8 * ROWS)])


def virtual(file, path, folder):
    layout = h5py.VirtualLayout((ROWS,), "f8", maxshape=(None,))
    layout[:] = h5py.VirtualSource(str(folder / "pipe"), "x", (ROWS,))
    file.create_virtual_dataset(path, layout)


def giant(file, path, folder):
    file.create_dataset(path, (10**15,), maxshape=(None,), chunks=(1024,), dtype="f8")


def giant_chunk(file, path, folder):
    size = (1 << 32) // 8 - 1
    file.create_dataset(path, (ROWS,), maxshape=(None,), chunks=(size,), dtype="f8")


@functools.cache
def zeros_packed(count):
    return zlib.compress(bytes(count))


def bomb(file, path, folder):
    """A gibibyte of zeros in one megabyte, as four blocks that have to be unfolded whole."""
    rows = 1 << 25
    made = file.create_dataset(
        path, (4 * rows,), maxshape=(None,), chunks=(rows,), compression="gzip", dtype="f8"
    )
    for block in range(4):
        made.id.write_direct_chunk((block * rows,), zeros_packed(8 * rows))


def texts(file, path, folder):
    file.create_dataset(path, data=["evil"] * ROWS, maxshape=(None,))


def compound(file, path, folder):
    kind = np.dtype([("a", "f8"), ("b", "i4")])
    file.create_dataset(path, data=np.zeros(ROWS, kind), maxshape=(None,))


def references(file, path, folder):
    made = file.create_dataset(path, (ROWS,), maxshape=(None,), dtype=h5py.ref_dtype)
    made[:] = [file.ref] * ROWS


def ragged(file, path, folder):
    kind = h5py.vlen_dtype(np.dtype("f8"))
    file.create_dataset(path, (ROWS,), maxshape=(None,), dtype=kind)


def folded(file, path, folder):
    file.create_dataset(path, (ROWS,), maxshape=(None,), dtype=np.dtype(("f8", (1000,))))


def a_group(file, path, folder):
    file.create_group(path)


def a_group_in_a_circle(file, path, folder):
    file[path] = file["inspections"]
    file[f"{path}/again"] = file["inspections"]


def empty(file, path, folder):
    file.create_dataset(path, data=h5py.Empty("f8"))


def packed_otherwise(file, path, folder):
    file.create_dataset(path, data=np.zeros(ROWS), maxshape=(None,), chunks=(ROWS,), scaleoffset=3)


MAKERS = (
    soft, soft_loop, external, stored_outside, stored_in_a_pipe, virtual, giant, giant_chunk, bomb, texts,
    compound, references, ragged, folded, a_group, a_group_in_a_circle, empty, packed_otherwise,
)  # fmt: skip
PLACES = (
    "series/log_risk", "series/step", "series/quantile", "data/x", "events/text", "events/n_committed",
    "n_committed", "inspections/n_committed", "inspections/step", "series", "data", "events",
)  # fmt: skip
CASES = [replaced(place)(make) for place in PLACES for make in MAKERS]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A finished sample run with pipes beside it, which nobody may open."""
    folder = tmp_path_factory.mktemp("sound")
    sample_run.finished(folder / "run", ROWS)
    os.mkfifo(folder / "pipe")
    (folder / "outside").write_bytes(np.linspace(7, 8, ROWS).tobytes())
    return folder


def attempts(sound, place, cases):
    """What harms a copy of the run as the case of a number does, and reads it in every way."""
    with RunReader(sound / "run") as reader:
        numbers = {name: reader.read(name).tobytes() for name in reader.series_names()}
        data = reader.x.tobytes()

    def attempt(number):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(sound / "run", place)
        with h5py.File(place / "run.h5", "r+") as file:
            cases[number](file, sound)
        if summarize(place).status != "unreadable":
            # What is refused is left out of the list of series; what is read is what it was.
            with RunReader(place) as reader:
                for name in reader.series_names():
                    assert reader.read(name).tobytes() == numbers[name], name
                x = reader.x
                assert x is None or x.tobytes() == data
                assert len(reader.events()) <= 1
        sentences = [read_all(place)]
        for suffix in ("csv", "nc", "npz", "h5"):
            try:
                export_run(place, place / f"a.{suffix}")
            except StorageError as error:
                sentences.append(str(error))
        assert all("\n" not in text and len(text) < 600 for text in sentences)
        must_rewrite(place / "run.h5")

    return attempt


def check(sound, place, cases):
    found = tried(attempts(sound, place, cases), range(len(cases)), seconds=20.0, room=1 << 30)
    wrong = [(cases[number].__name__, message) for number, message in found.wrong]
    assert not wrong
    # Before anything is written to such a file it is refused, whatever a reader makes of it; an empty group
    # says nothing.
    harmless = sum(case.__name__.startswith("a_group ") for case in cases)
    assert found.counts["refused"] >= len(cases) - harmless


def test_what_no_run_holds_is_refused(sound, tmp_path):
    check(sound, tmp_path / "run", CASES[:: len(PLACES) // 2 + 1])


@pytest.mark.full
def test_what_no_run_holds_is_refused_everywhere(sound, tmp_path):
    check(sound, tmp_path / "run", CASES)


def test_a_checkpoint_under_the_name_of_another_is_refused(tmp_path):
    path = save_checkpoint(tmp_path, 400, {"theta": np.ones(3)}, {})
    other = path.with_name("ck_000000000800.h5")
    shutil.copy(path, other)
    assert load_checkpoint(path).step == 400
    with pytest.raises(StorageError, match="is of step 400, and its name says another"):
        load_checkpoint(other)


CHECKPOINT_MAKERS = [m for m in MAKERS if m not in (a_group, a_group_in_a_circle)]


def test_a_checkpoint_holds_numbers_of_its_own(sound, tmp_path):
    path = save_checkpoint(tmp_path, 4, {"theta": np.linspace(7, 8, ROWS), "time": np.ones(())}, {})
    whole = path.read_bytes()

    def attempt(number):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            del file["arrays/theta"]
            CHECKPOINT_MAKERS[number](file, "arrays/theta", sound)
        load_checkpoint(path)

    found = tried(attempt, range(len(CHECKPOINT_MAKERS)), seconds=20.0, room=1 << 30)
    assert not found.wrong
    assert found.counts == {"refused": len(CHECKPOINT_MAKERS)}
