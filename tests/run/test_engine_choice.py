"""What `device.engine` means: it selects the step program, the file names it, and resuming keeps it."""

from __future__ import annotations

from typing import get_args

import pytest
from cases import finished, small

from workbench.config.run import Engine
from workbench.engine.programs.eager import EagerProgram
from workbench.errors import BadInput
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.run import program
from workbench.run.experiment import experiment_of
from workbench.run.program import ENGINES
from workbench.run.session import Session

FLOW = ("train.rule=flow", "train.steps=30", "record.every=10")


class OtherProgram(EagerProgram):
    name = "other"


def named(session) -> tuple[object, object]:
    with RunReader(session.folder) as reader:
        return reader.attributes["engine"], latest_checkpoint(session.folder).attributes["engine"]


def test_every_engine_of_the_configuration_has_its_program(monkeypatch):
    assert set(ENGINES) == set(get_args(Engine))
    monkeypatch.setattr(program, "ENGINES", {"auto": EagerProgram, "eager": OtherProgram})
    assert experiment_of(small()).program.name == "eager"
    assert experiment_of(small("device.engine=eager")).program.name == "other"
    assert type(experiment_of(small(*FLOW, "device.engine=eager")).program.rows) is OtherProgram


def test_an_unknown_engine_is_refused_by_name():
    with pytest.raises(BadInput, match=r"device\.engine.*eagre.*auto.*eager"):
        small("device.engine=eagre")


@pytest.mark.parametrize(("settings", "name"), [(("train.steps=40",), "eager"), (FLOW, "flow")])
def test_file_and_checkpoint_name_what_stepped(tmp_path, settings, name):
    assert named(finished(tmp_path, *settings)) == (name, name)


def test_resuming_keeps_the_engine_or_refuses(tmp_path, monkeypatch):
    session = finished(tmp_path, "train.steps=40")
    with monkeypatch.context() as patched:
        patched.setattr(program, "ENGINES", {"auto": OtherProgram, "eager": EagerProgram})
        with pytest.raises(BadInput, match=r"taken by the engine 'eager'.*takes 'other' now.*fork"):
            Session.resume(session.folder, steps=80)
        assert named(session) == ("eager", "eager")
    with Session.resume(session.folder, steps=80) as again:
        assert again.experiment.program.name == "eager"


def test_a_rule_changed_by_hand_is_refused(tmp_path):
    session = finished(tmp_path, "train.steps=40")
    path = session.folder / "config.toml"
    path.write_text(path.read_text().replace('rule = "constant"', 'rule = "flow"'))
    with pytest.raises(BadInput, match=r"train\.rule = flow.*begun with constant.*fork"):
        Session.resume(session.folder, steps=80)
