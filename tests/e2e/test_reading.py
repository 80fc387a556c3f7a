"""Stored runs damaged in many ways, each read with every command: the same answer, or a sentence."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from e2e.damage import KINDS, damaged
from record import sample_run

from workbench.errors import WorkbenchError
from workbench.record.reader import RunReader

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def read_runs(folder: Path, first: int, last: int, kinds: str) -> list[dict]:
    """What came of the damaged runs of these numbers, one after the other."""
    paths = [str(ROOT), str(ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, "read_runs.py", str(folder), str(first), str(last), kinds],
        capture_output=True,
        text=True,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    *runs, counts = [json.loads(line) for line in done.stdout.splitlines()]
    assert counts["counts"]["files"] == last - first == len(runs)
    return runs


@pytest.mark.full
@pytest.mark.parametrize("first", [0, 250, 500, 750])
def test_a_thousand_damaged_runs_give_the_same_answer_or_a_sentence(
    tmp_path: Path, first: int
) -> None:
    kinds = "records,minibatch,normalized,flow,smoothness,short"
    runs = read_runs(tmp_path, first, first + 250, kinds)
    assert [run for run in runs if run["bad"]] == []
    assert sum(run["ends"].get("refused", 0) for run in runs) > 250
    assert sum(run["ends"].get("same", 0) for run in runs) > 250


@pytest.mark.full
def test_damaged_runs_of_before_hang_and_crash_nobody(tmp_path: Path) -> None:
    """They have no checksums over what is not packed: a changed number may stay unseen."""
    runs = read_runs(tmp_path, 0, 100, "older")
    ends = [bad["end"] for run in runs for bad in run["bad"]]
    assert [end for end in ends if end != "wrong"] == []


def everything(path: Path) -> dict[str, str]:
    """All that a reader says of a file."""
    with RunReader(path) as reader:
        found = {name: reader.read(name).tobytes().hex() for name in reader.series_names()}
        specs = {f"{name} is": repr(reader.layout(name)) for name in found}
        axis = reader.coordinate("quantile")
        assert axis is not None
        more = {
            "x": repr(None if reader.x is None else reader.x.tolist()),
            "y": repr(None if reader.y is None else reader.y.tolist()),
            "axis": repr(axis.tolist()),
            "attributes": repr({k: v for k, v in reader.attributes.items() if k != "status"}),
            "events": repr(reader.events()),
            "inspections": repr([(k.step, k.evidence) for k in reader.inspections()]),
        }
        return {**found, **specs, **more}


def tried(folder: Path, numbers: range) -> dict[str, int]:
    """How often a damaged copy gave the same, was refused, or gave something else."""
    path = folder / "run.h5"
    whole, sound = path.read_bytes(), everything(path)
    ends = {"same": 0, "refused": 0, "wrong": 0}
    for number in numbers:
        path.write_bytes(damaged(whole, KINDS[number % len(KINDS)], random.Random(number)))
        try:
            ends["same" if everything(path) == sound else "wrong"] += 1
        except WorkbenchError:
            ends["refused"] += 1
    path.write_bytes(whole)
    return ends


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A run as its writer's death leaves it: not packed, so that nothing but checksums tells."""
    store = sample_run.create(tmp_path)
    for first in range(0, 200, 50):
        store.append(sample_run.rows(first, 50))
        store.event(first, "note", "so far")
        store.commit()
    store.close()
    return tmp_path


def test_no_changed_number_is_read_unseen(left: Path) -> None:
    ends = tried(left, range(120))
    assert ends["wrong"] == 0, ends
    assert min(ends["same"], ends["refused"]) > 10


def test_without_checksums_changed_numbers_are_read(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the test above can fail: the same damage with the series' checksums left out."""
    plain = left / "plain"
    plain.mkdir()
    make = h5py.Group.create_dataset

    def unchecked(self: h5py.Group, *arguments: object, **options: object) -> object:
        return make(self, *arguments, **{**options, "fletcher32": False})

    monkeypatch.setattr(h5py.Group, "create_dataset", unchecked)
    store = sample_run.create(plain)
    store.append(sample_run.rows(0, 200))
    store.close()
    assert tried(plain, range(120))["wrong"] > 0
