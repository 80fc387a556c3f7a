"""`workbench inspect` on finished, lost, live and foreign runs."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from cases import finished, small

from workbench.config.toml import parse_config
from workbench.record.reader import RunReader
from workbench.run.session import Session

TINY = (
    "loss.kind=square",
    "init.kind=gaussian",
    "init.scale=1e-6",
    "train.lr=1e-2",
    "checkpoint.every=200",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs = tmp_path_factory.mktemp("inspected")
    return finished(runs, *TINY).folder


def test_text(cli, folder):
    done = cli("inspect", folder, "--at", "50")
    assert done.returncode == 0
    assert done.stderr == ""
    said = ("step 50", "saddle", "a way down", "KKT points", "Small neurons", "leaves at step")
    for text in (*said, "will be the first to leave"):
        assert text in done.stdout
    assert "\x1b" not in done.stdout


def test_json(cli, folder):
    done = cli("inspect", folder, "--at", "50", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["step"] == 50
    assert found["regime"] == "origin"
    assert found["saddle"]["verdict"] == "saddle"
    assert found["groups"]["large"] == []
    assert found["kkt"]["complete"]
    assert len(found["neurons"]) == 6
    times = [n["escape_time"] for n in found["neurons"]]
    assert found["first"] == int(np.argmin([np.inf if t is None else t for t in times]))


def test_last_is_the_default(cli, folder):
    found = json.loads(cli("inspect", folder, "--json").stdout)
    assert found["step"] == 600


@pytest.mark.parametrize(
    ("at", "text"), [("7", "nearest: 0, 10, 20"), ("-3", "no step"), ("soon", "no step")]
)
def test_steps_that_are_not_there(cli, folder, at, text):
    done = cli("inspect", folder, "--at", at)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_run(cli, tmp_path):
    done = cli("inspect", "nothing", "--runs-dir", tmp_path)
    assert done.returncode == 2


def test_many_neurons_are_cut_and_counted(cli, tmp_path):
    wide = finished(tmp_path, *TINY, "model.width=30", "train.steps=20")
    done = cli("inspect", wide.folder)
    assert "and 10 more of 30 small neurons" in done.stdout


def test_a_live_run_is_only_read(cli, tmp_path):
    session = Session.create(small(*TINY, "pause.at=[100]"), tmp_path, attended=True)
    session.start()
    try:
        end = time.monotonic() + 60
        while session.engine.status != "paused" and time.monotonic() < end:
            time.sleep(0.01)
        found = json.loads(cli("inspect", session.folder, "--json").stdout)
        assert found["step"] == session.engine.state.step
        assert session.engine.status == "paused"
    finally:
        session.close()


def test_a_model_of_the_users_needs_trust(cli, tmp_path):
    values = {
        "data": {"kind": "gaussian-separable", "n": 6, "d": 2},
        "model": {
            "kind": "torch",
            "class": "torch.nn:Linear",
            "arguments": {"in_features": 2, "out_features": 1, "bias": False},
        },
        "init": {"kind": "gaussian", "scale": 0.1},
        "loss": {"kind": "logistic"},
        "train": {"steps": 20, "lr": 0.1},
        "device": {"kind": "cpu"},
    }
    with Session.create(parse_config(values, "test"), tmp_path) as session:
        session.start()
        assert session.wait(60)
    done = cli("inspect", session.folder)
    assert done.returncode == 2
    assert "--trust" in done.stderr
    trusted = cli("inspect", session.folder, "--trust")
    assert trusted.returncode == 0
    assert "1-homogeneous" in trusted.stdout


def test_json_has_the_recorded_certificate_of_the_margin_problem(cli, tmp_path):
    """ε and δ stand in the file at every record; what `inspect` finds at one of them is the same."""
    settings = (
        "data.n=6",
        "train.lr=0.05",
        "train.steps=400",
        "record.every=100",
        "init.scale=0.5",
    )
    run = finished(tmp_path, *settings).folder
    done = cli("inspect", run, "--at", "300", "--json")
    found = json.loads(done.stdout)["margin_kkt"]
    with RunReader(run) as reader:
        row = list(reader.read("step")).index(300)
        recorded = [float(reader.read(name)[row]) for name in ("kkt_epsilon", "kkt_delta")]
    np.testing.assert_allclose(recorded, [found["paper_epsilon"], found["paper_delta"]], rtol=1e-9)
