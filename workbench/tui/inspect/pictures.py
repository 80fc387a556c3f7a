"""What the inspector's screen draws: a compass with the ways to targets, the landscape. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from workbench.arrays import Float
from workbench.tui.inspect.words import angle_of, has_output, is_planar, number, where
from workbench.tui.run.pictures import FEW_INPUTS, data_directions
from workbench.tui.widgets.compass import CompassModel, lengths
from workbench.tui.widgets.landscape import LandscapeModel, wrapped
from workbench.tui.widgets.marks import KktPoint

if TYPE_CHECKING:
    from workbench.inspector.correlation import Correlation
    from workbench.tui.inspect.examined import Examined

TRAILS = 60
"""Up to this many neurons' ways to their targets are drawn."""


def _marks(examined: Examined, sign: float | None, chosen: int | None) -> tuple[KktPoint, ...]:
    found = examined.inspection.correlation
    if found is None:
        return ()
    marks = []
    for index, (point, seen) in enumerate(zip(found.points, found.sees, strict=True)):
        flat = point.extent is not None and point.extent.angles is not None
        angle = angle_of(point)
        # On the landscape of max over v, only neurons with v > 0 stand where N is drawn.
        hidden = sign is not None and (
            seen != sign or (has_output(point) and point.direction[0] < 0)
        )
        if angle is None or flat or hidden:
            continue
        marks.append(KktPoint(angle, point.kind, point.value, bright=index == chosen))
    return tuple(marks)


def compass(examined: Examined, chosen: int | None) -> CompassModel:
    """Neurons with their ways to their targets, inputs, KKT points."""
    state, inspection = examined.state, examined.inspection
    found = inspection.correlation
    if not is_planar(examined) or found is None:
        return CompassModel(title="directions", empty="no plane to draw directions in")
    u = state.structure.incoming(state.theta)
    norm = state.neuron_norm
    arcs = tuple(
        point.extent.angles
        for point in found.points
        if point.extent is not None and point.extent.angles is not None
    )
    return CompassModel(
        title="where neurons head",
        directions=u,
        norms=norm,
        signs=state.structure.neuron_signs(state.theta),
        data=data_directions(state.x, state.y) if state.n <= FEW_INPUTS else (),
        kkt=_marks(examined, None, chosen),
        arcs=arcs,
        trails=ways(examined),
        scale=_scale(norm),
    )


def _scale(norm: Float[np.ndarray, " H"]) -> Literal["relative", "log"]:
    """Lengths on a log scale where norms differ by more than a factor of 50."""
    spread = norm[norm > 0]
    many = bool(spread.size) and float(spread.max() / spread.min()) > 50.0
    return "log" if many else "relative"


def ways(examined: Examined) -> tuple[Float[np.ndarray, "T 2"], ...]:
    """From the tips of small neurons to their targets on the circle: the shorter way round, which the
    flow takes unless a minimum of N lies on it."""
    inspection, state = examined.inspection, examined.state
    found = inspection.correlation
    small = [n for n in inspection.forecast.neurons if n.small and n.target is not None]
    if found is None or len(small) > TRAILS:
        return ()
    u = state.structure.incoming(state.theta)
    reach = lengths(state.neuron_norm, _scale(state.neuron_norm), CompassModel.decades)
    arcs = []
    for neuron in small:
        target = neuron.target or 0
        goal = angle_of(found.points[target])
        start = float(np.arctan2(u[neuron.index, 1], u[neuron.index, 0]))
        if goal is None or not np.isfinite(start):
            continue
        turn = float(wrapped(np.array([goal - start]))[0])
        if any(_between(start, turn, low) for low in _lows(found, target)):
            turn -= np.copysign(2.0 * np.pi, turn)
        angle = start + np.linspace(0.0, turn, max(2, int(abs(turn) * 60)))
        radius = np.linspace(reach[neuron.index], 1.0, len(angle))[:, None]
        arcs.append(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return tuple(arcs)


def _lows(found: Correlation, target: int) -> list[float]:
    """Angles of the minima of N that neurons with the output sign of a target cannot pass."""
    front = found.points[target].direction[0]
    lows = []
    for point, seen in zip(found.points, found.sees, strict=True):
        same = seen == found.sees[target] and (
            not has_output(point) or point.direction[0] * front > 0
        )
        angle = angle_of(point) if point.kind == "min" and same else None
        if angle is not None:
            lows.append(angle)
    return lows


def _between(start: float, turn: float, angle: float) -> bool:
    """Whether a turn from an angle passes another."""
    offset = float(np.mod(np.copysign(1.0, turn) * (angle - start), 2.0 * np.pi))
    return 1e-9 < offset < abs(turn) - 1e-9


def landscape(examined: Examined, chosen: int | None, neuron: int | None) -> LandscapeModel:
    """N over the angle for the sign of the chosen point, with small neurons on it."""
    state, found = examined.state, examined.inspection.correlation
    title = "N(u) of the residual"
    if not examined.circles or found is None:
        return LandscapeModel(title=title, empty="the landscape is drawn for neurons in the plane")
    sign = next(iter(examined.circles))
    point = None
    if chosen is not None and 0 <= chosen < len(found.points):
        sign, point = found.sees[chosen], found.points[chosen]
    circle = examined.circles[sign]
    u = state.structure.incoming(state.theta)
    seen = np.flatnonzero(state.sees == sign)
    small = np.intersect1d(seen, examined.inspection.groups.small)
    model = LandscapeModel(
        title=title if len(examined.circles) == 1 else f"{title}, sign {'+' if sign > 0 else '−'}",
        angle=circle.angle,
        value=circle.value,
        kkt=_marks(examined, sign, chosen),
        data=data_directions(state.x, state.y),
        neurons=np.arctan2(u[small, 1], u[small, 0]),
    )
    if neuron is not None and neuron < len(u):
        at = float(np.arctan2(u[neuron, 1], u[neuron, 0]))
        return replace(model, cursor=at, readout=f"neuron {neuron} at {np.degrees(at):.2f}°")
    angle = None if point is None else angle_of(point)
    if point is None or angle is None:
        return model
    return replace(model, cursor=angle, readout=f"N {number(point.value)} at {where(point, True)}")
