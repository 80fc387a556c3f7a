"""A run goes on from its own start: what it was made from may be gone, changed or be edited by hand."""

from __future__ import annotations

import shutil
import sys

import h5py
import numpy as np
import pytest
from cases import finished, small, stored_state

from workbench.config.toml import parse_config, parse_toml
from workbench.errors import BadInput, StorageError
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.run.session import Session
from workbench.run.stored import StoredRun

QUICK = ("train.steps=40", "checkpoint.every=20")


def trained(session: Session) -> Session:
    with session:
        session.start()
        assert session.wait(120), "the engine did not end"
    return session


def recorded(folder) -> dict[str, bytes]:
    with RunReader(folder) as reader:
        return {name: reader.read(name).tobytes() for name in reader.series_names()}


def weights(path, seed=0):
    rng = np.random.default_rng(seed)
    np.savez(path, u=0.3 * rng.standard_normal((6, 2)), v=0.3 * rng.standard_normal(6))
    return f"init.path='{path}'"


@pytest.fixture
def from_file(tmp_path):
    """A run from weights in a file, and the settings of its twin."""
    setting = weights(tmp_path / "start.npz")
    settings = ("init.kind='file'", setting, "init.noise=0.01", *QUICK)
    return finished(tmp_path, *settings).folder, settings


@pytest.mark.parametrize("fate", ["gone", "changed"])
def test_a_start_from_a_file_is_kept(tmp_path, from_file, fate):
    folder, settings = from_file
    twin = finished(tmp_path / "twin", *settings, "train.steps=80").folder
    path = tmp_path / "start.npz"
    path.unlink() if fate == "gone" else weights(path, 1)
    assert stored_state(folder, 0).theta.size == 18
    trained(Session.resume(folder, steps=80))
    assert recorded(folder) == recorded(twin)
    trained(Session.resume(folder, restart=True))
    assert recorded(folder) == recorded(twin)
    fork = trained(Session.fork(folder, 20, tmp_path, settings=["train.lr=0.01", "train.steps=40"]))
    with StoredRun(folder) as run, StoredRun(fork.folder) as other:
        assert other.start.theta.tobytes() == run.start.theta.tobytes()
        assert [s.key for s in other.start.sources] == ["init.path"]
        assert other.start.sources == run.start.sources


def test_a_start_that_is_read_again_must_be_the_same_file(tmp_path, from_file):
    folder, _ = from_file
    weights(tmp_path / "start.npz", 1)
    with pytest.raises(
        BadInput, match=r"init\.path: '.*start\.npz' has changed.*sha256 \w{64}, now"
    ):
        Session.fork(folder, 20, tmp_path, settings=["init.noise=0.02"])


def stripped(folder, *names):
    """The run's file as before its start was kept."""
    with h5py.File(folder / "run.h5", "r+") as file:
        for name in ("start", "parameter", *names):
            del file[name]


def test_an_older_run_goes_on_from_what_it_recorded(tmp_path, from_file):
    folder, settings = from_file
    stripped(folder)
    (tmp_path / "start.npz").unlink()
    trained(Session.resume(folder, steps=80))
    weights(tmp_path / "start.npz")
    assert recorded(folder) == recorded(
        finished(tmp_path / "twin", *settings, "train.steps=80").folder
    )


def test_an_older_run_without_parameters_reads_the_file_and_holds_it_against_its_records(tmp_path):
    setting = weights(tmp_path / "start.npz")
    settings = ("init.kind='file'", setting, *QUICK, "record.theta=false")
    folder = finished(tmp_path, *settings).folder
    stripped(folder)
    kept = tmp_path / "kept.npz"
    (tmp_path / "start.npz").rename(kept)
    with pytest.raises(BadInput, match="does not exist"):
        Session.resume(folder, steps=80)
    assert stored_state(folder).theta.size == 18
    weights(tmp_path / "start.npz", 1)
    with pytest.raises(BadInput, match=r"is not what run .* was recorded at step 0"):
        Session.resume(folder, steps=80)
    shutil.copy(kept, tmp_path / "start.npz")
    trained(Session.resume(folder, steps=80))
    twin = finished(tmp_path / "twin", *settings, "train.steps=80").folder
    assert recorded(folder) == recorded(twin)


def test_a_kernel_at_weights_from_a_file_is_kept(tmp_path):
    weights(tmp_path / "start.npz")
    settings = (
        "model.kind='ntk'",
        "model.base={kind='two-layer-relu', width=6}",
        f"model.start={{kind='file', path='{tmp_path / 'start.npz'}'}}",
        *QUICK,
    )
    folder = finished(tmp_path, *settings).folder
    twin = finished(tmp_path / "twin", *settings, "train.steps=80").folder
    (tmp_path / "start.npz").unlink()
    stored_state(folder)
    trained(Session.resume(folder, steps=80))
    assert recorded(folder) == recorded(twin)


MODULE = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 1, bias=False)
        self.register_buffer("scale", torch.tensor([SCALE]))
    def forward(self, x):
        return self.scale * self.inner(x)
"""


def test_a_module_that_changed_is_told_and_its_buffers_are_the_starts(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "changing_net.py"
    file.write_text(MODULE.replace("SCALE", "2.0"))
    settings = ("model.kind='torch'", "model.class='changing_net:Net'", *QUICK)
    folder = finished(tmp_path, *settings).folder
    twin = finished(tmp_path / "twin", *settings, "train.steps=80").folder
    file.write_text(MODULE.replace("SCALE", "30.0"))
    sys.modules.pop("changing_net")
    session = trained(Session.resume(folder, steps=80, trust=True))
    assert "model.class changing_net:Net in " in session.notice
    assert "has changed since the run began" in session.notice
    with RunReader(folder) as reader:
        assert any("has changed since" in e.text for e in reader.events() if e.kind == "resumed")
    assert recorded(folder) == recorded(twin)
    fork = trained(Session.fork(folder, 40, tmp_path, settings=["train.steps=60"], trust=True))
    assert any("the fork's steps are the new code's" in e.text for e in fork.events)
    from commands.inspect import inspect

    inspect(str(folder), at="40", runs_dir=tmp_path, trust=True, as_json=True)
    assert "has changed since the run began" in capsys.readouterr().err
    sys.modules.pop("changing_net")


def csv(path, last=0.5):
    rows = ["0.1,0.2,1", "-0.3,0.25,-1", f"{last},0.125,1", "-1,-0.5,-1"]
    path.write_text("\n".join(rows))
    return ("data.kind='csv'", f"data.path='{path}'")


def test_samples_are_the_runs_and_a_changed_file_is_refused_where_it_is_read_again(tmp_path):
    settings = (*csv(tmp_path / "data.csv"), *QUICK)
    folder = finished(tmp_path, *settings).folder
    twin = finished(tmp_path / "twin", *settings, "train.steps=80").folder
    csv(tmp_path / "data.csv", 7.5)
    trained(Session.resume(folder, steps=80))
    assert recorded(folder) == recorded(twin)
    with Session.fork(folder, 20, tmp_path, settings=["train.lr=0.01"]) as fork:
        assert fork.experiment.dataset.x[2, 0] == 0.5
    with pytest.raises(BadInput, match=r"data\.path: '.*data\.csv' has changed since run"):
        Session.fork(folder, 20, tmp_path, settings=["data.binary=true"])
    other = csv(tmp_path / "other.csv", 7.5)[1]
    with Session.fork(folder, 20, tmp_path, settings=[other]) as fork:
        assert fork.experiment.dataset.x[2, 0] == 7.5


@pytest.mark.parametrize("name", ["data/x", "data/y", "start/theta"])
def test_a_flipped_bit_is_seen(tmp_path, name):
    folder = finished(tmp_path, *QUICK).folder
    path = folder / "run.h5"
    with h5py.File(path, "r") as file:
        dataset = file[name]
        chunked = dataset.chunks is not None
        place = dataset.id.get_chunk_info(0).byte_offset if chunked else dataset.id.get_offset()
    raw = bytearray(path.read_bytes())
    raw[place + 12] ^= 4
    path.write_bytes(raw)
    with pytest.raises(StorageError, match=r"cannot be read|damaged"):
        Session.resume(folder, steps=80)


def end_of(folder) -> tuple[int, int]:
    with RunReader(folder) as reader:
        inside = parse_config(parse_toml(reader.config_text, "run.h5"), "run.h5")
        return int(reader.attributes["steps"]), inside.train.steps


def test_a_moved_end_is_also_in_the_runs_file(tmp_path):
    folder = finished(tmp_path, *QUICK).folder
    trained(Session.resume(folder, steps=60))
    assert end_of(folder) == (60, 60)
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("steps = 60", "steps = 80"))
    trained(Session.resume(folder))
    assert end_of(folder) == (80, 80)
    path.unlink()
    trained(Session.resume(folder, steps=90))
    assert end_of(folder) == (90, 90)


def test_an_end_that_was_moved_and_not_yet_written_is_moved_by_the_next_resume(
    tmp_path, monkeypatch
):
    folder = finished(tmp_path, *QUICK).folder
    with monkeypatch.context() as patched:
        patched.setattr(RunStore, "reopen", lambda *args, **settings: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Session.resume(folder, steps=80)
    assert end_of(folder) == (40, 40)
    trained(Session.resume(folder))
    assert end_of(folder) == (80, 80)
    twin = finished(tmp_path / "twin", *QUICK, "train.steps=80").folder
    assert recorded(folder) == recorded(twin)


def test_what_made_the_steps_is_not_changed_by_hand(tmp_path):
    folder = finished(tmp_path, *QUICK).folder
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("lr = 0.005", "lr = 0.1"))
    with pytest.raises(
        BadInput, match=r"train\.lr = 0\.1, and the run was begun with 0\.005.*fork"
    ):
        Session.resume(folder, steps=80)
    with StoredRun(folder) as run:
        assert run.config == small(*QUICK)


def test_parameters_have_names_in_the_file_and_in_checkpoints(tmp_path):
    folder = finished(tmp_path, *QUICK).folder
    with h5py.File(folder / "run.h5", "r") as file:
        assert [name.decode() for name in file["parameter/name"][()]] == ["u", "v"]
        assert [shape.decode() for shape in file["parameter/shape"][()]] == ["6,2", "6"]
        assert file["parameter/offset"][()].tolist() == [0, 12]
    checkpoint = latest_checkpoint(folder)
    assert checkpoint.attributes["parameters"] == '[["u", [6, 2], 0], ["v", [6], 12]]'
