"""`workbench optimal`: the card, its JSON, and the states for which there is no verdict."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
from rich.console import Console

from commands import optimal as command
from commands import patience
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.presets import load_config
from workbench.run.session import Session
from workbench.theory.optimality.verdict import Better, LayerVerdict, Optimality


def trained(runs, preset, *settings):
    """A preset's run with settings, to its end."""
    values = parse_toml(to_toml(load_config(preset)), preset)
    config = parse_config(override(values, ["device.kind=cpu", *settings]), "test")
    with Session.create(config, runs) as session:
        session.start()
        assert session.wait(60)
    return session.folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("optimal")


@pytest.fixture(scope="module")
def one_neuron(runs):
    return trained(runs, "vss22-3.2")


def test_the_card(cli, one_neuron):
    done = cli("optimal", one_neuron)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    for text in (
        "step ",
        "not local",
        "no local optimum of the max-margin problem",
        "‖θ~‖²",
        "shortest ‖θ'‖² known",
        "Feasible points of smaller norm",
        "Each layer by itself",
    ):
        assert text in done.stdout


def test_json(cli, one_neuron):
    done = cli("optimal", one_neuron, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert {"verdict", "norm2", "better", "bound", "layers", "reason", "step"} <= found.keys()
    assert found["verdict"] == "not local"
    assert found["norm2"] == pytest.approx(8.0, rel=1e-9)
    better = found["better"]
    assert max(better["norm2"]) < 8.0
    assert min(better["distances"]) < 1e-4
    assert np.shape(better["values"]) == (len(better["norm2"]), 6)
    assert [layer["name"] for layer in found["layers"]] == ["u", "v"]


def test_json_can_be_checked_again(cli, one_neuron):
    """θ~ by parameter, with which margins, norm and multipliers hold (LL20 Definition of KKT points)."""
    found = json.loads(cli("optimal", one_neuron, "--json").stdout)
    theta = found["theta"]
    assert list(theta) == ["u", "v"]
    u, v = np.array(theta["u"]), np.array(theta["v"])
    assert (u.shape, v.shape) == ((2, 2), (2,))
    x, y = np.array([[1.0, 0.25], [-1.0, 0.25]]), np.array([1.0, 1.0])
    height = x @ u.T
    q = y * (np.maximum(height, 0.0) @ v)
    assert q.min() >= 1.0 - 1e-9
    assert (u**2).sum() + (v**2).sum() == pytest.approx(found["norm2"], rel=1e-12)
    pull = np.array(found["multipliers"]) * y
    in_u = ((height > 0) * pull[:, None]).T @ x * v[:, None]
    in_v = pull @ np.maximum(height, 0.0)
    assert np.abs(in_u - u).max() < 1e-7
    assert np.abs(in_v - v).max() < 1e-7


REFUSED = {
    "before the samples are separated": ((), ("--at", "0"), "not separated"),
    "a step that is not stored": ((), ("--at", "100000"), "nearest"),
    "no step": ((), ("--at", "soon"), "no step"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_of_a_step(cli, runs, what):
    folder = runs / "wrong"
    if not folder.is_dir():
        start = "init.values.u=[[-0.1, -1.0], [0.1, -1.0]]"
        trained(runs, "vss22-3.2", start, "train.steps=0", "name=wrong").rename(folder)
    _, options, text = REFUSED[what]
    refused(cli("optimal", folder, *options), text)


def refused(done, text):
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_networks_without_the_problem(cli, runs):
    skip = trained(runs, "vss22-6.1", "train.steps=20")
    refused(cli("optimal", skip), "not homogeneous")
    square = trained(runs, "kh24-fig2", "train.steps=20", "checkpoint.every=20")
    refused(cli("optimal", square), "square loss")


def test_a_leak_below_0(cli, runs):
    """model.leak allows (−1, 1], the certificates [0, 1]."""
    start = "init.values.u=[[0.5, 1.0], [-0.5, 1.0]]"
    folder = trained(runs, "vss22-3.2", start, "model.leak=-0.2", "train.steps=0", "name=bent")
    refused(cli("optimal", folder), "model.leak is -0.2")


def test_an_unknown_run(cli, tmp_path):
    refused(cli("optimal", "nothing", "--runs-dir", tmp_path), "nothing")


def test_inseparable_samples_of_a_linear_network(cli, runs):
    """The run goes on to its end; then every look says what is missing."""
    folder = trained(
        runs,
        "vss22-3.1",
        'data={kind = "inline", x = [[1.0, 0.5], [-1.0, -0.5], [0.2, 1.0]], y = [1.0, 1.0, 1.0]}',
        "train.steps=200",
    )
    refused(cli("optimal", folder), "not separated")
    looked = cli("inspect", folder)
    assert looked.returncode == 0
    assert "not separated" in looked.stdout


def test_words_of_every_verdict():
    theta, ones = np.ones(2), np.ones(1)
    for verdict, words in command.WORDS.items():
        better = Better(np.ones((30, 2)), np.linspace(1.5, 1.9, 30), np.geomspace(1, 1e-6, 30), "x")
        layers = (LayerVerdict("[w1]", verdict, 1.0, 0.0, None, "[reason]"),)
        found = Optimality(
            verdict,
            2.0,
            better,
            1.0,
            1.1,
            layers,
            "because [of] this",
            theta,
            ones,
            1e-16,
            ("note",),
        )
        out = io.StringIO()
        command.show(found, Console(file=out, width=100))
        text = out.getvalue()
        for part in (words, "because [of] this", "note", "and 18 more", "1.5", "[w1]", "[reason]"):
            assert part in text, part


def test_patience_speaks_once_it_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(patience, "MOMENT", 0.01)
    with patience.patience("still looking"):
        time.sleep(0.2)
    captured = capsys.readouterr()
    assert captured.err == "still looking\n"
    assert captured.out == ""
    monkeypatch.setattr(patience, "MOMENT", 10.0)
    with patience.patience("still looking"):
        pass
    assert capsys.readouterr().err == ""
