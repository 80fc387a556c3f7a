"""Neuron pursuit of a configuration: refusals, its file, and a run beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from workbench.errors import BadInput, StorageError
from workbench.presets import load_config
from workbench.record.pursuit_file import read_pursuit, write_pursuit
from workbench.run.pursued import Options, PursuitTask, neuron_weights
from workbench.run.pursuing import Pursuing
from workbench.run.session import Session

STAIRS = ["init.scale=1e-8", "train.steps=8000", "device.kind=cpu", "pause.at_saddle=false"]


def pursuing(source, *settings):
    return Pursuing.of(load_config(source, settings), source)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = load_config("kh24-saddle-to-saddle", STAIRS)
    with Session.create(config, tmp_path_factory.mktemp("pursued")) as session:
        session.start()
        assert session.wait(120)
    return session.folder


@pytest.fixture(scope="module")
def beside(run):
    return PursuitTask(pursuing("kh24-saddle-to-saddle"), Options(), run).compute()


def test_the_run_passes_the_saddles_that_are_pursued(beside):
    risks = [10 ** beside.log10_risk(stage) for stage in beside.stages[:3]]
    assert risks == pytest.approx([3.50551, 1.09939, 0.270227], rel=1e-4)
    assert beside.complete
    found = beside.beside
    assert found.in_order
    assert max(visit.distance for visit in found.visits) < 0.02
    assert max(visit.angle for visit in found.visits[1:3]) < 2.0
    assert found.step[0] < 1_000 < found.step[1] < found.step[2]
    # The curve of the flow between stages falls from the risk at 0 to the last one's.
    time, log10_risk = beside.curve()
    assert (np.diff(time) >= 0).all()
    assert log10_risk[0] == pytest.approx(np.log10(3.50551), rel=1e-4)
    assert log10_risk[-1] == pytest.approx(beside.log10_risk(beside.stages[-1]), rel=1e-14)


def test_the_mean_of_the_loss_scales_risk_and_time():
    whole = PursuitTask(pursuing("kh24-saddle-to-saddle"), Options()).compute()
    mean = PursuitTask(
        pursuing("kh24-saddle-to-saddle", "loss.reduction=mean"), Options()
    ).compute()
    assert mean.log10_risk(mean.stages[1]) == pytest.approx(
        whole.log10_risk(whole.stages[1]) - np.log10(24)
    )
    assert mean.curve()[0][-1] == pytest.approx(24 * whole.curve()[0][-1])


def test_a_kept_pursuit_is_the_same_again(beside, tmp_path):
    path = tmp_path / "stages.json"
    write_pursuit(path, beside)
    again = read_pursuit(path)
    assert again.as_json() == beside.as_json()
    assert again.stages[0].weights.shape == (0, 2)
    empty = PursuitTask(pursuing("kh24-saddle-to-saddle"), Options(fitted=1.0)).compute()
    write_pursuit(path, empty)
    assert read_pursuit(path).as_json() == empty.as_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "holds no neuron pursuit"),
        ("[]", "does not say that it is one"),
        ('{"pursuit": 2}', "of version 1"),
        ('{"pursuit": 1}', "stages"),
    ],
)
def test_what_is_no_pursuit_is_refused(text, said, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(StorageError, match=said):
        read_pursuit(path)


def test_damage_within_is_refused(beside, tmp_path):
    path = tmp_path / "x.json"
    for place, value in (("signs", [1.0]), ("weights", [1.0]), ("risk", None), ("time", [0.0])):
        table = json.loads(json.dumps(beside.as_json()))
        table["stages"][2][place] = value
        path.write_text(json.dumps(table))
        with pytest.raises(StorageError, match="holds no neuron pursuit"):
            read_pursuit(path)
    table = json.loads(json.dumps(beside.as_json()))
    del table["against"]["visits"][0]
    path.write_text(json.dumps(table))
    with pytest.raises(StorageError, match="another number of stages"):
        read_pursuit(path)
    with pytest.raises(BadInput, match="there is no file"):
        read_pursuit(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("source", "settings", "said"),
    [
        ("two-layer-relu-logistic", [], "allowed: 'square'"),
        ("kh24-fig1", ["model.kind=deep-relu", "model.widths=[4,4]"], "model.kind 'deep-relu'"),
        ("kh24-fig1", ["train.weight_decay=0.1"], "weight_decay = 0.1"),
        ("vss22-4.1", ["loss.kind=square"], "model.kind 'diagonal'"),
    ],
)
def test_what_cannot_be_pursued_is_refused_in_a_sentence(source, settings, said):
    with pytest.raises(BadInput, match=said):
        pursuing(source, *settings)


def test_a_run_of_other_samples_or_neurons_is_refused(run, beside):
    del beside
    with pytest.raises(BadInput, match="other samples"):
        PursuitTask(pursuing("kh24-fig1"), Options(), run).compute()
    other = pursuing("kh24-saddle-to-saddle", "model.leak=0.5")
    with pytest.raises(BadInput, match="other neurons"):
        PursuitTask(other, Options(), run).compute()


def test_a_cancelled_pursuit_is_put_beside_nothing(run):
    found = PursuitTask(pursuing("kh24-saddle-to-saddle"), Options(), run).compute(
        cancel=lambda: True
    )
    assert found.end == "cancelled"
    assert found.beside is None


def test_weights_of_two_layers_have_v_first():
    task = pursuing("kh24-relu")
    from workbench.run.network import network_of

    config = load_config("kh24-relu")
    network = network_of(config, replace(_dataset(config)))
    theta = np.random.default_rng(0).normal(size=(3, network.structure.size))
    weights, signs = neuron_weights(network.structure, theta)
    assert weights.shape == (3, 20, 3)
    assert weights[1] == pytest.approx(network.state(theta[1]).weights)
    assert signs.tolist() == [1.0] * 20
    assert task.available == {1.0: 20}


def _dataset(config):
    from workbench.data.load import load_dataset

    return load_dataset(config.data)
