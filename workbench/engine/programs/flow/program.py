"""The step program of gradient flow: one step of the run is one accepted step of the integrator.

θ is the state; the direction u = θ/ρ and x = log ρ are read off it before every step, so whatever moves
θ (a perturbation, a fork) needs no ceremony, and resuming repeats every bit: a Rosenbrock step has no
history but its h. Steps are short where the direction turns and long where nothing happens, which is
what records want; in the far chart their length is a length in log ρ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from math import exp, log

import numpy as np
import torch

from workbench.arrays import Float
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.eager import EagerProgram
from workbench.engine.programs.flow.place import Field, Place
from workbench.engine.programs.flow.rosenbrock import rosenbrock_step, step_factor
from workbench.engine.programs.flow.time import log_time
from workbench.engine.state import EngineState
from workbench.losses.loss import MarginLoss
from workbench.protocol.events import Ending
from workbench.protocol.status import RunStatus

ENTER_FAR = 1.0
"""F = −log 𝓛 of the summed risk from which the far chart is used; it is left at half of that."""
LONGEST = 0.25
"""Longest step in log ρ."""
ATTEMPTS = 60
SETTLING = 8
"""Most rounds in which kinks are passed, slid on and let go after a step."""
FALL = 1e-12
"""Relative fall of γ~ in a step that is beyond rounding."""
GOING, REACHED, STALLED = 0.0, 1.0, 2.0


@dataclass
class Memory:
    """What the integrator remembers, as the array `flow` of a checkpoint.

    `h`: the next step (0: none yet); `far`: the chart it is meant for; `falls` counts steps in which γ~
    fell, `worst` is the largest relative fall; `rejected` and `evaluations` count since step 0, a
    chunk's first evaluation left out;
    `longest` is the largest ‖∂s_p‖² met (see FlowField.jacobian).
    """

    h: float = 0.0
    far: float = 0.0
    ended: float = GOING
    falls: float = 0.0
    worst: float = 0.0
    rejected: float = 0.0
    evaluations: float = 0.0
    longest: float = float("inf")

    @staticmethod
    def of(state: EngineState) -> Memory:
        """From a state, fresh where it has none."""
        kept = state.memory.get("flow")
        return Memory() if kept is None else Memory(*(float(v) for v in kept))

    def keep(self, state: EngineState) -> None:
        """Into the state."""
        state.memory["flow"] = np.array(astuple(self))


class FlowProgram:
    """Integrates dθ/dt = −∇𝓛(θ); rows are evaluated by the eager program on the network itself."""

    series: tuple[str, ...] = ("time_log",)

    def __init__(
        self, field: Field, rows: EagerProgram, *, rtol: float, log_risk: float | None
    ) -> None:
        """`rtol`: local error, relative to ‖θ‖ (near) or to ‖u‖ = 1 (far). `log_risk`: log 𝓛 at which the
        run is finished, natural, with the run's reduction."""
        self.field, self.rows, self.x = field, rows, rows.x
        self.name = field.engine
        self.rtol = rtol
        self.goal = None if log_risk is None else -log_risk - field.log_mean

    def evaluate(self, state: EngineState, buffer: RowBuffer) -> None:
        """Write a row of the state as it is."""
        self.rows.evaluate(state, buffer)

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """At the risk asked for, or where no step is short enough."""
        memory = Memory.of(state)
        if memory.ended == REACHED:
            return RunStatus.FINISHED, "the risk asked for by train.until is reached"
        if memory.ended == STALLED:
            return RunStatus.STALLED, (
                f"no step of the flow from step {state.step:,} meets train.rtol = {self.rtol:g}; "
                f"the last one tried is {memory.h:.1e}"
            )
        return None

    def run_chunk(
        self,
        state: EngineState,
        step0: int,
        records: int,
        every: int,
        buffer: RowBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See StepProgram; ends early at the goal."""
        state.step = step0
        state.set_out()
        end = step0 + records * every
        memory = Memory.of(state)
        memory.ended = GOING
        place = self._place(state, memory)
        while state.step < end and not stop_flag.raised:
            if self.goal is not None and place.height >= self.goal:
                memory.ended = REACHED
            else:
                place = self._step(state, memory, place)
            memory.keep(state)
            self._keep_kinks(state, place)
            if memory.ended != GOING:
                break
            state.step += 1
            state.arrive()
            if buffer is not None and (state.step - step0) % every == 0:
                self.evaluate(state, buffer)
        state.travelled()
        return state.step - step0

    def _place(self, state: EngineState, memory: Memory) -> Place:
        """The field at θ in the chart that suits its risk."""
        theta = state.theta.detach().cpu().double().numpy().copy()
        self.field.restore(theta, state.memory.get("flow_kinks"))
        return self._chart(theta, bool(memory.far))

    def _chart(self, theta: Float[np.ndarray, " P"], was_far: bool) -> Place:
        field = self.field
        if field.loss.regression or field.order is None or not theta.any():
            return field.near(theta)
        norm = float(np.sqrt(theta @ theta))
        place = field.far(theta / norm, log(norm))
        enough = ENTER_FAR / 2.0 if was_far else ENTER_FAR
        return place if place.height >= enough and place.along > 0.0 else field.near(theta)

    def _first_step(self, memory: Memory, place: Place) -> float:
        """The step to try: the last one's proposal, translated where the chart has changed."""
        if memory.h == 0.0:
            size = float(np.sqrt(place.slope @ place.slope))
            whole = 1.0 if place.far else float(np.sqrt(place.point @ place.point))
            return 1e-3 * whole / size if size > 0.0 and whole > 0.0 else 1.0
        if place.far == bool(memory.far):
            return memory.h
        # dx/ds = ν/ρ² between the two independent variables.
        ratio = max(place.radial, 1e-300) * exp(-2.0 * place.log_norm)
        return memory.h * ratio if place.far else memory.h / ratio

    def _step(self, state: EngineState, memory: Memory, place: Place) -> Place:
        """One accepted step in place in the state; the field at its end."""
        field = self.field
        before = field.evaluations
        h = self._first_step(memory, place)
        memory.far = float(place.far)
        jacobian, memory.longest = field.jacobian(place, h, memory.longest)
        slope: Callable[[Float[np.ndarray, " P"], float], Float[np.ndarray, " P"]]
        slope = field.far_slope if place.far else field.near_slope
        allowed = self.rtol * (1.0 if place.far else max(exp(place.log_norm), 1e-300))
        last = self._to_goal(place)
        speed = float(np.sqrt(place.slope @ place.slope)) * self.rtol / allowed
        for _ in range(ATTEMPTS):
            tried = min(h, last, LONGEST) if place.far else min(h, last)
            tried = field.begin(place, tried, allowed)
            with np.errstate(over="ignore", invalid="ignore"):
                y, error = rosenbrock_step(
                    slope, place.point, place.log_norm, place.slope, tried, jacobian
                )
                factor = step_factor(float(np.sqrt(error @ error)) / allowed)
            after, part = None, 1.0
            if factor >= 0.9:
                part = field.overrun(place, y, tried, allowed)
            if factor >= 0.9 and part == 1.0:
                after = self._arrive(y, place, tried)
                part = field.overdue(place, after[1], tried, allowed)
            # A fall of γ~ beyond the tolerance is an error that the estimate has missed.
            if (
                after is not None
                and part == 1.0
                and after[1].finite
                and self._fall(place, after[1]) <= self.rtol
            ):
                break
            memory.rejected += 1
            h = tried * (part if part < 1.0 else min(factor, 0.5))
            if h * speed < 1e-15:
                memory.h, memory.ended = h, STALLED
                return place
        else:
            memory.h, memory.ended = h, STALLED
            return place
        theta, end = self._settle(*after)
        with torch.no_grad():
            state.theta.copy_(torch.from_numpy(theta))
        memory.h = max(tried * factor, h if tried < h else 0.0)
        self._pass_time(state, place, end, tried)
        self._watch(state, memory, place, end)
        memory.evaluations += field.evaluations - before
        return end

    def _to_goal(self, place: Place) -> float:
        """The step that just passes the risk asked for, as if F grew like a power of ρ, or linearly."""
        if self.goal is None:
            return float("inf")
        climb, power = self._climb(place, place), self._power()
        if not climb > 0.0:
            return float("inf")
        left = (self.goal - place.height) / climb
        length = log(1.0 + power * left) / power if place.far else left
        return length * 1.001 + 1e-9

    def _arrive(
        self, y: Float[np.ndarray, " P"], place: Place, h: float
    ) -> tuple[Float[np.ndarray, " P"], Place]:
        """θ at the step's end, and the field there as a next step would find it."""
        theta = exp(place.log_norm + h) * (y / np.sqrt(y @ y)) if place.far else y
        self.field.land(theta)
        return theta, self._chart(theta, place.far)

    def _settle(
        self, theta: Float[np.ndarray, " P"], place: Place
    ) -> tuple[Float[np.ndarray, " P"], Place]:
        """θ and the field there on the piece on which the flow goes on."""
        for _ in range(SETTLING):
            moved = self.field.settled(place)
            if moved is None:
                break
            theta = exp(place.log_norm) * moved if place.far else moved
            place = self._chart(theta, place.far)
        return theta, place

    def _keep_kinks(self, state: EngineState, place: Place) -> None:
        """Into the state, what θ does not say of the piece it is on."""
        kinks = self.field.kinks(place)
        if kinks is not None:
            state.memory["flow_kinks"] = kinks

    @staticmethod
    def _climb(at: Place, chart: Place) -> float:
        """dF/dx at a place, in the independent variable of a chart."""
        if not chart.far:
            return exp(at.log_steep)
        return exp(at.log_steep + 2.0 * at.log_norm - log(max(at.radial, 1e-300)))

    def _pass_time(self, state: EngineState, start: Place, end: Place, h: float) -> None:
        """Add the step's physical time."""
        if self.field.loss.regression:
            state.add_time(log(h))
            return
        mobility = (0.0, 0.0)
        if start.far:
            first, second = (2.0 * p.log_norm - log(max(p.radial, 1e-300)) for p in (start, end))
            mobility = (first, second)
        climbs = (self._climb(start, start), self._climb(end, start))
        heights = (start.height, end.height)
        amount = log_time(h, heights, climbs, mobility, far=start.far and min(heights) > 0.0)
        state.add_time(amount + self.field.log_mean)

    def _fall(self, start: Place, end: Place) -> float:
        """−Δlog γ~ over a step of the far chart, γ~ = ℓ⁻¹(𝓛)/ρ^L; 0 elsewhere."""
        loss = self.field.loss
        if not (start.far and end.far and isinstance(loss, MarginLoss)):
            return 0.0
        order = self.field.order or 1.0
        inverse = [loss.inverse_at(p.height) for p in (start, end)]
        return order * (end.log_norm - start.log_norm) - log(inverse[1] / inverse[0])

    def _watch(self, state: EngineState, memory: Memory, start: Place, end: Place) -> None:
        """The runtime check: γ~ never falls along the flow (LL20 Theorem 4.1)."""
        fall = self._fall(start, end)
        if fall <= FALL:
            return
        memory.falls += 1.0
        memory.worst = max(memory.worst, fall)
        count = int(memory.falls)
        if count == 10 ** (len(str(count)) - 1):
            state.notes.append(
                (
                    state.step + 1,
                    f"the smoothed margin fell in {count:,} of the flow's steps, at most by "
                    f"{memory.worst:.1e} of itself in one; along the exact flow it never falls "
                    "(a smaller train.rtol integrates more closely)",
                )
            )

    def _power(self) -> float:
        """The power of ρ that F grows like in the end."""
        loss, order = self.field.loss, self.field.order or 1.0
        return order * loss.power if isinstance(loss, MarginLoss) else order
