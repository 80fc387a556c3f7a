"""What the verdict's page says of an `Optimality`: words, tables, pictures (VSS22). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Float
from workbench.measures.norms import neuron_norms
from workbench.tui.inspect.words import number
from workbench.tui.run.pictures import data_directions
from workbench.tui.widgets.chart import ChartModel, Curve, VLine
from workbench.tui.widgets.compass import CompassModel
from workbench.tui.widgets.listing import Cell, ListColumn, Listed
from workbench.tui.widgets.scale import Kind

if TYPE_CHECKING:
    from workbench.inspector.state import InspectedState
    from workbench.models.structure import Structure
    from workbench.theory.optimality.verdict import Optimality

WORDS: dict[str, tuple[str, str]] = {
    "global": ("a global optimum of the max-margin problem (P)", "good"),
    "local": ("a local optimum of the max-margin problem (P)", "cyan"),
    "not local": ("no local optimum: shorter feasible points come arbitrarily near", "min"),
    "undecided": ("neither proved nor disproved", "warn"),
}
DIGITS = 10
MOST_WEIGHTS = 2_000


@dataclass(frozen=True, eq=False)
class Shorter:
    """A feasible point θ' (P) of smaller norm. `far`: it is not one of a family that tends to θ~."""

    theta: Float[np.ndarray, " P"]
    norm2: float
    distance: float
    far: bool


def shorter_points(found: Optimality) -> tuple[Shorter, ...]:
    """The points of smaller norm that are known, the family's from afar to near, a far one first."""
    local = found.verdict != "not local"
    points = [] if found.far is None else [(found.far, True)]
    points += [] if found.better is None else [(found.better, local)]
    return tuple(
        Shorter(theta, float(norm2), float(distance), far)
        for better, far in points
        for theta, norm2, distance in zip(better.theta, better.norm2, better.distances, strict=True)
    )


def has_family(found: Optimality) -> bool:
    """Whether there are points that tend to θ~."""
    return sum(not point.far for point in shorter_points(found)) > 1


def verdict_line(found: Optimality) -> list[Cell]:
    """The verdict and what it means."""
    meaning, ink = WORDS[found.verdict]
    return [(found.verdict.upper(), ink), (f"   {meaning}", ink)]


def reason_lines(found: Optimality) -> list[Cell]:
    """What proves it, then the notes."""
    return [(found.reason, "text"), *((note, "bar_text") for note in found.notes)]


def number_lines(found: Optimality) -> list[Cell]:
    """‖θ~‖², the least norm known, the bound: a line each."""
    known = found.far or found.better
    rows = [("‖θ~‖²", number(found.norm2, DIGITS), f"KKT residual {found.residual:.0e}")]
    if known is not None:
        ratio = f"‖θ~‖ is {number(found.ratio, 6)} times as long"
        rows.append(("shortest known", number(float(known.norm2.min()), DIGITS), ratio))
    if found.bound > 0:
        rows.append(("lower bound", number(found.bound, DIGITS), "certified, of all feasible ‖θ‖²"))
    else:
        rows.append(("lower bound", "none", ""))
    return [(f"{name:<16}{value:>16}   {more}", "text") for name, value, more in rows]


def layers_title(found: Optimality) -> str:
    """What the table of layers is about."""
    return "layer by layer: (P) in one layer's weights, the others fixed" if found.layers else ""


def layers_table(found: Optimality) -> Listed:
    """A row a layer: its verdict, its norm, the certified bound, the shortest known."""
    if not found.layers:
        return Listed()
    columns = (
        ListColumn("layer", 0, right=False),
        ListColumn("verdict", 0, right=False),
        ListColumn("‖w~‖²", 1),
        ListColumn("bound", 2),
        ListColumn("shorter by", 3),
    )
    rows = []
    for layer in found.layers:
        # A better point differs in this layer only: what θ saves is what the layer saves.
        saved = None if layer.better is None else found.norm2 - float(layer.better.norm2.min())
        rows.append(
            (
                (layer.name, "bright"),
                (layer.verdict, WORDS[layer.verdict][1]),
                (number(layer.norm2, 7), "text"),
                (number(layer.bound, 7) if layer.bound > 0 else "–", "bar_text"),
                (number(saved, 3), "bar_text"),
            )
        )
    return Listed(columns, tuple(rows))


def layer_reason(found: Optimality, row: int | None) -> list[Cell]:
    """Why a layer has its verdict."""
    if row is None or not 0 <= row < len(found.layers):
        return []
    layer = found.layers[row]
    return [(f"{layer.name}: {layer.reason}", "bar_text")]


def family_title(found: Optimality) -> str:
    """How the points of smaller norm were made."""
    better = found.better
    if better is None:
        return "" if found.verdict == "global" else "no feasible point of smaller norm is known"
    known = better.family in found.reason
    return "feasible points of smaller norm" + ("" if known else f": {better.family}")


def family_table(found: Optimality) -> Listed:
    """A row a point: where it lies, its norm, what it saves; the chosen one is drawn."""
    points = shorter_points(found)
    if not points:
        return Listed()
    columns = (
        ListColumn("distance to θ~", 0),
        ListColumn("‖θ'‖²", 1),
        ListColumn("‖θ~‖² − ‖θ'‖²", 0),
        ListColumn("", 2, right=False),
    )
    rows = tuple(
        (
            (number(p.distance, 3), "text"),
            (number(p.norm2, 13), "text"),
            (number(found.norm2 - p.norm2, 3), "good"),
            ("far away" if p.far else "", "bar_text"),
        )
        for p in points
    )
    return Listed(columns, rows)


def gain_chart(found: Optimality, chosen: int | None) -> ChartModel:
    """What the points of a family save over their distance, both logarithmic."""
    points = shorter_points(found)
    family = [p for p in points if not p.far]
    x = np.array([p.distance for p in family])
    gain = np.array([found.norm2 - p.norm2 for p in family])
    good = (x > 0) & (gain > 0)
    if good.sum() < 2:
        return ChartModel(title="saved over distance", empty="no family of shorter points")
    order = np.argsort(x[good])
    x, y = x[good][order], np.log10(gain[good][order])
    here = None
    if chosen is not None and 0 <= chosen < len(points) and points[chosen].distance > 0:
        here = None if points[chosen].far else points[chosen].distance
    return ChartModel(
        title="‖θ~‖² − ‖θ'‖² over distance",
        curves=(Curve(x, y, "good"), Curve(x, y, "bright", style="dots")),
        lines=() if here is None else (VLine(here, "cursor"),),
        x_kind=Kind.LOG,
        y_kind=Kind.POWER,
        x_name="distance",
    )


def has_plane(state: InspectedState) -> bool:
    """Whether neurons of this network can be drawn as directions in the plane."""
    neurons = state.structure.neurons
    return neurons is not None and state.structure.incoming(state.theta).shape[-1] == 2


def verdict_compass(found: Optimality, state: InspectedState, chosen: int | None) -> CompassModel:
    """Neurons of θ~ as rays, those of the chosen shorter point dotted."""
    structure, points = state.structure, shorter_points(found)
    u, norms = structure.incoming(found.theta), neuron_norms(found.theta[None], structure)[0]
    there = points[chosen] if chosen is not None and 0 <= chosen < len(points) else None
    return CompassModel(
        title="neurons of θ~" if there is None else "neurons of θ~, dotted: θ'",
        directions=u,
        norms=norms,
        signs=structure.neuron_signs(found.theta),
        data=data_directions(state.x, state.y),
        trails=() if there is None else _rays(there.theta, structure, float(norms.max())),
        trail_color="bright",
    )


def _rays(
    theta: Float[np.ndarray, " P"], structure: Structure, most: float
) -> tuple[Float[np.ndarray, "T 2"], ...]:
    """From the centre to the tips of the neurons, lengths over `most`; dotted."""
    u, norms = structure.incoming(theta), neuron_norms(theta[None], structure)[0]
    size = np.linalg.norm(u, axis=1)
    rays = []
    for k in np.flatnonzero((size > 0) & (norms > 0)):
        reach = norms[k] / most if most > 0 else 0.0
        part = np.linspace(0.0, 1.0, max(2, int(22 * reach)))[:, None]
        rays.append(part * reach * u[k] / size[k])
    return tuple(rays)


def weights_table(found: Optimality, structure: Structure, chosen: int | None) -> Listed:
    """Every weight at θ~ and at the chosen shorter point, the largest change marked."""
    points = shorter_points(found)
    there = points[chosen].theta if chosen is not None and 0 <= chosen < len(points) else None
    columns = [ListColumn("weight", 0, right=False), ListColumn("θ~", 0)]
    if there is not None:
        columns += [ListColumn("θ'", 0), ListColumn("θ' − θ~", 1)]
    change = np.zeros(len(found.theta)) if there is None else there - found.theta
    most = float(np.abs(change).max())
    rows: list[tuple[Cell, ...]] = []
    for name, at in _names(structure):
        moved = change[at]
        ink = "bright" if most > 0 and abs(moved) > 0.01 * most else "dim"
        row: list[Cell] = [(name, "text"), (number(float(found.theta[at]), 5), "text")]
        if there is not None:
            row += [(number(float(there[at]), 5), ink), (f"{moved:+.2g}" if moved else "0", ink)]
        rows.append(tuple(row))
        if len(rows) == MOST_WEIGHTS:
            break
    return Listed(tuple(columns), tuple(rows))


def _names(structure: Structure) -> list[tuple[str, int]]:
    """`u[0,1]`, and where it lies in θ."""
    found = []
    for parameter in structure.parameters:
        for place, index in enumerate(np.ndindex(*parameter.shape)):
            found.append(
                (f"{parameter.name}[{','.join(map(str, index))}]", parameter.start + place)
            )
    return found
