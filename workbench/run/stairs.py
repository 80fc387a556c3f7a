"""The staircase of what a configuration trains, predicted from its start; a run's own drops beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.config.run import RunConfig
from workbench.data.dataset import Dataset
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.models.start import first_theta
from workbench.run.network import network_of
from workbench.run.pursued import neuron_weights
from workbench.run.pursuing import Pursuing
from workbench.run.stored import StoredRun, require_trust
from workbench.theory.ncf.drops import bracket, crossing
from workbench.theory.ncf.leaders import agree, leaders
from workbench.theory.ncf.staircase import Stair, Staircase, staircase
from workbench.theory.numerics.work import Work

WORK = 2e12
"""Most operations of both courses."""
RULES = ("constant", "flow")
"""Step rules whose time is the flow's."""


@dataclass(frozen=True)
class Came:
    """What a run did of a predicted drop. `time`: when it was halfway down, NaN where it has not come so far
    yet. `within`: whether that lies in the interval; None where the two records around it are too far apart
    to tell. `leaves`: who made it; None where θ was not recorded."""

    time: float
    within: bool | None
    leaves: tuple[int, ...] | None
    in_order: bool


@dataclass(frozen=True, eq=False)
class PredictedStairs:
    """A staircase in the units of a run: its own time, and its risk with its reduction.

    `step`: η, 0 under the flow; `came`: of the run beside it, as many as there are stairs; None without one.
    """

    name: str
    factor: float
    step: float
    found: Staircase
    came: tuple[Came, ...] | None = None

    def time(self, summed: Any) -> Any:
        """A time of the summed risk's flow as the run's."""
        return summed / self.factor

    @property
    def log_risk(self) -> Float[Array, " T"]:
        """The predicted curve, natural logarithm."""
        return self.found.log_risk + np.log(self.factor)

    def as_json(self) -> dict[str, Any]:
        """The document of `--json`: the run's times and risks, null for what is not known."""
        came = self.came or (None,) * len(self.found.stairs)
        return {
            "name": self.name,
            "decided": self.found.decided,
            "end": str(self.found.end),
            "learning_rate": self.step or None,
            "stairs": [self._stair(*pair) for pair in zip(self.found.stairs, came, strict=True)],
        }

    def _stair(self, stair: Stair, came: Came | None) -> dict[str, Any]:
        towards = stair.towards
        told: dict[str, Any] = {
            "risk_before": stair.before * self.factor,
            "risk_after": stair.after * self.factor,
            "time": _number(self.time(stair.time)),
            "time_low": _number(self.time(stair.low)),
            "time_high": _number(self.time(stair.high)),
            "neurons": list(stair.leaves),
            "left": _number(self.time(stair.left)),
            "undecided": stair.undecided,
            "direction": None if towards is None else towards.direction.tolist(),
            "value": None if towards is None else towards.value,
            "angle": None if towards is None else towards.off,
            "complete": None if towards is None else towards.complete,
        }
        if came is not None:
            told["run"] = {
                "time": _number(came.time),
                "within": came.within,
                "neurons": None if came.leaves is None else list(came.leaves),
                "in_order": came.in_order,
            }
        return told


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True, eq=False)
class StairsTask:
    """What to predict: a problem and the weights it begins with. `run`: to hold it against."""

    pursuing: Pursuing
    weights: Float[Array, "H p"]
    signs: Float[Array, " H"]
    run: Path | None = None

    @classmethod
    def of(cls, config: RunConfig, name: str) -> StairsTask:
        """Of a configuration that has not been trained.

        Raises:
            BadInput: a staircase is not predicted of this network, loss, data or step rule.
        """
        dataset = load_dataset(config.data)
        structure = network_of(config, dataset).structure
        return cls._of(config, name, dataset, first_theta(config.init, structure), None)

    @classmethod
    def of_run(cls, stored: StoredRun, trust: bool = False) -> StairsTask:
        """Of what a stored run began with, to hold the run against it; raises as `of`."""
        name = stored.folder.name
        require_trust(stored.config.own_classes, trust, name)
        config = stored.config.for_looking()
        return cls._of(config, name, stored.dataset, stored.theta(0), stored.folder)

    @classmethod
    def _of(
        cls,
        config: RunConfig,
        name: str,
        dataset: Dataset,
        theta: Float[Array, " P"],
        run: Path | None,
    ) -> StairsTask:
        refused = _why_not(config)
        if refused is not None:
            raise BadInput(refused)
        pursuing = Pursuing.of(config, name, dataset, "a staircase")
        structure = network_of(config, dataset).structure
        weights, signs = neuron_weights(structure, np.asarray(theta, float)[None])
        if not weights.any():
            raise BadInput("a staircase begins from weights that are not all 0; this start is.")
        return cls(pursuing, weights[0], signs, run)

    def compute(
        self,
        *,
        told: Callable[[float, float], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> PredictedStairs:
        """The staircase, as far as the run is to go; `told`: (time, risk) of the summed risk on the way.

        Raises:
            WorkbenchError: the run cannot be read.
        """
        train, factor = self.pursuing.config.train, self.pursuing.factor
        step = train.lr if train.rule == "constant" else 0.0
        found = staircase(
            self.pursuing.problem,
            self.weights,
            self.signs,
            step=step * factor,
            until=train.steps * step * factor if step else np.inf,
            work=Work(WORK, cancel),
            told=told,
        )
        predicted = PredictedStairs(self.pursuing.name, factor, step, found)
        if self.run is None:
            return predicted
        with StoredRun(self.run) as stored:
            came = came_of(predicted, stored)
        return PredictedStairs(predicted.name, factor, step, found, came)


def came_of(predicted: PredictedStairs, stored: StoredRun) -> tuple[Came, ...]:
    """What a run did of every drop that was predicted for it.

    A drop comes in order where its leader leaves in it, and not before or behind another one's.
    """
    reader, stairs = stored.reader, predicted.found.stairs
    time = np.asarray(reader.read("time"), float)
    log_risk = np.asarray(reader.read("log_risk"), float) - np.log(predicted.factor)
    made: list[tuple[int, ...]] | None = None
    if reader.has("theta"):
        weights, _ = neuron_weights(
            stored.network().structure, np.asarray(reader.read("theta"), float)
        )
        with np.errstate(divide="ignore"):
            norms = np.log(np.linalg.norm(weights, axis=2))
        made = list(leaders(time, log_risk, norms, [stair.middle for stair in stairs]))
    found = []
    for place, stair in enumerate(stairs):
        at = crossing(time, log_risk, stair.middle)
        low, high = predicted.time(stair.low), predicted.time(stair.high)
        leaves = None if made is None or np.isnan(at) else made[place]
        same = leaves is not None and agree(stair.leaves, leaves)
        within = lies_within(bracket(time, log_risk, stair.middle), low, high)
        found.append(Came(at, within, leaves, same))
    return tuple(found)


def lies_within(records: tuple[float, float], low: float, high: float) -> bool | None:
    """Whether what came between two records came from `low` to `high`; None where it may have or not."""
    before, after = records
    if low <= before and after <= high:
        return True
    return None if before <= high and after >= low else False


def _why_not(config: RunConfig) -> str | None:
    """Why no staircase is predicted under a step rule, in a sentence, or None."""
    train = config.train
    if train.rule not in RULES:
        return (
            f"a staircase is one of gradient flow, and train.rule '{train.rule}' moves otherwise; allowed: "
            "'constant', 'flow'."
        )
    if train.batch:
        return (
            f"a staircase is one of the full batch; train.batch is {train.batch}, allowed here: 0."
        )
    return None
