"""Held-out samples of a run: they change no bit of it, and what is measured of them is what a loop gives."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from cases import finished, small

from workbench.engine.programs import blocks
from workbench.errors import BadInput, StorageError
from workbench.measures.held_out import HeldOut
from workbench.models.network import flatten
from workbench.record.export import export_run
from workbench.record.reader import RunReader
from workbench.run.member_run import run_members
from workbench.run.robustness import robustness_of
from workbench.run.session import Session
from workbench.run.stored import StoredRun

SPLIT = ("data.n=40", "data.test.split=0.25")
QUICK = ("train.steps=60", "checkpoint.every=20")
TEST = {"test_log_risk", "test_accuracy", "test_margin_normalized"}
CLASSES = (
    "data.kind=digits",
    "data.classes=[0,1,2]",
    "data.n=60",
    "data.test={split=0.3, seed=2}",
    "model.kind=deep-relu",
    "model.widths=[5]",
    "loss.kind=cross-entropy",
    "loss.reduction=mean",
)


def recorded(folder):
    with RunReader(folder) as reader:
        return {name: reader.read(name) for name in reader.series_names()}


def bits(folder):
    return {name: values.tobytes() for name, values in recorded(folder).items()}


@pytest.mark.parametrize("engine", ["kernel", "eager"])
def test_the_training_has_the_bits_that_it_has_without_them(tmp_path, engine):
    more = (*QUICK, f"device.engine={engine}", "train.batch=8", "record.every=auto")
    folder = finished(tmp_path, *SPLIT, *more).folder
    with StoredRun(folder) as run:
        data = run.dataset
    np.savez(tmp_path / "training.npz", x=data.x, y=data.y)
    path = f"data.path={tmp_path / 'training.npz'}"
    twin = finished(tmp_path, "data.kind=npz", path, *more).folder
    with_test, without = bits(folder), bits(twin)
    assert with_test.keys() - without.keys() == TEST
    assert {name: with_test[name] for name in without} == without


@pytest.mark.parametrize(("settings", "summed"), [(SPLIT, True), (CLASSES, False)])
def test_they_are_measured_as_a_loop_over_the_recorded_weights_measures(tmp_path, settings, summed):
    folder = finished(tmp_path, *settings, *QUICK).folder
    found = recorded(folder)
    with StoredRun(folder) as run:
        test, n = run.dataset.test, run.dataset.n
        network = run.network()
    order, model = network.homogeneity.order, network.model
    flat = flatten(model, torch.float64, torch.device("cpu"))
    for row, theta in enumerate(found["theta"]):
        flat.copy_(torch.from_numpy(theta))
        with torch.no_grad():
            outputs = [model(torch.from_numpy(x[None]))[0].numpy() for x in test.x]
        losses, margins = [], []
        for out, label in zip(outputs, test.y, strict=True):
            if out.ndim:
                losses.append(np.log(np.sum(np.exp(out - out[int(label)]))))
                margins.append(out[int(label)] - max(np.delete(out, int(label))))
            else:
                losses.append(np.log1p(np.exp(-label * out)))
                margins.append(label * out)
        risk = np.mean(losses) * (n if summed else 1)
        assert found["test_log_risk"][row] == pytest.approx(np.log(risk), rel=1e-12)
        assert found["test_accuracy"][row] == np.mean(np.array(margins) > 0)
        smallest = min(margins) / np.linalg.norm(theta) ** order
        assert found["test_margin_normalized"][row] == pytest.approx(smallest, rel=1e-10)


def test_a_run_goes_on_with_them_to_the_last_bit_and_reads_no_file_again(tmp_path):
    rng = np.random.default_rng(4)
    path = tmp_path / "test.npz"
    np.savez(path, x=rng.standard_normal((9, 2)), y=np.where(rng.random(9) < 0.5, -1, 1))
    settings = (f"data.test={{kind='npz', path='{path}'}}", "checkpoint.every=20")
    folder = finished(tmp_path, *settings, "train.steps=40").folder
    twin = finished(tmp_path, *settings, "train.steps=80").folder
    path.unlink()
    with StoredRun(folder) as run:
        assert [source.key for source in run.start.sources] == ["data.test.path"]
    with Session.resume(folder, steps=80) as session:
        session.start()
        assert session.wait(60)
    assert bits(folder) == bits(twin)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('x = "x"', 'x = "z"'))
    with pytest.raises(BadInput, match=r"says data\.test\.x = z, and the run was begun with x;"):
        Session.resume(folder, steps=120)


@pytest.mark.parametrize("name", ["Normalized", "Dropping"])
def test_a_network_that_is_asked_drops_nothing_and_keeps_its_statistics(tmp_path, name):
    model = ("model.kind=torch", f"model.class=tests.models.own_modules:{name}", *SPLIT)
    settings = (*model, "checkpoint.every=20", "init.kind=he")
    whole = finished(tmp_path, *settings, "train.steps=60").folder
    part = finished(tmp_path, *settings, "train.steps=40").folder
    with Session.resume(part, steps=60, trust=True) as session:
        session.start()
        assert session.wait(60)
    assert bits(part) == bits(whole)
    with StoredRun(whole) as run:
        network, test = run.network(trust=True), run.dataset.test
        memory, theta = run.buffers(60, network.model), run.theta(60)
    asked = HeldOut(network.model, test, torch.float64, torch.device("cpu"))
    outputs = asked.outputs(theta, memory)
    assert recorded(whole)["test_accuracy"][-1] == np.mean(test.y * outputs > 0)


def test_many_samples_go_through_block_by_block(tmp_path, monkeypatch):
    whole = recorded(finished(tmp_path, *SPLIT, *QUICK).folder)
    seen = []
    outputs_of = blocks.outputs_of
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 40)
    monkeypatch.setattr(
        blocks, "outputs_of", lambda m, x, size: seen.append(size) or outputs_of(m, x, size)
    )
    cut = recorded(finished(tmp_path, *SPLIT, *QUICK).folder)
    assert 1 <= min(seen) < 10
    np.testing.assert_allclose(cut["test_log_risk"], whole["test_log_risk"], rtol=1e-13)


@pytest.mark.parametrize("key", ["init.seed", "data.test.seed", "data.seed"])
def test_members_have_the_bits_of_their_runs(tmp_path, key):
    settings = (*SPLIT, "train.steps=60")
    members = run_members(
        small(*settings), [{key: 5}, {key: 6}], series=("log_risk", *sorted(TEST))
    )
    for k, value in enumerate((5, 6)):
        alone = recorded(finished(tmp_path, *settings, f"{key}={value}").folder)
        for name in TEST:
            assert members.series[name][:, k].tobytes() == alone[name].tobytes()


def test_they_are_kept_exported_and_checked(tmp_path):
    folder = finished(tmp_path, *CLASSES, *QUICK).folder
    export_run(folder, tmp_path / "out.h5")
    export_run(folder, tmp_path / "out.nc")
    with RunReader(folder) as reader, RunReader(tmp_path / "out.h5") as copy:
        (x, y), (other_x, other_y) = reader.test, copy.test
    assert x.shape == (18, 64)
    assert (x.tobytes(), y.tobytes()) == (other_x.tobytes(), other_y.tobytes())
    with h5py.File(tmp_path / "out.nc") as file:
        assert file["data/test/x"][()].tobytes() == x.tobytes()
        assert "test_accuracy" in file
    with h5py.File(folder / "run.h5") as file:
        assert file["data/test/x"].dtype == np.uint8
    with h5py.File(folder / "run.h5", "r+") as file:
        file["data/test/y"].attrs["sha256"] = "0" * 64
    with RunReader(folder) as reader, pytest.raises(StorageError, match="data/test/y does not"):
        _ = reader.test


def test_robustness_looks_at_them_where_it_is_asked_to(tmp_path):
    folder = finished(tmp_path, *SPLIT, *QUICK).folder
    plain = finished(tmp_path, *QUICK).folder
    with StoredRun(folder) as run, StoredRun(plain) as other:
        test, training = run.dataset.test, run.state()
        found = robustness_of(run, samples=99, on="test")
        q = test.y * training.risk.outputs_at(training.theta, test.x)
        assert found.margin == pytest.approx(q, rel=1e-12)
        assert (found.on, found.as_json()["on"]) == ("test", "test")
        assert found.log10_risk == pytest.approx(training.log_risk / np.log(10))
        with pytest.raises(BadInput, match=r"has no held-out samples; allowed is --on train"):
            robustness_of(other, samples=9, on="test")
