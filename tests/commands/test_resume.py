"""`workbench resume` of damaged runs, starts that fail, and what configurations and names may hold."""

from __future__ import annotations

import errno
import json
import os

import pytest
from cases import SMALL, finished, small
from study.made import small_config, study_folder
from typer.testing import CliRunner

from commands.main import app as commands
from workbench.config.toml import override, parse_config, read_toml, to_toml
from workbench.errors import BadInput, StorageError
from workbench.presets import load_config
from workbench.record.checkpoint import list_checkpoints
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.run import session as sessions
from workbench.run.session import Session

NAMES = ['a "b"', "it's", '"', "''", "[bold]x[/]", "größe = 3 # no comment", '"""', "${HOME} $(x)"]


def test_a_run_without_a_good_checkpoint_is_named_and_restarted_only_when_asked(cli, tmp_path):
    folder = finished(tmp_path, "train.steps=40", "checkpoint.every=20").folder
    for _, path in list_checkpoints(folder):
        path.write_bytes(path.read_bytes()[:3000])
    before = (folder / "run.h5").read_bytes()
    done = cli("resume", "last", "--headless", runs=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"workbench resume {folder.name} --restart" in done.stderr
    assert "5 records up to step 40 stay as they are" in done.stderr
    assert (folder / "run.h5").read_bytes() == before
    done = cli("resume", "last", "--headless", "--restart", runs=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "finished  step 40" in done.stdout
    assert "goes on from step 0: restarted" in done.stderr
    kept = folder / "set-aside-1"
    assert (kept / "run.h5").read_bytes() == before
    shown = json.loads(cli("show", kept, "--json", runs=tmp_path).stdout)
    assert (shown["records"], shown["status"]) == (5, "finished")


def test_going_back_is_said_on_stderr(cli, tmp_path):
    folder = finished(tmp_path, "train.steps=40", "checkpoint.every=20").folder
    list_checkpoints(folder)[-1][1].write_bytes(b"")
    done = cli("resume", folder, "--steps", "60", "--headless", "--json", runs=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["step"] == 60
    assert "goes on from step 20: the checkpoint of step 40 cannot be used" in done.stderr
    events = cli("show", folder, runs=tmp_path).stdout
    assert "the checkpoint of step 40 cannot be used" in events


@pytest.mark.parametrize("part", ["create", "write_config", "LogFile"])
def test_a_failed_start_leaves_no_folder(tmp_path, monkeypatch, part):
    def full(*arguments, **more):
        raise StorageError(f"cannot write: {os.strerror(errno.ENOSPC)}.")

    monkeypatch.setattr(*((RunStore, part) if part == "create" else (sessions, part)), full)
    with pytest.raises(StorageError):
        Session.create(small(), tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_toml_may_begin_with_a_byte_order_mark(tmp_path):
    text = to_toml(small())
    for data in (b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n").encode("utf-8-sig")):
        path = tmp_path / "windows.toml"
        path.write_bytes(data)
        assert parse_config(read_toml(path), "file") == small()
        assert load_config(str(path)) == small()


def test_a_stored_run_goes_on_with_a_configuration_that_an_editor_marked(tmp_path):
    folder = finished(tmp_path, "train.steps=40").folder
    path = folder / "config.toml"
    path.write_bytes(path.read_text().replace("steps = 40", "steps = 50").encode("utf-8-sig"))
    with Session.resume(folder) as session:
        session.start()
        assert session.wait(60)
    assert session.engine.state.step == 50


@pytest.mark.parametrize("name", NAMES)
def test_names_come_through_as_they_are(name):
    setting = f"name={json.dumps(name, ensure_ascii=False)}"
    config = parse_config(override(SMALL, [setting]), "test")
    assert config.name == name
    import tomllib

    assert tomllib.loads(to_toml(config))["name"] == name


def test_quotes_in_the_name_of_a_run(cli, tmp_path):
    path, name = tmp_path / "small.toml", """my "best" 'run' [b] = #1"""
    path.write_text(to_toml(small("train.steps=20")))
    done = cli("run", path, "--headless", "--name", name, "--json", runs=tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    folder = json.loads(done.stdout)["path"]
    with RunReader(tmp_path / "runs" / os.path.basename(folder)) as reader:
        assert reader.attributes["name"] == name
    assert json.loads(cli("show", name, "--json", runs=tmp_path / "runs").stdout)["name"] == name


def test_other_settings_are_for_a_fork(cli, tmp_path):
    folder = finished(tmp_path, "train.steps=40", "checkpoint.every=20").folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = cli("resume", "last", "--set", "train.lr=1e-4", "--set", "name='a b'", runs=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    command = (
        f"workbench fork {folder.name} --at last --set train.lr=1e-4 --set 'name='\"'\"'a b'\"'\"''"
    )
    assert command in done.stderr
    done = cli("resume", "last", "--set", "train.steps=90", runs=tmp_path)
    assert done.returncode == 2
    assert f"workbench resume {folder.name} --steps N" in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    study = study_folder(tmp_path, small_config())
    done = cli("resume", study.name, "--set", "train.lr=1e-4", runs=tmp_path)
    assert done.returncode == 2
    assert f"workbench sweep {study / 'study.toml'} --set train.lr=1e-4" in done.stderr


def test_a_fork_from_a_saddle_is_asked_for_by_name(tmp_path):
    folder = finished(tmp_path, "train.steps=200", "device.engine=eager").folder
    line = ["fork", str(folder), "--at", "saddle", "--headless", "--json"]
    line += ["--set", "train.steps=220", "--runs-dir", str(tmp_path)]
    with pytest.raises(BadInput, match="no KKT point is given to push along"):
        CliRunner().invoke(commands, [*line, "--by", "1e-3"], catch_exceptions=False)
    asked = [*line, "--push", "0", "--by", "1e-3 neuron 2"]
    done = CliRunner().invoke(commands, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with RunReader(tmp_path / json.loads(done.stdout)["run_id"]) as fork, RunReader(folder) as run:
        told = [event.step for event in run.events() if event.kind == "saddle"]
        assert fork.attributes["parent_step"] == told[-1]
        notes = [event.text for event in fork.events() if event.kind == "note"]
    assert "neuron 2 pushed by 0.001 along KKT point 0" in notes[0]
