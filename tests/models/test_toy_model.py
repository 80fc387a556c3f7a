"""Adding a network takes its file, its table and its line: two of `toy_models.py`, on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import workbench
from workbench.config.models import LINEARISABLE, TABLES
from workbench.models.build import BUILDERS

X = np.array([[1.0, 0.5], [0.2, 1.0], [-1.0, 0.3], [-0.4, -1.0]])
Y = np.array([1.0, 1.0, -1.0, -1.0])
KINDS = ("cubed-relu", "two-paths")


def started(kind, name, *settings, steps=120):
    line = ["run", "--headless", "--json", "--name", name, "--steps", str(steps)]
    for setting in (
        f'data={{kind="inline", x={X.tolist()}, y={Y.tolist()}}}',
        f'model={{kind="{kind}", width=3}}',
        'init={kind="gaussian", scale=0.5, seed=1}',
        "loss.kind=exponential",
        "train.lr=3e-2",
        "record.every=5",
        "checkpoint.every=20",
        "device.kind=cpu",
        *settings,
    ):
        line += ["--set", setting]
    return line


def lines_of(kind, folder):
    whole, half = f"{kind}-whole", f"{kind}-half"
    return {
        "whole": started(kind, whole),
        "half": started(kind, half, steps=60),
        "resumed": ["resume", half, "--steps", "120", "--headless", "--json"],
        "flow": started(kind, f"{kind}-flow", "train.rule=flow", steps=20),
        "misspelt": started(kind, "none", "model.widht=3"),
        "show": ["show", whole, "--json"],
        "inspect": ["inspect", whole, "--json"],
        "robustness": ["robustness", whole, "--json"],
        "export": ["export", whole, "--to", f"{folder}/{whole}.npz"],
        "export half": ["export", half, "--to", f"{folder}/{half}.npz"],
        "plot": ["plot", whole, "--figure", "norms", "-o", f"{folder}/{kind}.png"],
        "fork": ["fork", whole, "--at", "60", "--set", "train.lr=6e-2", "--headless", "--json"],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("toys")


@pytest.fixture(scope="module")
def answers(folder):
    """What every command line gave: (exit code, output, error), by kind and name."""
    wanted = {(kind, name): line for kind in KINDS for name, line in lines_of(kind, folder).items()}
    root = Path(workbench.__file__).parents[1]
    found = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("toy_models.py"))],
        input=json.dumps(list(wanted.values())),
        env={**os.environ, "PYTHONPATH": str(root), "WORKBENCH_RUNS": str(folder / "runs")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return dict(zip(wanted, json.loads(found.stdout), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_takes_the_network(answers, kind):
    for name in lines_of(kind, ""):
        code, _, error = answers[kind, name]
        assert code == (1 if name == "misspelt" else 0), (name, error)
    shown = json.loads(answers[kind, "show"][1])
    assert shown["homogeneity"] == {"cubed-relu": 4.0, "two-paths": 2.0}[kind]
    assert shown["config"]["model"] == {"kind": kind, "width": 3}
    assert json.loads(answers[kind, "fork"][1])["step"] == 120
    assert json.loads(answers[kind, "flow"][1])["step"] == 20
    assert "Did you mean 'model.width'" in answers[kind, "misspelt"][2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_repeats_the_whole_one_s_bits(answers, folder, kind):
    assert answers[kind, "resumed"][0] == 0
    with (
        np.load(folder / f"{kind}-whole.npz") as whole,
        np.load(folder / f"{kind}-half.npz") as half,
    ):
        assert whole["step"][-1] == 120
        for name in ("step", "log_risk", "theta", "margins", "layer_norm"):
            assert whole[name].tobytes() == half[name].tobytes()


def test_what_the_cubed_network_declares_is_used(answers, folder):
    evidence = json.loads(answers["cubed-relu", "inspect"][1])["saddle"]["evidence"]
    assert evidence["hessian"]["kinks"] == 0
    robust = json.loads(answers["cubed-relu", "robustness"][1])
    assert robust["bound"] is None
    assert "No certified bound" in robust["why_no_bound"]
    with np.load(folder / "cubed-relu-whole.npz") as series:
        theta = series["theta"][-1]
        norm = np.hypot(np.linalg.norm(theta[:6].reshape(3, 2), axis=1), theta[6:])
        assert series["neuron_norm"][-1] == pytest.approx(norm)


def test_the_linear_network_has_its_exact_distances(answers, folder):
    found = json.loads(answers["two-paths", "robustness"][1])
    with np.load(folder / "two-paths-whole.npz") as series:
        theta = series["theta"][-1]
    a, b = theta[:6].reshape(3, 2), theta[6:12].reshape(3, 2)
    w = theta[12:15] @ a + theta[15:] @ b
    distance = np.maximum(Y * (X @ w), 0.0) / np.linalg.norm(w)
    assert found["bound"] == pytest.approx(distance, rel=1e-6)
    assert found["attack"] == pytest.approx(distance, rel=1e-6)
    assert found["exact"] == [True] * 4


def test_every_table_has_its_builder():
    kinds = {get_args(table.model_fields["kind"].annotation)[0]: table for table in TABLES}
    assert set(kinds) - {"ntk", "torch"} == set(BUILDERS)
    assert len(kinds) == len(TABLES)
    assert set(LINEARISABLE) <= set(TABLES)
