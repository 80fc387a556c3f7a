"""Where compiled code is kept, and that it is never that of other sources."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from workbench.engine.programs import first_use
from workbench.engine.programs.kernel import compiled
from workbench.engine.programs.kernel.compiled import Compiled, make_ready, writable_folder

ROOT = Path(__file__).parents[3]
ENTRY = """
from numba import types
from toy.part import doubled
from workbench.engine.programs.kernel.compiled import compiled

@compiled(types.float64(types.float64))
def entry(value):
    return doubled(value)
"""
PART = """
from workbench.engine.programs.kernel.compiled import part

@part
def doubled(value):
    return {factor} * value
"""
USE = """
import sys
from pathlib import Path
from workbench.engine.programs.kernel import compiled
compiled.PACKAGE = Path(sys.argv[1])
from toy.entries.entry import entry
before = entry.on_disk
print(entry(3.0), before, entry.on_disk, entry.folder)
"""


def package(place: Path, factor: float) -> None:
    (place / "toy" / "entries").mkdir(parents=True, exist_ok=True)
    (place / "toy" / "entries" / "entry.py").write_text(ENTRY)
    (place / "toy" / "part.py").write_text(PART.format(factor=factor))


def used(place: Path, **environment: str) -> list[str]:
    """What a process of its own says: value, on disk before and after, folder."""
    done = subprocess.run(
        [sys.executable, "-c", USE, str(place / "toy")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{place}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [*done.stdout.split(), done.stderr]


def test_it_is_compiled_once_and_again_when_what_it_calls_has_changed(tmp_path):
    package(tmp_path, 2.0)
    assert used(tmp_path)[:3] == ["6.0", "False", "True"]
    assert used(tmp_path)[:3] == ["6.0", "True", "True"]
    package(tmp_path, 5.0)
    assert used(tmp_path)[:3] == ["15.0", "False", "True"]


def test_the_folder_that_numba_is_told_of_is_taken(tmp_path):
    package(tmp_path / "code", 2.0)
    found = used(tmp_path / "code", NUMBA_CACHE_DIR=str(tmp_path / "given"))
    assert Path(found[3]).parent == tmp_path / "given"
    assert list((tmp_path / "given").rglob("*.nbc"))
    assert not list((tmp_path / "code").rglob("*.nbc"))


def test_torn_files_are_compiled_anew(tmp_path):
    package(tmp_path, 2.0)
    folder = Path(used(tmp_path)[3])
    for pattern in ("*.nbc", "*.nbi"):
        for path in folder.glob(pattern):
            path.write_bytes(path.read_bytes()[:40])
        value, *_, said = used(tmp_path)
        assert value == "6.0"
        assert "compiled code on disk is not used" in said


def test_where_nothing_can_be_written_a_temporary_folder_serves(tmp_path, monkeypatch):
    """A file in a folder's place keeps even root out of it."""
    barred = tmp_path / "barred"
    barred.write_text("")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(barred))
    monkeypatch.setattr(compiled.numba.config, "CACHE_DIR", "")
    found = writable_folder.__wrapped__(barred / "sources")
    assert found.parent == temporary
    assert found.stat().st_mode & 0o077 == 0
    assert writable_folder.__wrapped__(barred / "sources") == found
    found.chmod(0o777)
    assert writable_folder.__wrapped__(barred / "sources") != found, "others could put code there"
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    assert home in writable_folder.__wrapped__(barred / "sources").parents


def test_a_disk_without_room_costs_a_compilation(monkeypatch):
    entry = Compiled(lambda value: 2.0 * value, compiled.types.float64(compiled.types.float64))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(entry._cache, "save_overload", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert entry(3.0) == 6.0


def test_compiling_is_said_and_reading_is_not(tmp_path):
    said = []

    @contextmanager
    def show(text):
        said.append(text)
        yield
        said.append("done")

    entry = Compiled(lambda value: 3.0 * value, compiled.types.float64(compiled.types.float64))
    entry._cache.disable()
    with first_use.shown_by(show):
        if not entry.on_disk:
            make_ready((entry,))
            assert said == [first_use.SENTENCE, "done"]
        said.clear()
        make_ready((entry,))
        assert said == []


def test_nan_and_infinity_are_seen():
    """Of fast arithmetic nothing is allowed that takes every number for finite."""
    assert "nnan" not in compiled.OPTIONS["fastmath"]
    assert "ninf" not in compiled.OPTIONS["fastmath"]
    entry = Compiled(lambda a: a[0] != a[0] or a[0] == np.inf, compiled.types.boolean(compiled.F))
    assert entry(np.array([np.nan]))
    assert entry(np.array([np.inf]))
    assert not entry(np.array([1.0]))
