"""Data files and starts damaged in thousands of ways: loaded, or refused in a sentence, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from data.mutate import damaged, tried
from data.samples import FILES, write
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.config.init import FileInit
from workbench.config.models import SquaredReluModel
from workbench.data.load import load_dataset
from workbench.models.build import build_model
from workbench.models.network import structure_of
from workbench.models.start import first_theta

ADAPTER = TypeAdapter(DataConfig)


def attempts(kind, folder):
    """What tries the damaged copy of a number: the same number, the same damage."""
    path, files, table = FILES[kind]
    config = ADAPTER.validate_python({**table, "path": str(folder / path)})
    names = sorted(files)

    def attempt(number):
        rng = np.random.default_rng([11, sorted(FILES).index(kind), number])
        chosen = names[int(rng.integers(len(names)))]
        write(folder, {**files, chosen: damaged(files[chosen], rng)})
        load_dataset(config)

    return attempt


def start_attempts(folder):
    """The same for a start's archive, its members damaged or the archive itself."""
    structure = structure_of(
        build_model(SquaredReluModel(kind="squared-relu", width=12), (3,), 1, 0), 3
    )
    member = FILES["npz-members"][1]["x.npy"]
    config = FileInit(kind="file", path=str(folder / "a.npz"))

    def attempt(number):
        rng = np.random.default_rng([13, number])
        write(folder, {"u.npy": damaged(member, rng) if number % 2 else member})
        if not number % 2:
            (folder / "a.npz").write_bytes(damaged((folder / "a.npz").read_bytes(), rng))
        first_theta(config, structure)

    return attempt


@pytest.mark.parametrize("kind", sorted(FILES))
def test_valid_files_load(tmp_path, kind):
    path, files, table = FILES[kind]
    write(tmp_path, files)
    assert load_dataset(ADAPTER.validate_python({**table, "path": str(tmp_path / path)})).n


@pytest.mark.parametrize("kind", sorted(FILES))
def test_damaged_files_are_refused_in_a_sentence(tmp_path, kind):
    found = tried(attempts(kind, tmp_path), range(40), seconds=10.0)
    assert not found.wrong
    assert found.counts["refused"] > 5


def test_damaged_starts_are_refused_in_a_sentence(tmp_path):
    found = tried(start_attempts(tmp_path), range(300), seconds=10.0)
    assert not found.wrong
    assert min(found.counts["refused"], found.counts["loaded"]) > 5


@pytest.mark.full
@pytest.mark.parametrize("kind", sorted(FILES))
def test_thousands_of_damaged_files_are_refused_in_a_sentence(tmp_path, kind):
    found = tried(attempts(kind, tmp_path), range(40, 440), seconds=10.0)
    assert not found.wrong
