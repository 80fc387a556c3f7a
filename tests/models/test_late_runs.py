"""Every late-phase network through `workbench run` without a screen: resuming, inspecting, the flow."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tomli_w
from typer.testing import CliRunner

from commands.main import app
from workbench.record.reader import RunReader
from workbench.run.session import Session

CIRCLES = {"kind": "two-circles", "n": 12}
PLANAR = {"kind": "jt20-planar", "n": 20}
DIGITS = {"kind": "digits", "n": 60}
INLINE = {"kind": "inline", "x": [[0.25, 0.7, -0.25, 0.7], [0.3, 0.6, 0.1, 0.9]], "y": [1, 1]}
MASKS = [[[1, 1, 0, 0], [0, 0, 1, 1]], [[1, 1]]]
CNN = {"kind": "cnn", "channels": [3, 4], "width": 8}
RESIDUAL = {"kind": "residual", "width": 6, "blocks": 2}
HAT = {"kind": "inline", "x": [[1.0, 0.0]], "y": [1.0]}
KINDS = {
    "deep-linear": (CIRCLES, {"kind": "deep-linear", "width": 3, "depth": 4}, "logistic", 4.0),
    "deep-linear by classes": (DIGITS, {"kind": "deep-linear", "widths": [5]}, "cross-entropy", 2.0),
    "diagonal": (PLANAR, {"kind": "diagonal", "depth": 3}, "exponential", 3.0),
    "sparse": (INLINE, {"kind": "sparse", "masks": MASKS, "activation": "relu"}, "logistic", 2.0),
    "shared-patches": (INLINE, {"kind": "shared-patches"}, "logistic", 2.0),
    "skip-linear": (INLINE, {"kind": "skip-linear", "width": 2}, "exponential", None),
    "mexican-hat": (HAT, {"kind": "mexican-hat", "order": 2.0}, "exponential", 2.0),
    "cnn": (DIGITS, CNN, "cross-entropy", 4.0),
    "cnn with biases": (DIGITS, CNN | {"biases": "all"}, "cross-entropy", None),
    "alexnet": (
        DIGITS,
        {"kind": "alexnet", "channels": [3, 4], "widths": [8, 7]},
        "cross-entropy",
        5.0,
    ),
    "vgg": (DIGITS, {"kind": "vgg", "channels": [8, 8, 8, 8, 8]}, "cross-entropy", 14.0),
    "residual": (DIGITS, RESIDUAL, "cross-entropy", None),
    "residual of pictures": (
        DIGITS,
        RESIDUAL | {"filters": "convolution", "width": 4},
        "cross-entropy",
        None,
    ),
    "residual without more": (
        PLANAR,
        {"kind": "residual", "width": 5, "biases": "none", "batch_norm": False},
        "logistic",
        None,
    ),
    "ntk": (
        PLANAR,
        {"kind": "ntk", "base": {"kind": "squared-relu", "width": 9, "signs": "random"}},
        "logistic",
        1.0,
    ),
    "ntk of pictures": (DIGITS, {"kind": "ntk", "base": CNN}, "cross-entropy", 1.0),
    "ntk with its constant": (
        PLANAR,
        {"kind": "ntk", "base": {"kind": "deep-relu", "widths": [4]}, "constant": True},
        "logistic",
        None,
    ),
}  # fmt: skip


# Starts at which no ReLU is dead.
STARTS = {
    "shared-patches": {"kind": "inline", "values": {"w": [0.1, 1.0], "v": [0.7, 0.8]}},
    "sparse": {"kind": "inline", "values": {"w1": [0.5, 0.5, 0.4, 0.6], "w2": [0.6, 0.7]}},
    "ntk": {"kind": "gaussian", "scale": 1e-3},
}


def written(folder, kind, **train):
    data, model, loss, _ = KINDS[kind]
    start = STARTS.get(model["kind"], {"kind": "he", "seed": 3})
    table = {
        "data": data,
        "model": model,
        "init": start,
        "loss": {"kind": loss},
        "train": {"lr": 1e-3, "steps": 24, **({"batch": 20} if data is DIGITS else {}), **train},
        "record": {"every": 4},
        "checkpoint": {"every": 8, "keep": 9},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
    }
    path = folder / "run.toml"
    path.write_text(tomli_w.dumps(table))
    return path


def run(folder, *arguments):
    settings = ["--headless", "--json", "--runs-dir", str(folder)]
    done = CliRunner().invoke(app, ["run", *map(str, arguments), *settings])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def series(folder):
    with RunReader(folder) as reader:
        order = reader.attributes["homogeneity"]
        return {n: np.asarray(reader.read(n)) for n in reader.series_names()}, order


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_run_and_its_resumption_to_the_last_bit(tmp_path, kind):
    path = written(tmp_path, kind)
    whole, order = series(run(tmp_path / "whole", path)["path"])
    wanted = KINDS[kind][3]
    assert np.isnan(order) if wanted is None else order == wanted
    assert whole["step"].tolist() == list(range(0, 25, 4))
    assert whole["log_risk"][-1] < whole["log_risk"][0], "the risk did not fall"
    assert ("margins" in whole) == (wanted is not None)
    assert ("margin_multi" in whole) == (wanted is not None)
    assert ("margins_median_normalized" in whole) == (wanted is None)
    part = run(tmp_path / "part", path, "--steps", "12")
    with Session.resume(tmp_path / "part" / part["run_id"], steps=24) as session:
        session.start()
        assert session.wait(60)
    rest, _ = series(session.folder)
    assert rest.keys() == whole.keys()
    for name, values in whole.items():
        assert values.tobytes() == rest[name].tobytes(), name


@pytest.mark.parametrize(
    "kind", ["deep-linear", "diagonal", "ntk", "cnn", "skip-linear", "residual"]
)
def test_what_is_inside_can_be_asked(tmp_path, kind):
    found = run(tmp_path, written(tmp_path, kind))
    done = CliRunner().invoke(app, ["inspect", found["path"], "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["step"] == 24


@pytest.mark.parametrize("kind", ["deep-linear", "diagonal", "ntk", "shared-patches"])
def test_the_flow_takes_them(tmp_path, kind):
    path = written(tmp_path, kind, rule="flow", steps=40, until={"log10_risk": -3.0})
    before, _ = series(run(tmp_path / "runs", path)["path"])
    assert before["log_risk"][-1] < before["log_risk"][0]
    smoothed = before["margin_smoothed"][before["log_risk"] < np.log(np.log(2.0))]
    assert (np.diff(smoothed) >= -1e-9).all(), "γ~ fell under the flow (LL20 Theorem 4.1)"


def test_one_output_is_refused_for_many_classes(tmp_path):
    path = written(tmp_path, "ntk")
    settings = ["--set", "loss.kind=cross-entropy", "--runs-dir", str(tmp_path)]
    done = CliRunner().invoke(app, ["run", str(path), "--headless", *settings])
    assert done.exit_code != 0
    assert "model.base.kind 'squared-relu' has one output" in str(done.exception)
