"""Pushing θ along a KKT direction by hand: what a person types, and the change of θ it stands for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.errors import BadInput, clean_text
from workbench.inspector.inspect import Inspection
from workbench.inspector.state import InspectedState

BESIDE = (
    "this KKT point is one of neurons beside the network's own, and none of θ's weights can be pushed along "
    "it"
)
_PUSH = re.compile(
    r"(?P<size>[-+]?[0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)(?:\s+(?:neuron\s+)?(?P<who>all|[0-9]+))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Push:
    """`size` times the unit KKT direction is added to a neuron, to all small ones, or to the whole θ.

    `neuron` None: the whole θ (a joint KKT point), or with `everyone` all small neurons that see what the
    point's do: the sign of the residual, or a coordinate.
    """

    size: float
    neuron: int | None = None
    everyone: bool = False


def likely_neuron(inspection: Inspection, point: int) -> int | None:
    """The neuron that a push most likely means: the largest small one heading to the point, else the
    largest small one that sees the same; None for a joint point or without small neurons."""
    found = inspection.correlation
    if found is None or found.joint:
        return None
    small = [n for n in inspection.forecast.neurons if n.small]
    heading = [n for n in small if n.target == point]
    own = [n for n in small if found.coordinate(point) in (None, n.index)]
    chosen = heading or own
    return max(chosen, key=lambda n: n.norm).index if chosen else None


def parse_push(text: str, state: InspectedState, inspection: Inspection, point: int) -> Push:
    """`1e-3`, `1e-3 neuron 4`, `-0.1 all`; raises BadInput for anything else, and for a neuron that is
    not there or has another correlation function."""
    found = inspection.correlation
    match = _PUSH.fullmatch(text.strip())
    size = float(match["size"]) if match else 0.0
    if match is None or found is None or not math.isfinite(size) or size == 0:
        raise BadInput(
            f"'{clean_text(text, 40)}' is no push: a length other than 0, then a neuron if you want "
            "another one (1e-3, 1e-3 neuron 4, 1e-3 all)"
        )
    if found.beside:
        raise BadInput(BESIDE)
    if found.joint:
        if match["who"] is not None:
            raise BadInput("this KKT point is one of the whole θ: give a length only")
        return Push(size)
    count = len(state.neuron_norm)
    if match["who"] is None:
        neuron = likely_neuron(inspection, point)
        if neuron is None:
            raise BadInput("no neuron is small here: say which one (1e-3 neuron 4)")
    elif match["who"].lower() == "all":
        return Push(size, everyone=True)
    else:
        neuron = int(match["who"])
    if neuron >= count:
        raise BadInput(f"there is no neuron {neuron}: they are 0 to {count - 1}")
    if state.sees[neuron] != found.sees[point]:
        other = "another coordinate" if found.apart else "the other output sign"
        raise BadInput(
            f"neuron {neuron} has {other}: this is no KKT point of its correlation function"
        )
    return Push(size, neuron)


def delta_of(
    push: Push, state: InspectedState, inspection: Inspection, point: int
) -> Float[np.ndarray, " P"]:
    """The change of θ (P) of a push along a KKT point's direction."""
    found = inspection.correlation
    if found is None:
        raise ValueError("there are no KKT points to push along")
    step = push.size * found.points[point].direction
    if found.joint:
        return np.asarray(step)
    if push.neuron is not None:
        chosen = np.array([push.neuron])
    else:
        small = inspection.groups.small
        chosen = small[state.sees[small] == found.sees[point]]
    theta = state.theta
    for index in chosen:
        theta = state.place(theta, int(index), state.weights[index] + step)
    return np.asarray(theta - state.theta)


LEAVING = 0.5
"""Share of the time until the first neuron leaves, in which one that is pushed by `leaving_push` does."""
OUTWEIGHS = 2.0
"""How many times a neuron's own weights it is pushed at least: it is then within 30° of the point."""
SLOWEST = 1e-3
"""Share of the largest N, at most which a point is no way out."""


def leaving_push(state: InspectedState, inspection: Inspection, point: int) -> Push:
    """The push along a KKT point after which a neuron leaves that way, before any other leaves.

    Along a KKT direction with N > 0 a neuron grows as d log‖w‖/dt = λ = 2 N (KH24 Lemma 5.2, L = 2), so
    from r e^{−λT/2} it reaches the radius r at which it counts as having left in T/2; T is when the first
    neuron leaves as it is, 0 where none does. Pushed is that first one where it heads there, else the
    smallest whose weights the point is a direction of. Of a point of the whole θ: all of θ, by its norm.

    Raises:
        BadInput: N is no more than `SLOWEST` of the largest there, no neuron is small, or the point is one of
            neurons beside the network's own.
    """
    found, forecast = inspection.correlation, inspection.forecast
    if found is None:
        raise ValueError("there are no KKT points to push along")
    if found.beside:
        raise BadInput(BESIDE)
    value, highest = found.points[point].value, max(0.0, *(p.value for p in found.points))
    if not value > SLOWEST * highest:
        raise BadInput(
            f"nothing leaves along KKT point {point}: N = {value:.4g} there, and {highest:.4g} at the "
            "highest; say by how much to push all the same"
        )
    if found.joint:
        return Push(float(np.linalg.norm(state.theta)))
    small = inspection.groups.small
    own = small[state.sees[small] == found.sees[point]]
    if not len(own):
        raise BadInput("no neuron is small here: say which one, and by how much (1e-3 neuron 4)")
    first = None if forecast.first is None else forecast.neurons[forecast.first]
    heads = first is not None and first.target == point
    chosen = first.index if heads and first else int(own[np.argmin(state.neuron_norm[own])])
    times = () if first is None else (first.escape_time_low, first.escape_time)
    wait = min((t for t in times if t is not None), default=0.0)
    arriving = (forecast.radius or 0.0) * math.exp(-2.0 * value * LEAVING * wait)
    return Push(max(arriving, OUTWEIGHS * float(state.neuron_norm[chosen])), chosen)


def push_words(push: Push, point: int, where: str) -> str:
    """What was done, for the run's events."""
    who = "all small neurons" if push.everyone else f"neuron {push.neuron}"
    who = "θ" if push.neuron is None and not push.everyone else who
    return f"{who} pushed by {push.size:g} along KKT point {point} ({where})"
