"""A member opened as a full run takes the very steps that it took in its shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.study.made import finished_study, small_config, study_folder
from workbench.config.run import RunConfig
from workbench.errors import BadInput
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.study.member import full_run, run_source
from workbench.study.stored import StoredStudy


def trained(config: RunConfig, runs: Path) -> Path:
    session = Session.create(config, runs)
    with session:
        session.start()
        assert session.wait(60.0)
    return session.folder


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"record": {"every": "auto"}},
        {
            "model": {"kind": "two-layer-relu"},
            "loss": {"kind": "logistic", "reduction": "mean"},
            "data": {"kind": "gaussian-separable", "n": 12},
            "train": {"rule": "normalized", "lr": 0.05, "steps": 200, "batch": 5},
            "grid": {"init.seed": [3, 4], "data.seed": [0, 1]},
        },
    ],
    ids=["plain", "auto", "batches"],
)
def test_it_is_the_same_bit_for_bit(tables: dict, tmp_path: Path) -> None:
    study = StoredStudy(finished_study(tmp_path, **tables))
    number = 3
    config = full_run(study, number)
    assert config.device.engine == "kernel"
    folder = trained(config, tmp_path / "runs")
    outcome = study.outcome(number)
    with RunReader(folder) as reader:
        steps, risk = (np.asarray(reader.read(name)) for name in ("step", "log_risk"))
        theta = np.asarray(reader.read("theta"))
    assert np.array_equal(theta[steps == outcome.last_step][0], study.theta(number))
    kept, mine = study.series("log_risk")
    at = np.isin(steps, kept)
    assert at.sum() == len(kept) > 10
    assert np.array_equal(risk[at], mine[number])


def test_one_that_has_not_begun_is_as_its_study_says(tmp_path: Path) -> None:
    study = StoredStudy(study_folder(tmp_path, small_config()))
    config = full_run(study, 11)
    assert (config.init.seed, config.init.scale, config.name) == (5, 0.3, "small 11")
    with pytest.raises(BadInput, match="allowed: 0 to 11"):
        full_run(study, 12)


def test_a_member_is_named_after_its_study(tmp_path: Path) -> None:
    folder = study_folder(tmp_path, small_config())
    config, origin = run_source("small/7", ["train.steps=9"], tmp_path)
    assert (config.init.seed, config.train.steps) == (3, 9)
    assert origin == f"{folder.name}/7"
    assert run_source(f"{folder}/7", (), tmp_path)[0].train.steps == 400
    assert run_source("kh24-fig1", (), tmp_path)[1] == "kh24-fig1"
    with pytest.raises(BadInput, match=r"unknown study .smal.*Did you mean .small"):
        run_source("smal/7", (), tmp_path)
