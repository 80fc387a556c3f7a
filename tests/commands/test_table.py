"""`workbench table`: LL20's Table 1 of a run on MNIST's files and of one on digits."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from commands.table import as_lines
from workbench.config.toml import parse_config
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.run.milestones import Milestone, places
from workbench.run.network import network_of
from workbench.run.session import Session
from workbench.run.stored import StoredRun

RNG = np.random.default_rng(4)


def idx(array):
    head = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_mnist(folder, prefix, n):
    """n pictures of MNIST's size: a bright patch whose place is the class."""
    labels = np.arange(n) % 3
    pictures = RNG.integers(0, 60, (n, 28, 28))
    for picture, label in zip(pictures, labels, strict=True):
        picture[8 * label : 8 * label + 8, 4:20] += 150
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(pictures))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))


def trained(values, folder):
    with Session.create(parse_config(values, "test"), folder) as session:
        session.start()
        assert session.wait(60)
    return session.folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Table 1's CNN, very small, on files of MNIST's format, and on digits of three classes."""
    folder, files = tmp_path_factory.mktemp("table"), tmp_path_factory.mktemp("mnist")
    write_mnist(files, "train", 12)
    write_mnist(files, "t10k", 7)
    base = {
        "model": {"kind": "cnn", "channels": [3, 3], "width": 10, "biases": "first"},
        "init": {"kind": "he", "seed": 1},
        "loss": {"kind": "cross-entropy", "reduction": "mean"},
        "train": {"rule": "loss-based", "lr": 0.1, "steps": 120, "batch": 6},
        "record": {"every": 12},
        "device": {"kind": "cpu"},
    }
    held_out = {"kind": "mnist", "path": str(files), "split": "test", "classes": [0, 1, 2]}
    mnist = {"kind": "mnist", "path": str(files), "classes": [0, 1, 2], "test": held_out}
    digits = {"kind": "digits", "classes": [0, 1, 2], "n": 30, "test": {"split": 0.2}}
    summed = {**base, "loss": {"kind": "cross-entropy"}, "train": {**base["train"], "batch": 0}}
    return (
        trained({**base, "name": "mnist", "data": mnist}, folder),
        trained({**summed, "name": "digits", "data": digits}, folder),
    )


def slow_row(folder, step):
    """log10 of the average loss, q_min over the product of the layers' norms, and both accuracies, of the
    stored θ by the network itself."""
    with StoredRun(folder) as stored:
        theta, config = stored.state(step).theta, stored.config
    data = load_dataset(config.data)
    structure = network_of(config, data).structure
    shares, margins = [], []
    for part in (data, data.test):
        outputs = network_of(config, part).risk().outputs(theta)
        right = outputs[np.arange(part.n), part.y.astype(int)]
        rest = outputs.copy()
        rest[np.arange(part.n), part.y.astype(int)] = -np.inf
        margins.append(right - rest.max(axis=1))
        shares.append(float(np.mean(margins[-1] > 0)))
        if part is data:
            loss = float(np.mean(np.log1p(np.exp(rest - right[:, None]).sum(axis=1))))
    norms = 1.0
    for layer in structure.layers:
        parts = [structure.parameter(name) for name in layer.parameters]
        norms *= np.sqrt(sum(np.sum(theta[p.start : p.stop] ** 2) for p in parts))
    return np.log10(loss), margins[0].min() / norms, shares[0], shares[1]


def test_rows_are_what_the_weights_give(cli, runs):
    done = cli("table", *runs, "--at", "4,1e-0.4,1e-500,last", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    tables = json.loads(done.stdout)["tables"]
    assert [t["run"] for t in tables] == [folder.name for folder in runs]
    for folder, per_epoch, table in zip(runs, (2, 1), tables, strict=True):
        early, low, never, last = table["rows"]
        assert early["step"] == 12
        assert early["epochs"] == 12 / per_epoch
        assert low["log10_loss"] < -0.4
        assert {never[key] for key in never if key != "place"} == {None}
        assert (last["step"], last["epochs"]) == (120, 120 / per_epoch)
        for row in (early, low, last):
            loss, margin, train, test = slow_row(folder, row["step"])
            assert row["log10_loss"] == pytest.approx(loss, rel=1e-9)
            assert row["margin"] == pytest.approx(margin, rel=1e-9)
            assert (row["train_accuracy"], row["test_accuracy"]) == (train, test)


def test_text(cli, runs):
    done = cli("table", runs[0])
    lines = done.stdout.splitlines()
    assert lines[0] == runs[0].name
    assert lines[1].split("  ")[0] == "at"
    assert [line.split()[0] for line in lines[2:7]] == ["1e-10", "1e-15", "1e-20", "1e-120", "last"]
    assert "10^-" in lines[6]
    assert "100.0 %" in lines[6]
    assert "γ̄_m" in lines[7]


def test_what_was_not_recorded_is_a_dash():
    lines = as_lines("run", [Milestone("2", 2, 2.0, -0.5), Milestone("last")])
    assert lines[0] == "run"
    assert [row.split() for row in lines[1].splitlines()[1:]] == [
        ["2", "2", "10^-0.50", "–", "–", "–"],
        ["last", *"–––––"],
    ]
    assert len(lines) == 2


def test_places():
    assert [(p.epochs, p.log10_risk) for p in places("38, 1e-881.5,last")] == [
        (38, None),
        (None, -881.5),
        (None, None),
    ]
    for bad in ("", "soon", "1e10", "-3", "1e-10;2", "1" * 30):
        with pytest.raises(BadInput, match="allowed are a number of epochs"):
            places(bad)


def test_refusals_are_sentences(cli, runs):
    done = cli("table", runs[0], "--at", "soon")
    assert done.returncode == 2
    assert done.stderr.startswith("workbench: --at names 'soon'; allowed are")
    assert cli("table", "nowhere", runs=runs[0].parent).returncode == 2
