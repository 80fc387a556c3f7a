"""Data files and starts damaged in thousands of ways: loaded, or refused in a sentence, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from data.mutate import damaged, tried
from data.samples import FILES, write
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.data.load import load_dataset

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


@pytest.mark.full
@pytest.mark.parametrize("kind", sorted(FILES))
def test_thousands_of_damaged_files_are_refused_in_a_sentence(tmp_path, kind):
    found = tried(attempts(kind, tmp_path), range(40, 440), seconds=10.0)
    assert not found.wrong
