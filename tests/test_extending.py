"""docs/extending.md: its classes and its configuration are a run, and what it names is there."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from workbench.config.toml import parse_config, parse_toml
from workbench.engine.rules.own import At
from workbench.errors import BadInput
from workbench.measures.own import Record
from workbench.record.history import History
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.tui.run.trends import spark_model
from workbench.tui.run.x_axis import XAxis

TEXT = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "mine.py").write_text("\n\n".join(blocks("python")), encoding="utf-8")
    yield tmp_path
    sys.modules.pop("mine", None)


def trained(session: Session) -> dict[str, np.ndarray]:
    session.start()
    assert session.wait(60)
    session.close()
    assert session.engine.error is None
    with RunReader(session.folder) as reader:
        return {name: np.asarray(reader.read(name)) for name in reader.series_names()}


def test_its_parts_train_together_and_go_on_with_trust(mine):
    (text,) = blocks("toml")
    config = parse_config(parse_toml(text, "mine.toml"), "mine.toml")
    assert config.own_classes + config.data_classes == (
        "mine:Quadratic", "mine:SquaredHinge", "mine:Signum", "mine:Support", "mine:Quadrants",
    )  # fmt: skip
    session = Session.create(config, mine / "runs")
    found = trained(session)
    assert session.experiment.homogeneity.order == 3.0
    assert found["log_risk"][-1] < found["log_risk"][0] - 0.5
    moved = np.abs(np.diff(found["theta"][:2], axis=0))
    assert moved.max() <= 10 * 2e-3 * (1 + 1e-9)
    x, y = session.experiment.dataset.x, session.experiment.dataset.y
    np.testing.assert_array_equal(np.sign(x.prod(axis=1)), y)
    assert found["support"][0] == 40
    assert found["support"][-1] < 40
    history = History()
    history.append(found)
    lines = spark_model(history, config, 40, 0, XAxis(), found["step"].astype(float)).rows
    assert {line.label: line.value for line in lines}["support"] == f"{found['support'][-1]:.3g}"
    with pytest.raises(BadInput, match=r"mine:Quadratic', 'mine:SquaredHinge'.*--trust"):
        Session.resume(session.folder, steps=400)
    again = trained(Session.resume(session.folder, steps=400, trust=True))
    assert again["step"][-1] == 400
    assert again["theta"][:31].tobytes() == found["theta"].tobytes()


@pytest.mark.parametrize(("name", "cls"), [("at", At), ("record", Record)])
def test_what_it_names_is_there(name, cls):
    named = set(re.findall(rf"\b{name}\.(\w+)", TEXT))
    known = {field.name for field in fields(cls)}
    assert named <= known | set(vars(cls))
    assert known - named <= {"structure"}
