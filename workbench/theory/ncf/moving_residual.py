"""Small neurons carried along on a residual that the large ones still move (KH24 §5.3, Theorem 5.5).

The theorem takes the large weights w_n to stay: then the small ones follow the NCF flow of a residual at
rest. Where they still move they are followed by themselves, ẇ_n = −∇𝓛(w_n), the small ones' part in the
output standing still, and every small neuron follows the NCF flow of the residual z(t) they leave:
û' = ∇N_{z(t)}(û) − 2N(û)û, d log‖w‖/dt = 2N(û). How far that can be trusted is asked of other
*scenarios*:

    still     z stays what it is now (Theorem 5.5 as printed)
    moving    z(t) of the large neurons alone
    less      moved by a tenth less than that, z(t) − 0.1 (z(t) − z(0))
    more      by a tenth more
    answered  z(t) also changed by the small neurons' part in the output along "moving", which the large
              ones answer, and in the run's own finite steps: w ← w + η ∇N(w)

None of them is the training itself: in no scenario do the small neurons act on their own residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Bool, Float
from workbench.theory.ncf.paths import time_left
from workbench.theory.ncf.separable_risk import NeuronRisk
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import ELEMENT, Work

DOUBT = 0.1
"""Share of the residual's own motion that "less" and "more" take off and add."""
TOLERANCE = 5e-4
"""Error of a step: radians and logarithms of small neurons, share of the large neurons' norm."""
FINEST = 1 / 1_500
"""Shortest step that small neurons alone ask for, over the first escape on the residual at rest."""
ROUNDS = 3_000
FAR = 10.0
"""Times the first escape on the residual at rest after which nothing is followed any more."""
BEYOND = 1.3
"""Times the first escape of a scenario up to which its other neurons are followed."""

SCENARIOS = ("still", "moving", "less", "more", "answered")


@dataclass(frozen=True, eq=False)
class Scenario:
    """When ‖w‖ = radius in one scenario, in flow time of the summed risk, by neuron (k).

    `low` = `high` where a neuron was followed that far. Where not, `high` is as if its growth stayed what
    it is at the end (∞ without growth) and `low` as if it were the highest there is. `direction` (k, p):
    the unit direction then, or the last one followed.
    """

    low: Float[Array, " k"]
    high: Float[Array, " k"]
    direction: Float[Array, "k p"]


@dataclass(frozen=True, eq=False)
class Scenarios:
    """Every scenario by its name. `outcome`: iterations are tried steps; converged where each has told who
    leaves first and who comes close behind."""

    by_name: dict[str, Scenario]
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class _Ahead:
    """Where everything stands: large neurons of "moving" and of "answered" (2, a, p); small ones by scenario,
    direction (c, k, p) and log‖w‖ (c, k)."""

    large: Float[Array, "2 a p"]
    direction: Float[Array, "c k p"]
    log_norm: Float[Array, "c k"]

    def moved(self, rate: _Ahead, h: float, active: Bool[Array, "c k"]) -> _Ahead:
        """h further along; neurons that have left stay where they are."""
        direction = self.direction + h * np.where(active[..., None], rate.direction, 0.0)
        direction /= np.linalg.norm(direction, axis=2, keepdims=True)
        grown = self.log_norm + h * np.where(active, rate.log_norm, 0.0)
        return _Ahead(self.large + h * rate.large, direction, grown)


class _Race:
    """All scenarios of a set of neurons, followed at once."""

    def __init__(
        self,
        risk: NeuronRisk,
        large: tuple[Float[Array, "a p"], Float[Array, " a"]],
        small: tuple[Float[Array, "k p"], Float[Array, " k"]],
        radius: float,
        step: float,
    ) -> None:
        self.risk, self.large_sees, self.sees = risk, large[1], small[1]
        self.log_radius, self.step = float(np.log(radius)), step
        # Without large neurons nothing moves z but the small ones themselves.
        self.names = SCENARIOS if len(large[0]) else ("still", "answered")
        norm = np.linalg.norm(small[0], axis=1)
        count = len(self.names)
        self.at = _Ahead(
            np.stack([large[0]] * 2),
            np.stack([small[0] / norm[:, None]] * count),
            np.tile(np.log(norm), (count, 1)),
        )
        self.fixed = risk.rest + risk.outputs(*small)
        self.z = risk.residual(risk.outputs(*large) + self.fixed)
        self.time = np.full(self.at.log_norm.shape, np.nan)
        self.time[self.at.log_norm >= self.log_radius] = 0.0
        self.leaving = self.at.direction.copy()

    @property
    def active(self) -> Bool[Array, "c k"]:
        """Which neurons have not left."""
        return np.isnan(self.time)

    @property
    def operations(self) -> float:
        """Of `rates`: outputs and gradients of the large neurons twice, of the small ones by scenario."""
        small, large = self.at.direction[0], self.at.large[0]
        neurons = 4 * len(large) + (1 + len(self.names)) * len(small)
        return float(neurons * len(self.z)) * (ELEMENT + small.shape[1])

    def _small_outputs(self, at: _Ahead) -> Float[Array, " n"]:
        """Of the small neurons in "moving", none larger than the radius."""
        row = self.names.index("moving") if "moving" in self.names else 0
        size = np.exp(np.minimum(at.log_norm[row], self.log_radius))
        return self.risk.outputs(at.direction[row] * size[:, None], self.sees)

    def rates(self, at: _Ahead) -> _Ahead:
        """d/dt of everything."""
        answer = self.risk.rest + self._small_outputs(at)
        alone = np.zeros_like(self.z)
        if self.at.large.shape[1]:
            alone = self.risk.outputs(at.large[0], self.large_sees)
            answer = answer + self.risk.outputs(at.large[1], self.large_sees)
        moving, answered = self.risk.residual(alone + self.fixed), self.risk.residual(answer)
        seen = {
            "still": self.z,
            "moving": moving,
            "less": moving - DOUBT * (moving - self.z),
            "more": moving + DOUBT * (moving - self.z),
            "answered": answered,
        }
        large = np.zeros_like(at.large)
        if at.large.shape[1]:
            large[0] = self.risk.pull(at.large[0], self.large_sees, moving)
            large[1] = self.risk.pull(at.large[1], self.large_sees, answered)
        pull = np.stack(
            [
                self.risk.pull(w, self.sees, seen[name])
                for name, w in zip(self.names, at.direction, strict=True)
            ]
        )
        outward = np.sum(pull * at.direction, axis=2)
        pull -= outward[..., None] * at.direction
        slower = in_steps(outward[-1], self.step)
        pull[-1] *= slower[:, None]
        outward[-1] *= slower
        return _Ahead(large, pull, outward)

    def errors(self, first: _Ahead, second: _Ahead, h: float) -> tuple[float, float]:
        """Of a step of Heun's method: of the small neurons, and of the large ones."""
        active = self.active
        turn = np.linalg.norm(second.direction - first.direction, axis=2)[active]
        grow = np.abs(second.log_norm - first.log_norm)[active]
        small = max(float(turn.max(initial=0.0)), float(grow.max(initial=0.0)))
        size = np.linalg.norm(self.at.large, axis=(1, 2))
        change = np.linalg.norm(second.large - first.large, axis=(1, 2))
        large = float((change / np.maximum(size, 1e-300)).max())
        return 0.5 * h * small, 0.5 * h * large

    def take(self, now: float, first: _Ahead, second: _Ahead, h: float) -> None:
        """Step by h from `now`, and note who has left on the way."""
        rate = _Ahead(
            0.5 * (first.large + second.large),
            0.5 * (first.direction + second.direction),
            0.5 * (first.log_norm + second.log_norm),
        )
        after = self.at.moved(rate, h, self.active)
        left = self.active & (after.log_norm >= self.log_radius)
        grown = after.log_norm[left] - self.at.log_norm[left]
        part = (self.log_radius - self.at.log_norm[left]) / grown
        between = self.at.direction[left] + part[:, None] * (
            after.direction[left] - self.at.direction[left]
        )
        self.time[left] = now + part * h
        self.at = after
        self.leaving[self.active] = after.direction[self.active]
        self.leaving[left] = between / np.linalg.norm(between, axis=1, keepdims=True)

    def done(self, now: float, still_first: float) -> bool:
        """Whether every scenario has told who leaves first, and who comes close behind."""
        first = np.min(np.where(self.active, np.inf, self.time), axis=1, initial=np.inf)
        told = bool((now >= BEYOND * first).all()) and now >= min(still_first, 1e300)
        return told or not self.active.any() or now >= FAR * still_first

    def told(self, now: float, highest: float) -> dict[str, Scenario]:
        """The scenarios, those not at their end by how the neurons grow there."""
        growth = self.rates(self.at).log_norm
        left = self.log_radius - self.at.log_norm
        high = now + time_left(left, growth, 1e-9 * highest)
        low = np.minimum(now + left / (2.0 * highest), high)
        low, high = np.where(self.active, low, self.time), np.where(self.active, high, self.time)
        found = {
            name: Scenario(*columns)
            for name, *columns in zip(self.names, low, high, self.leaving, strict=True)
        }
        return {name: found.get(name, found["still"]) for name in SCENARIOS}


def scenarios_ahead(
    risk: NeuronRisk,
    large: tuple[Float[Array, "a p"], Float[Array, " a"]],
    small: tuple[Float[Array, "k p"], Float[Array, " k"]],
    *,
    radius: float,
    highest: float,
    step: float,
    still_first: float,
    work: Work | None = None,
) -> Scenarios:
    """Every scenario of some small neurons, none zero, with weights and what they see.

    `highest`: max N of the residual now, over unit directions. `step`: η of the summed risk, the length of
    the run's own steps. `still_first`: the first escape on the residual at rest. `work`: once spent, the
    scenarios end there as after the last of their steps; cancelled where somebody waits no longer.

    Raises:
        ValueError: radius, highest or step is not positive.
    """
    if not min(radius, highest, step) > 0:
        raise ValueError(f"radius, highest and step must be positive, got {radius, highest, step}")
    work = work or Work()
    race = _Race(risk, large, small, radius, step)
    shortest = min(step, 0.02 / highest)
    # On a kink of the data directions step to and fro, which no shorter step would mend.
    coarse = max(shortest, FINEST * still_first)
    now, h, rounds, end = 0.0, shortest, 0, End.CONVERGED
    while rounds < ROUNDS:
        if race.done(now, still_first) or not race.active.any():
            break
        if work():
            end = End.OUT_OF_STEPS if work.spent else End.CANCELLED
            break
        rounds += 1
        work.add(2.0 * race.operations)
        first = race.rates(race.at)
        second = race.rates(race.at.moved(first, h, race.active))
        small_error, large_error = race.errors(first, second, h)
        if (small_error <= TOLERANCE or h <= coarse) and (
            large_error <= TOLERANCE or h <= shortest
        ):
            race.take(now, first, second, h)
            now += h
        h = min(
            max(h * _factor(large_error), shortest),
            max(h * _factor(small_error), coarse),
            0.25 / highest,
        )
    else:
        end = End.OUT_OF_STEPS
    return Scenarios(race.told(now, highest), Outcome(end, rounds))


def _factor(error: float) -> float:
    """How much longer the next step may be."""
    return float(np.clip(0.9 * np.sqrt(TOLERANCE / max(error, 1e-300)), 0.3, 2.0))


def in_steps(rate: Float[Array, " k"], step: float) -> Float[Array, " k"]:
    """log(1 + ηr)/(ηr): how much slower w ← w + η∇N(w) grows and turns than the flow."""
    share = np.clip(step * rate, -0.5, None)
    small = np.abs(share) < 1e-8
    safe = np.where(small, 1.0, share)
    return np.where(small, 1.0 - 0.5 * share, np.log1p(safe) / safe)
