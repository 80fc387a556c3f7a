"""θ by name: arrays that a plain module of torch takes, and that are θ to the last bit."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch
import xarray
from cases import finished, small
from models.own_modules import Normalized, Plain
from models.test_descriptions import CASES, D, names
from torch import nn

from workbench.config.toml import parse_config, parse_toml, to_toml
from workbench.errors import BadInput, StorageError
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.run.session import Session
from workbench.run.stored import StoredRun

ONE_STEP = ("train.steps=1", "train.lr=1e-3", "record.every=1", "device.engine='eager'")
EVERY_KIND = list({case["kind"]: case for case in reversed(CASES)}.values())
OWN = ("model.kind='torch'", "train.steps=20", "checkpoint.every=10")


def trained(folder, case):
    """One step of a network on samples of `D` numbers."""
    rng = np.random.default_rng(0)
    y = [1, 1, 1, 1] if case["kind"] == "mexican-hat" else [1, -1, 1, -1]
    data = {"kind": "inline", "x": rng.standard_normal((4, D)).tolist(), "y": y}
    config = parse_config(
        {**parse_toml(to_toml(small(*ONE_STEP)), "test"), "data": data, "model": case}, "test"
    )
    session = Session.create(config, folder)
    with session:
        session.start()
        assert session.wait(60)
    assert session.engine.error is None
    return session.folder


def tensors(arrays):
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("case", EVERY_KIND, ids=names)
def test_every_network_is_theta_by_name(tmp_path, case):
    folder = trained(tmp_path, case)
    with StoredRun(folder) as run:
        for step in (0, 1):
            found = run.parameters(step)
            flat = np.concatenate([array.reshape(-1) for array in found.values()])
            assert flat.tobytes() == run.theta(step).tobytes()
        network = run.network()
        shapes = {p.name: p.shape for p in network.structure.parameters}
        assert {name: array.shape for name, array in found.items()} == shapes
        missing, unexpected = network.model.load_state_dict(tensors(found), strict=False)
        assert not unexpected
        assert not set(missing) & set(shapes)
        x = torch.from_numpy(run.dataset.x)
        expected = run.state(1).outputs
        with torch.no_grad():
            for model in (network.model, run.module(1)):
                assert np.array_equal(model(x).numpy().ravel(), expected.ravel())


def test_a_plain_module_takes_the_weights_of_a_run(tmp_path):
    class Twin(nn.Module):
        def __init__(self):
            super().__init__()
            self.u, self.v = nn.Parameter(torch.zeros(6, 2)), nn.Parameter(torch.zeros(6))

        def forward(self, x):
            return torch.relu(x @ self.u.T) @ self.v

    folder = finished(tmp_path, "train.steps=20").folder
    with StoredRun(folder) as run:
        twin = Twin().double()
        twin.load_state_dict(tensors(run.parameters()))
        x = torch.from_numpy(run.dataset.x)
        with torch.no_grad():
            margins = twin(x).numpy() * run.dataset.y
        assert margins == pytest.approx(run.state().outputs * run.dataset.y, rel=1e-12)


@pytest.mark.parametrize("cls", [Plain, Normalized])
def test_a_module_of_ones_own_takes_them_under_its_own_names(tmp_path, cls):
    path = f"tests.models.own_modules:{cls.__name__}"
    folder = finished(tmp_path, *OWN, f"model.class='{path}'").folder
    with StoredRun(folder) as run:
        found = run.parameters(20)
        assert {"a.weight", "b.weight"} <= set(found)
        assert (
            np.concatenate([a.ravel() for a in found.values()]).tobytes() == run.theta(20).tobytes()
        )
        with pytest.raises(BadInput, match="--trust"):
            run.module(20)
        module = run.module(20, trust=True)
        twin = cls().double()
        twin.load_state_dict(module.state_dict())
        for name, array in found.items():
            assert twin.get_parameter(name).detach().numpy().tobytes() == array.tobytes()
        x = torch.from_numpy(run.dataset.x)
        with torch.no_grad():
            assert torch.equal(twin.eval()(x), module.eval()(x))


def test_the_names_stand_in_the_file_and_in_every_checkpoint(tmp_path):
    folder = finished(tmp_path, "train.steps=20", "checkpoint.every=10").folder
    with xarray.open_dataset(folder / "run.h5", group="parameter", engine="h5netcdf") as table:
        assert table.sizes == {"name": 2}
        assert table["name"].values.tolist() == [b"u", b"v"]
        assert table["shape"].sel(name=b"u").item() == b"6,2"
        assert table["offset"].values.tolist() == [0, 12]
    for _, path in list_checkpoints(folder):
        named = json.loads(load_checkpoint(path).attributes["parameters"])
        assert named == [["u", [6, 2], 0], ["v", [6], 12]]


def test_a_run_of_before_is_named_by_its_network(tmp_path):
    folder = finished(tmp_path, "train.steps=20").folder
    own = finished(tmp_path, *OWN, "model.class='tests.models.own_modules:Plain'").folder
    with StoredRun(folder) as run:
        before = run.parameters(10)
    for path in (folder, own):
        with h5py.File(path / "run.h5", "r+") as file:
            del file["start"], file["parameter"]
    with StoredRun(folder) as run:
        assert {n: a.tobytes() for n, a in run.parameters(10).items()} == {
            n: a.tobytes() for n, a in before.items()
        }
    with StoredRun(own) as run:
        with pytest.raises(BadInput, match="--trust"):
            run.parameters()
        assert list(run.parameters(trust=True)) == ["a.weight", "b.weight"]


def test_names_that_are_not_of_theta_are_refused(tmp_path):
    folder = finished(tmp_path, "train.steps=20").folder
    with StoredRun(folder) as run:
        run.start.__dict__["parameters"] = run.start.parameters[:1]
        with pytest.raises(StorageError, match="18 parameters, and its names are not of them"):
            run.parameters()
