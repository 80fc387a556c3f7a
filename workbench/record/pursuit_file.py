"""A neuron pursuit as a JSON document, and back: what `workbench pursue` prints and keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.atomic import write_text
from workbench.theory.ncf.pursuit import Added, Stage
from workbench.theory.ncf.pursuit_visits import Visit, in_order
from workbench.theory.numerics.outcome import End, Outcome

VERSION = 1
MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class RunBeside:
    """A run beside the stages of a pursuit.

    `visits`: its nearest approach to each stage, at the steps `step`. `saddles`: steps of those that it found
    itself. `time`, `log_risk` (T): its curve, of the run's own flow and reduction.
    """

    run: str
    visits: tuple[Visit, ...]
    step: tuple[int, ...]
    saddles: tuple[int, ...]
    time: Float[Array, " T"]
    log_risk: Float[Array, " T"]

    @property
    def in_order(self) -> bool:
        """Whether it passes the stages in their order."""
        return in_order(self.visits)


@dataclass(frozen=True, eq=False)
class KeptPursuit:
    """A pursuit with what it is of: `name` and `config` (TOML), the neurons' `kind`, and `factor`: the run's
    risk, and rates, over those of the summed risk that the stages hold. `end`: why there are no more."""

    name: str
    config: str
    kind: str
    factor: float
    delta: float
    end: str
    stages: tuple[Stage, ...]
    beside: RunBeside | None = None

    @property
    def complete(self) -> bool:
        """Whether every search for KKT points was."""
        return all(stage.complete for stage in self.stages)

    def log10_risk(self, stage: Stage) -> float:
        """log₁₀ of the run's risk at a stage; −∞ where it is 0."""
        return float(np.log10(stage.risk * self.factor)) if stage.risk > 0.0 else -np.inf

    def curve(self) -> tuple[Float[Array, " T"], Float[Array, " T"]]:
        """(time, log₁₀ risk) from the first added neuron on, in the run's flow, all stages in a row."""
        begun, times, risks = 0.0, [np.zeros(0)], [np.zeros(0)]
        for stage in self.stages:
            times.append(begun + stage.time / self.factor)
            risks.append((stage.log_risk + log(self.factor)) / log(10.0))
            begun = float(times[-1][-1]) if len(stage.time) else begun
        return np.concatenate(times), np.concatenate(risks)

    def as_json(self) -> dict[str, Any]:
        """As JSON values; what has no number there is null."""
        return {
            "pursuit": VERSION,
            "name": self.name,
            "kind": self.kind,
            "delta": self.delta,
            "factor": self.factor,
            "end": self.end,
            "complete": self.complete,
            "stages": [self._stage(stage) for stage in self.stages],
            "against": None if self.beside is None else _beside_json(self.beside),
            "config": self.config,
        }

    def _stage(self, stage: Stage) -> dict[str, Any]:
        plain = {name: getattr(stage, name) for name in _PLAIN}
        arrays = {name: getattr(stage, name).tolist() for name in _ARRAYS}
        own = stage.outcome
        return {
            "log10_risk": _finite(self.log10_risk(stage)),
            **plain,
            "added": [{**vars(one), "direction": one.direction.tolist()} for one in stage.added],
            "flow": {"end": own.end.name, "steps": own.iterations},
            **arrays,
            "log_risk": [_finite(value) for value in arrays["log_risk"]],
        }


_PLAIN = (
    "risk",
    "slope",
    "bend",
    "held",
    "faded",
    "highest",
    "scale",
    "complete",
    "method",
    "reason",
)
_ARRAYS = ("weights", "signs", "outputs", "time", "log_risk")


def write_pursuit(path: Path, kept: KeptPursuit) -> None:
    """Keep a pursuit in a file, in one piece; raises StorageError where it cannot be written."""
    write_text(path, json.dumps(kept.as_json()) + "\n")


def read_pursuit(path: Path) -> KeptPursuit:
    """A pursuit out of its file.

    Raises:
        BadInput: there is no such file.
        StorageError: it is damaged, or no pursuit.
    """
    name = clean_text(str(path), 120)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        table = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(table, dict) or table.get("pursuit") != VERSION:
            raise ValueError(f"it does not say that it is one, of version {VERSION}")
        return _kept(table)
    except FileNotFoundError as error:
        raise BadInput(f"there is no file '{name}'.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = clean_text(str(error), 120)
        raise StorageError(f"'{name}' holds no neuron pursuit: {reason}.") from error


def _kept(table: Mapping[str, Any]) -> KeptPursuit:
    stages = tuple(_stage_of(stage) for stage in table["stages"])
    beside = None if table["against"] is None else _beside_of(table["against"])
    if beside is not None and not len(beside.visits) == len(beside.step) == len(stages):
        raise ValueError("its run has another number of stages")
    return KeptPursuit(
        clean_text(str(table["name"]), 120),
        str(table["config"]),
        clean_text(str(table["kind"]), 40),
        float(table["factor"]),
        float(table["delta"]),
        clean_text(str(table["end"]), 200),
        stages,
        beside,
    )


def _stage_of(table: Mapping[str, Any]) -> Stage:
    arrays: dict[str, Any] = {name: _array(table[name]) for name in _ARRAYS}
    if not len(arrays["signs"]):
        width = len(table["added"][0]["direction"]) if table["added"] else 0
        arrays["weights"] = np.zeros((0, width))
    if arrays["weights"].ndim != 2 or len(arrays["weights"]) != len(arrays["signs"]):
        raise ValueError("a stage's weights are no rows, one a neuron")
    if len(arrays["time"]) != len(arrays["log_risk"]):
        raise ValueError("a stage's times and risks have other lengths")
    flow = table["flow"]
    plain = {name: table[name] for name in _PLAIN}
    plain["reason"] = clean_text(str(plain["reason"]), 2_000)
    for name in ("risk", "slope", "bend", "highest", "scale"):
        plain[name] = float(plain[name])
    added = tuple(
        Added(
            _array(one["direction"]),
            float(one["sign"]),
            float(one["value"]),
            float(one["residual"]),
            clean_text(str(one["kind"]), 20),
        )
        for one in table["added"]
    )
    outcome = Outcome(End[flow["end"]], int(flow["steps"]), plain["slope"])
    return Stage(**arrays, **plain, outcome=outcome, added=added)


def _array(values: Sequence[Any]) -> Float[Array, "..."]:
    """Numbers as an array; null is −∞, the log of a risk of 0."""
    return np.array([-np.inf if v is None else v for v in values], dtype=np.float64)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _beside_json(beside: RunBeside) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for visit, step in zip(beside.visits, beside.step, strict=True):
        numbers = {name: _finite(v) for name, v in vars(visit).items() if name != "row"}
        rows.append({"step": step, "row": visit.row, **numbers})
    return {
        "run": beside.run,
        "in_order": beside.in_order,
        "visits": rows,
        "saddles": list(beside.saddles),
        "time": beside.time.tolist(),
        "log_risk": [_finite(float(v)) for v in beside.log_risk],
    }


def _beside_of(table: Mapping[str, Any]) -> RunBeside:
    rows = table["visits"]

    def number(value: Any) -> float:
        return float("nan") if value is None else float(value)

    columns = ("distance", "risk", "angle", "lacking")
    found = tuple(Visit(int(r["row"]), *(number(r[c]) for c in columns)) for r in rows)
    return RunBeside(
        clean_text(str(table["run"]), 120),
        found,
        tuple(int(r["step"]) for r in rows),
        tuple(int(step) for step in table["saddles"]),
        _array(table["time"]),
        _array(table["log_risk"]),
    )
