"""Configurations changed in thousands of ways: an experiment or a refusal in a sentence, nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from data.configurations import CONFIGURATIONS
from data.mutate import rewritten, tried
from data.samples import FILES

from workbench.config.toml import parse_config, read_toml
from workbench.run.experiment import evaluated_start, experiment_of

SHAPES = {"w0": (4, 3), "w5": (1, 4), "b5": (1,)}
SHAPES |= {f"w{k}": (4, 4) for k in range(1, 5)}
SHAPES |= dict.fromkeys(("b0", "gain1", "b1", "gain3", "b3"), (4,))
START = {name: np.ones(shape) for name, shape in SHAPES.items()}
"""Of the residual network among the configurations."""


def attempts(folder):
    """What tries the changed copy of a number: the same number, the same change."""
    (folder / "points.csv").write_bytes(FILES["csv"][1]["a.csv"])
    np.savez(folder / "start.npz", **START)
    path = folder / "run.toml"

    def attempt(number):
        rng = np.random.default_rng([12, number])
        text = CONFIGURATIONS[number % len(CONFIGURATIONS)]
        for _ in range(int(rng.integers(1, 3))):
            text = rewritten(text, CONFIGURATIONS, rng)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        evaluated_start(experiment_of(parse_config(read_toml(path), str(path))))

    return attempt


def test_changed_configurations_are_refused_in_a_sentence(tmp_path):
    found = tried(attempts(tmp_path), range(80), seconds=30.0)
    assert not found.wrong
    assert found.counts["refused"] > 20


@pytest.mark.full
def test_thousands_of_changed_configurations_are_refused_in_a_sentence(tmp_path):
    found = tried(attempts(tmp_path), range(80, 3_080), seconds=60.0)
    assert not found.wrong
