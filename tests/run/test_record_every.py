"""record.every = "auto": a number that follows from the configuration, is told, and is gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from cases import small

from workbench.config.toml import parse_config, read_toml, to_toml
from workbench.errors import BadInput
from workbench.record.reader import RunReader
from workbench.run import record_every
from workbench.run.experiment import experiment_of
from workbench.run.record_every import FILE_BYTES, RECORDS, bytes_a_record, chosen_every
from workbench.run.session import Session

AUTO = "record.every=auto"


@pytest.mark.parametrize(
    ("steps", "weight", "pass_steps", "every"),
    [
        (1, 100, 0.0, 1),
        (20_000, 100, 0.0, 1),
        (20_001, 100, 0.0, 2),
        (50_000, 1_000, 0.0, 5),
        (100_000_000, 1_000, 0.0, 5_000),
        # What is heavy is recorded less often: 256 MB of 64 kB are 4,000 records.
        (100_000, 64_000, 0.0, 50),
        # A look at all samples costs 600 steps: one an epoch, or one in five.
        (36_000, 1_000, 600.0, 1_000),
        (10_000_000, 1_000, 600.0, 5_000),
        (20_000, 1_000, 18.0, 50),
        # Nothing is recorded but the start and the end.
        (100, 1_000, 600.0, 100),
    ],
)
def test_the_number_follows_from_steps_weight_and_passes(steps, weight, pass_steps, every):
    assert chosen_every(steps, weight, pass_steps) == every


def test_records_and_bytes_are_bounded_for_any_run():
    rng = np.random.default_rng(0)
    for _ in range(500):
        steps, weight = (int(10 ** rng.uniform(0, top)) for top in (12, 5))
        every = chosen_every(steps, weight, float(rng.uniform(0.0, 50.0)))
        assert str(every).rstrip("0") in ("1", "2", "5") or every == steps
        assert steps / every <= RECORDS
        assert steps / every * weight <= FILE_BYTES or every == steps


def test_a_records_bytes_are_those_in_the_file(tmp_path):
    folder = finished(tmp_path, "train.steps=40")
    with RunReader(folder) as reader:
        each = sum(reader.read(name)[0].nbytes for name in reader.series_names())
    assert bytes_a_record(experiment_of(small(AUTO)).panel) == each


def finished(place, *settings):
    with Session.create(small(AUTO, *settings), place) as session:
        session.start()
        assert session.wait(60)
        assert session.engine.error is None
    return session.folder


def test_it_is_the_default_and_the_file_has_the_number(tmp_path):
    values = {"data": {"kind": "kh24-circle"}, "model": {"kind": "squared-relu", "width": 3}}
    assert parse_config(values, "test").record.every == "auto"
    folder = finished(
        tmp_path, "train.steps=50_000", "train.until={log10_risk=0}", "train.rule=flow"
    )
    with RunReader(folder) as reader:
        config = parse_config(read_toml(folder / "config.toml"), "config.toml")
        assert config.record.every == 5
        assert reader.config_text == to_toml(config)
        assert reader.attributes["record_every"] == "auto: 5"
        (told,) = [e.text for e in reader.events() if e.text.startswith("record.every = auto")]
    assert told.startswith("record.every = auto: every 5 steps, 10,001 records of ")


def test_a_moved_end_goes_on_with_the_number(tmp_path, monkeypatch):
    monkeypatch.setattr(record_every, "RECORDS", 100)
    assert chosen_every(600, 1_000) == 10
    whole = finished(tmp_path / "whole", "record.every=2", "train.steps=600")
    folder = finished(tmp_path / "part", "train.steps=200")
    with Session.resume(folder, steps=600) as session:
        assert session.config.record.every == 2
        session.start()
        assert session.wait(60)
    with RunReader(folder) as found, RunReader(whole) as wanted:
        for name in wanted.series_names():
            assert found.read(name).tobytes() == wanted.read(name).tobytes(), name


def test_a_fork_may_ask_for_it_anew(tmp_path):
    folder = finished(tmp_path, "train.steps=200")
    with Session.fork(
        folder, 200, tmp_path, settings=["train.steps=100_000", AUTO, "device.kind=cpu"]
    ) as fork:
        assert fork.config.record.every == 5


def test_an_experiment_of_another_cadence_is_refused(tmp_path):
    experiment = experiment_of(small(AUTO, "train.steps=100_000"))
    with pytest.raises(BadInput, match="another configuration"):
        Session.create(
            small("record.every=7", "train.steps=100_000"), tmp_path, experiment=experiment
        )
    with Session.create(
        small(AUTO, "train.steps=100_000"), tmp_path, experiment=experiment
    ) as made:
        assert made.config.record.every == 5


def test_what_is_refused_names_what_is_allowed():
    with pytest.raises(BadInput, match=r"record\.every = 'sometimes'"):
        small("record.every=sometimes")
