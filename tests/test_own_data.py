"""Samples from a class of the user's own: asked for once and kept in the run, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished, small, stored_state
from own_parts import Wedge
from test_own_parts import ended, series

from workbench.config.study import parse_study
from workbench.config.toml import parse_config, parse_toml, to_toml
from workbench.data.load import load_dataset, require_repeatable
from workbench.errors import BadInput
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.study.grid import grid_of
from workbench.study.plan import plan_of


def own(name, *more):
    return ("data.kind=torch", f"data.class=tests.own_parts:{name}", "train.steps=60", *more)


def test_the_samples_are_those_of_the_class_and_kept(tmp_path, monkeypatch):
    settings = own("Wedge", "data.arguments={n=9, gap=0.5}")
    whole = finished(tmp_path / "whole", *settings)
    x, y = Wedge(9, 0.5).samples()
    with RunReader(whole.folder) as reader:
        np.testing.assert_array_equal(reader.x, x.numpy())
        np.testing.assert_array_equal(reader.y, y)
        (source,) = [s for s in reader.start.sources if s.key.startswith("data.class")]
        assert source.path.endswith("own_parts.py")
    part = finished(tmp_path / "part", *settings, "train.steps=30")
    text = to_toml(part.config)
    assert parse_config(parse_toml(text, "t"), "t").data == part.config.data

    def gone(*_):
        raise BadInput("imported")

    monkeypatch.setattr("workbench.models.imported.imported_class", gone)
    again = ended(Session.resume(part.folder, steps=60))
    assert again.engine.error is None
    a, b = series(whole.folder), series(again.folder)
    for key in a:
        assert a[key].tobytes() == b[key].tobytes(), key
    assert stored_state(part.folder, 30).log_risk == a["log_risk"][3]
    fork = Session.fork(part.folder, 30, tmp_path / "fork", settings=["train.lr=1e-3"])
    assert any(s.key.startswith("data.class") for s in fork.experiment.start.sources)
    fork.close()
    other = ["data.arguments={n=9, gap=0.1}"]
    with pytest.raises(BadInput, match=r"tests\.own_parts:Wedge.*--trust"):
        Session.fork(part.folder, 30, tmp_path / "fork", settings=other)
    with pytest.raises(BadInput, match="imported"):
        Session.fork(part.folder, 30, tmp_path / "fork", settings=other, trust=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (own("Nothing"), r"no method samples\(\)"),
        (own("Wedgy"), "Did you mean 'Wedge'"),
        (own("Wedge", "data.arguments={m=1}"), "data.arguments"),
        (own("Samples"), "gives a NoneType, and a pair x, y is needed"),
        (own("Unpaired"), "gives a ndarray, and a pair"),
        (own("Uneven"), r"needed are x \(n, d\) and y \(n\)"),
        (own("Words"), "y holds <U5, and real numbers"),
        (own("Infinite"), r"x\[0, 1\] is inf"),
        (own("Ragged"), "gives no arrays"),
        (
            own("Wedge", "loss.kind=cross-entropy", "model.kind=deep-relu", "model.widths=[3]"),
            "0, 1",
        ),
        (("data.kind=torch",), "data.class is missing"),
        (("data.kind=torhc",), "Did you mean 'torch'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, settings, words):
    with pytest.raises(BadInput, match=words) as caught:
        Session.create(small(*settings), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_held_out_samples_may_come_from_a_class_too():
    config = small("data.test.kind=torch", "data.test.class=tests.own_parts:Wedge")
    assert config.data_classes == ("tests.own_parts:Wedge",)
    found = load_dataset(config.data)
    np.testing.assert_array_equal(found.test.y, Wedge().samples()[1])
    require_repeatable(config.data, found)
    with pytest.raises(BadInput, match=r"data\.test: data\.class.*no method samples"):
        load_dataset(small("data.test.kind=torch", "data.test.class=tests.own_parts:Sign").data)


def test_a_study_asks_again_and_refuses_other_answers():
    def planned(name):
        table = {"kind": "torch", "class": f"tests.own_parts:{name}"}
        given = {"data": table, "model": {"kind": "two-layer-relu", "width": 3}}
        config = parse_study({**given, "grid": {"train.lr": [1e-3, 2e-3]}}, "study.toml")
        return plan_of(config, grid_of(config))

    assert planned("Wedge").count == 2
    with pytest.raises(BadInput, match=r"tests\.own_parts:Fresh' gives other samples every time"):
        planned("Fresh")
