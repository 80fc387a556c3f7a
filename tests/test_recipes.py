"""The recipes of CONTRIBUTING.md, followed in a copy of the house: how many files each touches, and that what
was added is there."""

from __future__ import annotations

import json

import pytest
from house import House


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


MEASURE = '''
"""‖θ‖_1."""

import numpy as np

from workbench.measures.panel import Measure, Records, SeriesSpec

_SERIES = (SeriesSpec("l1_norm", (), "1", "sum of the weights' sizes, ‖θ‖_1", "a test"),)


def _l1_norm(records: Records):
    if records.panel.loss.name == "square":
        return {}
    return {"l1_norm": np.abs(records.rows.theta).sum(axis=1)}


L1_NORM = Measure(_SERIES, _l1_norm)
'''
LOOK = """
from pathlib import Path
import numpy as np
from workbench.presets import load_config
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.tui.run.trends import spark_model
from workbench.tui.run.x_axis import XAxis
config = load_config("two-layer-relu-logistic", ["train.steps=30", "device.kind=cpu"])
with Session.create(config, Path("runs")) as session:
    session.start()
    assert session.wait(60)
with RunReader(session.folder) as reader:
    spec, found = reader.spec("l1_norm"), reader.read("l1_norm")
    assert (spec.long_name, spec.source) == ("sum of the weights' sizes, ‖θ‖_1", "a test")
    assert np.array_equal(found, np.abs(reader.read("theta")).sum(axis=1))
history = session.history
rows = spark_model(history, config, 1, 1, XAxis(), history.step.astype(float)).rows
assert f"{found[-1]:.4g}" in [row.value for row in rows if row.label == "‖θ‖₁"]
square = load_config("two-layer-relu-logistic", ["train.steps=5", "loss.kind=square"])
with Session.create(square, Path("runs")) as session:
    assert "l1_norm" not in session.experiment.panel.shapes()
"""


def test_a_measure_with_its_curve_touches_three_files(house):
    house.write("workbench/measures/series/l1_norm.py", MEASURE)
    house.insert(
        "workbench/measures/registry.py",
        (
            "from workbench.measures.series.layers",
            "from workbench.measures.series.l1_norm import L1_NORM",
        ),
        ("    LAYERS,", "    L1_NORM,"),
    )
    house.insert(
        "workbench/tui/run/trends.py",
        (
            '    Trend("rho"',
            '    Trend("l1_norm", "‖θ‖₁", "green", _number(".4g"), rank=11, late=15),',
        ),
    )
    assert len(house.touched) <= 3
    house.run("-c", LOOK)
    house.run("docs/make_file_tables.py")
    assert "| `l1_norm` | step | 1 |" in (house.folder / "docs" / "files.md").read_text("utf-8")


CLAIM = '''
"""A toy: 1 < 2."""

from workbench.claims.checks import judged
from workbench.claims.claim import Claim, Measured, untrained

CLAIMS = (
    Claim(
        id="JT20-TOY",
        paper="JT20",
        place="a test",
        statement="One is below two.",
        method="By looking.",
        experiment=untrained(lambda size: 1.0),
        measure=lambda one: Measured({"one": one}),
        criterion=lambda measured: judged(measured, [("one", "<", 2.0, "")]),
    ),
)
'''


def test_a_claim_touches_one_file(house):
    house.write("workbench/claims/jt20/toy.py", CLAIM)
    assert len(house.touched) == 1
    text = house.workbench("claims", "JT20-TOY", "--json", "--runs-dir", house.folder / "runs")
    (found,) = json.loads(text)["claims"]
    assert (found["id"], found["verdict"], found["measured"]) == ("JT20-TOY", "holds", {"one": 1.0})


def test_a_command_touches_two_files(house):
    house.write(
        "commands/hello.py",
        '"""A toy."""\n\nimport typer\n\n\ndef hello(name: str) -> None:\n    """Greet."""\n'
        '    typer.echo(f"hello {name}")\n',
    )
    house.insert(
        "commands/main.py",
        ("    inspect,", "    hello,"),
        ('app.command("run")', 'app.command("hello")(hello.hello)'),
    )
    assert len(house.touched) <= 2
    assert house.workbench("hello", "ρ") == "hello ρ\n"
    assert "hello" in house.workbench("--help")


RULE = '''
"""Half of a rate."""

from dataclasses import dataclass

from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.state import EngineState


@dataclass(frozen=True)
class HalfRule(PlainRule):
    """θ ← θ − η/2 ∇𝓛."""

    learning_rate: float

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """η/2."""
        state.time += 0.5 * self.learning_rate
        scale = None if at.log_scale is None else at.log_scale.exp()
        return Move(0.5 * self.learning_rate * at.share, scale)
'''
HALVES = """
import numpy as np
from workbench.presets import load_config
from workbench.record.reader import RunReader
from workbench.run.session import Session
from pathlib import Path
found = []
for rule, rate in (("half", 2e-3), ("constant", 1e-3)):
    settings = ["train.steps=30", "device.kind=cpu", "device.engine=eager"]
    settings += [f"train.rule={rule}", f"train.lr={rate}"]
    with Session.create(load_config("two-layer-relu-logistic", settings), Path("runs")) as session:
        session.start()
        assert session.wait(60)
    with RunReader(session.folder) as reader:
        found.append(reader.read("theta"))
assert np.array_equal(*found)
"""


def test_a_step_rule_touches_three_files(house):
    house.write("workbench/engine/half.py", RULE)
    house.insert("workbench/config/train.py", ('        "normalized",', '        "half",'))
    house.insert(
        "workbench/run/program.py",
        ("from workbench.engine.rules.loss_based", "from workbench.engine.half import HalfRule"),
        ('    if train.rule == "normalized"', '    if train.rule == "half":'),
        ('    if train.rule == "normalized"', "        return HalfRule(train.lr)"),
    )
    assert len(house.touched) <= 3
    house.run("-c", HALVES)


DATASET = '''
"""Two points."""

import numpy as np

from workbench.data.dataset import Dataset


def two_points(gap: float) -> Dataset:
    """x = ±(gap, 0) with their signs."""
    return Dataset(np.array([[gap, 0.0], [-gap, 0.0]]), np.array([1.0, -1.0]), "two-points")
'''
TABLE = '''
class TwoPointsData(DataTable):
    """Two points."""

    kind: Literal["two-points"]
    gap: Positive = 1.0

'''
PRESET = """
description = "Two points."

[data]
kind = "two-points"
gap = 2.0

[model]
kind = "two-layer-relu"
width = 3

[loss]
kind = "logistic"

[train]
steps = 5
"""


def test_a_dataset_touches_three_files_and_a_preset_one(house):
    house.write("workbench/data/two_points.py", DATASET)
    house.insert(
        "workbench/config/data.py",
        ("AnyData = (", TABLE),
        ("    | TwoCirclesData", "    | TwoPointsData"),
    )
    house.insert(
        "workbench/data/load.py",
        ("    TwoCirclesData,", "    TwoPointsData,"),
        (
            "from workbench.data.two_circles",
            "from workbench.data.two_points import two_points",
        ),
        ("        case TwoCirclesData", "        case TwoPointsData():"),
        ("        case TwoCirclesData", "            return two_points(config.gap)"),
    )
    assert len(house.touched) <= 3
    house.touched.clear()
    house.write("workbench/presets/toy.toml", PRESET)
    assert len(house.touched) == 1
    assert "Two points." in house.workbench("presets")
    done = house.workbench("run", "toy", "--headless", "--json", "--runs-dir", "runs")
    assert json.loads(done)["status"] == "finished"


NETWORK = '''
import torch
from torch import nn

from workbench.config.models import CubedModel
from workbench.models.network import Needs, Network
from workbench.models.structure import Description, Layer, Neurons


class Cubed(Network):
    """Φ(x) = Σ_k max(0, ⟨u_k, x⟩)³."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.zeros(width, d, dtype=torch.float64))

    def forward(self, x):
        return torch.relu(x.flatten(1) @ self.u.T).pow(3).sum(dim=1)

    def describe(self) -> Description:
        return Description((Layer("u", ("u",), order=3.0),), Neurons("u"), smooth_gates=True)


def build(table: CubedModel, needs: Needs) -> Cubed:
    return Cubed(needs.d, table.width)
'''
NETWORK_TABLE = '''class CubedModel(ModelTable):
    """Σ_k max(0, ⟨u_k, x⟩)³; 3-homogeneous."""

    single_output = True
    kind: Literal["cubed"]
    width: Count = 4


'''


def test_a_model_touches_three_files(house):
    house.write("workbench/models/cubed.py", NETWORK)
    house.insert(
        "workbench/config/models.py",
        ("LINEARISABLE: list", NETWORK_TABLE),
        ("    VggModel,", "    CubedModel,"),
    )
    house.insert(
        "workbench/models/build.py",
        ("    deep_linear,", "    cubed,"),
        ('    "residual": residual', '    "cubed": cubed.build,'),
    )
    assert len(house.touched) == 3
    run = ("run", "first-look", "--headless", "--json", "--runs-dir", "runs", "--steps", 5)
    for name, model in {
        "itself": "{kind='cubed', width=3}",
        "linearised": "{kind='ntk', base={kind='cubed', width=3}}",
    }.items():
        done = house.workbench(*run, "--name", name, "--set", f"model={model}")
        assert json.loads(done)["status"] == "finished"
    shown = json.loads(house.workbench("show", "itself", "--json", "--runs-dir", "runs"))
    assert shown["homogeneity"] == 3.0
    assert (
        json.loads(house.workbench("inspect", "itself", "--json", "--runs-dir", "runs"))["step"]
        == 5
    )
