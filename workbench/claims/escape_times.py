"""How long members of a study stay near the origin, by the scale δ of their start, and what claims read of
it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.claims.lab import Lab, TrainedMember
from workbench.config.run import RunConfig
from workbench.study.source import load_study

FALLEN = 0.01
"""A member has left the origin when its risk has fallen by this part: what "the risk stands still" means for
KH24's Fig. 1."""
NEAR = 0.05
"""How far a slope may be off its limit: the part by which a forecast of an escape may be off its time."""


@dataclass(frozen=True, eq=False)
class EscapeTimes:
    """Steps until the risk has fallen by 1 %, NaN where it never does.

    `scale` (K), falling; `seed` (S); `steps` (S, K).
    """

    scale: Float[np.ndarray, " K"]
    seed: tuple[int, ...]
    steps: Float[np.ndarray, "S K"]

    @property
    def log_inverse(self) -> Float[np.ndarray, " K"]:
        """ln(1/δ)."""
        return -np.log(self.scale)

    @property
    def known(self) -> Float[np.ndarray, "s K"]:
        """Of the seeds that leave from every scale."""
        return self.steps[np.isfinite(self.steps).all(axis=1)]


def escape_times(
    lab: Lab, name: str, order: float, seeds: range, scales: Mapping[str, Sequence[float]]
) -> tuple[EscapeTimes, RunConfig]:
    """Run a study of starts by seed and scale, of which the base is handed back too; `scales` has the choices
    of the keys that go together, that of the scale first.

    Raises:
        WorkbenchError: a member cannot be trained.
    """
    words = [f"init.seed=range({seeds.start},{seeds.stop})"]
    zipped = [f"{key}={','.join(map(str, values))}" for key, values in scales.items()]
    study = load_study(name, words, zipped, ["device.kind=cpu"])
    return times_of(lab.study(study), order), study.base


def times_of(members: Sequence[TrainedMember], order: float) -> EscapeTimes:
    """The times of members that differ in seed and scale."""
    found: dict[int, dict[float, float]] = defaultdict(dict)
    for member in members:
        seed, scale = member.settings["init.seed"], member.settings["init.scale"]
        found[seed][scale] = escape_step(member.step, member.series["log_risk"], order)
    scales = sorted({scale for row in found.values() for scale in row}, reverse=True)
    steps = [[row.get(scale, np.nan) for scale in scales] for row in found.values()]
    return EscapeTimes(np.array(scales), tuple(found), np.array(steps))


def escape_step(
    step: Float[np.ndarray, " T"], log_risk: Float[np.ndarray, " T"], order: float
) -> float:
    """The step at which the risk has fallen by 1 %, NaN where it never has.

    Between two records the fall f goes like ‖θ‖^L, and ‖θ‖ as near the origin: ln f is a line in the
    step where L = 2, and f^((2−L)/L) where L > 2.
    """
    fall = -np.expm1(log_risk - log_risk[0])
    if not (fall >= FALLEN).any():
        return float("nan")
    after = int(np.argmax(fall >= FALLEN))
    before, here = max(float(fall[after - 1]), np.finfo(float).tiny), float(fall[after])
    if after == 0:
        return 0.0

    def straight(value: float) -> float:
        return float(np.log(value)) if order == 2 else value ** ((2.0 - order) / order)

    part = (straight(FALLEN) - straight(before)) / (straight(here) - straight(before))
    return float(step[after - 1] + part * (step[after] - step[after - 1]))


def slopes(x: Float[np.ndarray, " K"], y: Float[np.ndarray, "S K"]) -> Float[np.ndarray, " S"]:
    """Least-squares slope of every seed's values."""
    centred = x - x.mean()
    return np.asarray((y - y.mean(axis=1, keepdims=True)) @ centred / (centred @ centred))


def neighbouring_slopes(
    x: Float[np.ndarray, " K"], y: Float[np.ndarray, "S K"]
) -> Float[np.ndarray, "S k"]:
    """Slopes between neighbouring scales."""
    return np.asarray(np.diff(y, axis=1) / np.diff(x))
