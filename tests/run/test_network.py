"""From a configuration and samples to one network, whoever asks."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished, small, stored_state

from workbench.config.toml import parse_config, to_toml
from workbench.data.dataset import Dataset
from workbench.errors import BadInput
from workbench.figures.network import network_for
from workbench.figures.series import RunSeries
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.homogeneity import report
from workbench.run.network import network_of
from workbench.run.session import Session
from workbench.run.stored import StoredRun

CLASSES = {
    "data": {
        "kind": "inline",
        "x": [[1.0, 0.5], [-1.0, 0.5], [0.2, -1.0], [0.9, 0.4]],
        # No sample of class 1.
        "y": [0, 2, 3, 0],
    },
    "model": {"kind": "deep-linear", "width": 5, "depth": 2},
    "init": {"kind": "gaussian", "scale": 0.2},
    "loss": {"kind": "cross-entropy"},
    "train": {"lr": 1e-2, "steps": 20},
    "record": {"every": 10},
    "device": {"kind": "cpu"},
}


def test_a_class_without_samples_has_an_output_everywhere(tmp_path):
    """Four outputs for labels up to 3, in training, figures, looking and the report."""
    config = parse_config(CLASSES, "test")
    made = experiment_of(config)
    with Session.create(config, tmp_path) as session:
        session.start()
        assert session.wait(60)
    assert session.engine.error is None
    with RunReader(session.folder) as reader:
        drawn = network_for(RunSeries(reader), "mapped")
    with StoredRun(session.folder) as run:
        looked = run.network()
    path = tmp_path / "classes.toml"
    path.write_text(to_toml(config))
    size = report(str(path), "2", []).structure.size
    assert made.network.outputs == drawn.outputs == looked.outputs == 4
    assert size == made.structure.size == drawn.structure.size == looked.structure.size


def test_a_state_needs_no_start(tmp_path):
    """The file that a run's weights came from may be gone when it is looked at."""
    start = tmp_path / "start.npz"
    rng = np.random.default_rng(2)
    np.savez(start, u=0.1 * rng.standard_normal((6, 2)), v=0.1 * rng.standard_normal(6))
    folder = finished(tmp_path / "runs", f"init={{kind='file', path='{start}'}}").folder
    start.unlink()
    with RunReader(folder) as reader:
        last = float(reader.read("log_risk")[-1])
    assert stored_state(folder).log_risk == pytest.approx(last, rel=1e-13)


def test_a_theta_of_another_network_is_refused():
    config = small()
    network = network_of(config, Dataset(np.eye(2), np.array([1.0, -1.0]), "test"))
    with pytest.raises(BadInput, match=r"3 numbers, and the network of .* 18 parameters"):
        network.state(np.zeros(3))


def test_a_state_is_of_the_network_without_touching_it():
    made = experiment_of(small())
    theta = made.state.theta.numpy().copy()
    state = made.inspected(theta + 1.0, step=4, time=0.5)
    assert made.state.theta.numpy().tobytes() == theta.tobytes()
    assert (state.step, state.time, state.learning_rate, state.last_step) == (4, 0.5, 5e-3, 600)
    assert made.inspected(theta, step=0, step_size=0.25).learning_rate == 0.25
