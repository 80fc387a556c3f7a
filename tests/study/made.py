"""Small studies on disk, made by really running their members: for whoever tests what reads them.

Twelve members: init.seed 0 … 5 × init.scale 0.01, 0.3; squared-ReLU neurons on a few points of the circle,
400 steps, in three shards of four. Most leave the origin.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.config.study import StudyConfig, parse_study, study_to_toml
from workbench.engine.program import StopFlag
from workbench.record.schema import STUDY_FILE
from workbench.study.grid import grid_of
from workbench.study.plan import plan_of, write_plan
from workbench.study.shard import ShardProgress, run_shard

TABLE: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "kh24-circle", "n": 8},
    "model": {"kind": "squared-relu", "width": 4},
    "init": {"kind": "gaussian"},
    "loss": {"kind": "square", "reduction": "sum"},
    "train": {"rule": "constant", "lr": 0.005, "steps": 400},
    "record": {"every": 2},
    "device": {"kind": "cpu", "engine": "kernel"},
    "study": {"keep": ["log_risk", "rho", "neuron_norm"], "members": 4},
    "grid": {"init.seed": "range(0, 6)", "init.scale": [0.01, 0.3]},
}


def small_config(**tables: Any) -> StudyConfig:
    """The small study; keys of the tables given are set on top, None takes one out."""
    values = {
        key: dict(value) if isinstance(value, dict) else value for key, value in TABLE.items()
    }
    for name, table in tables.items():
        if not isinstance(table, dict):
            values[name] = table
            continue
        whole = {**values.get(name, {}), **table}
        values[name] = {key: value for key, value in whole.items() if value is not None}
    return parse_study(values, "the small study")


def study_folder(runs: Path, config: StudyConfig, name: str = "20260101-120000-small-1a2b") -> Path:
    """A study's folder of which nothing has been run."""
    folder = runs / name
    (folder / "shards").mkdir(parents=True)
    (folder / STUDY_FILE).write_text(study_to_toml(config), encoding="utf-8")
    write_plan(folder, plan_of(config, grid_of(config)))
    return folder


def finished_study(runs: Path, **tables: Any) -> Path:
    """The small study, every member run to its end."""
    config = small_config(**tables)
    folder = study_folder(runs, config)
    for shard in range(len(plan_of(config, grid_of(config)).shards)):
        run_shard(folder, shard)
    return folder


def half_done_study(runs: Path) -> Path:
    """The small study as it is after a kill: shard 0 done, shard 1 left on its way, shard 2 not begun."""
    folder = study_folder(runs, small_config())
    run_shard(folder, 0)
    flag = StopFlag()

    def stop(told: ShardProgress) -> None:
        if told.step > 0:
            flag.raised = True

    run_shard(folder, 1, stop_flag=flag, progress=stop)
    return folder
