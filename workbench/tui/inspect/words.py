"""What the inspector's screen says of an inspection: sentences and table rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Float
from workbench.inspector.forecast_words import leaves_at
from workbench.tui.widgets.landscape import wrapped
from workbench.tui.widgets.listing import Cell, ListColumn, Listed
from workbench.tui.widgets.marks import KKT_GLYPHS

if TYPE_CHECKING:
    from workbench.inspector.correlation import Correlation
    from workbench.inspector.forecast import NeuronForecast
    from workbench.inspector.inspect import Inspection
    from workbench.inspector.layer_shares import LayerShare
    from workbench.theory.ncf.result import KktPoint as FoundPoint
    from workbench.theory.ncf.result import Orbit
    from workbench.tui.inspect.examined import Examined

VERDICTS: dict[str, tuple[str, str]] = {
    "saddle": ("saddle", "warn"),
    "local minimum": ("local minimum", "good"),
    "minimum": ("minimum", "good"),
    "plateau": ("plateau", "purple"),
    "diverging": ("going to infinity", "cyan"),
    "moving": ("moving", "text"),
    "undecided": ("undecided", "dim"),
}
REGIMES = {
    "origin": "near the origin: all weights are small",
    "mixed": "large neurons make the output, small ones wait",
    "large": "no neuron is small",
    "late": "late: the data is fitted and the norm grows",
    "unknown": "this network declares no neurons",
}
MOST_ROWS = 2_000


def number(value: float | None, digits: int = 4) -> str:
    """A number in a table's cell; a dash where it is not known."""
    if value is None or np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


@dataclass(frozen=True)
class Page:
    """Two tables with their titles, and what cannot be said."""

    upper_title: str
    upper: Listed
    lower_title: str
    lower: Listed
    notes: list[Cell]


def saddle_page(examined: Examined) -> Page:
    """KKT points of the correlation function, and the neurons that head to them."""
    found = examined.inspection.correlation
    lower = "" if found is None or found.joint else neurons_title(examined)
    upper = points_title(examined)
    if found is None and examined.inspection.regime == "late" and not examined.whole:
        upper = "max-margin problem (P): the certificates are being computed …"
    return Page(
        upper,
        points_table(examined),
        lower,
        neurons_table(examined),
        limit_lines(examined),
    )


def verdict_line(examined: Examined) -> list[Cell]:
    """The verdict and the regime; a word on what is still being computed."""
    word, ink = VERDICTS[examined.inspection.judgement.verdict]
    regime = REGIMES[examined.inspection.regime]
    return [(word, ink), (f"   {regime}{waiting_for(examined)}", "bar_text")]


def waiting_for(examined: Examined) -> str:
    """What the worker is at: late, the certificates before the curvature."""
    late = examined.inspection.regime == "late"
    if not examined.whole and (late or examined.sure):
        return "   certificates …"
    return "" if examined.sure else "   Hessian …"


def evidence_lines(examined: Examined) -> list[Cell]:
    """A sentence a fact, the reasons for the verdict first."""
    sentences = examined.inspection.judgement.evidence.sentences
    return [
        (sentence, "text" if place == 0 else "bar_text") for place, sentence in enumerate(sentences)
    ]


# --- tables -------------------------------------------------------------------------------------


def angle_of(point: FoundPoint) -> float | None:
    """The angle of u in (−π, π] for inputs in the plane; of a flat arc, its middle."""
    if point.extent is not None and point.extent.angles is not None:
        return float(wrapped(np.array([sum(point.extent.angles) / 2.0]))[0])
    u = point.direction[-2:]
    if len(point.direction) not in (2, 3) or not np.hypot(*u) > 1e-9:
        return None
    return float(np.arctan2(u[1], u[0]))


def where(point: FoundPoint, planar: bool) -> str:
    """A direction in a few characters: degrees in the plane, else its first components."""
    angle = angle_of(point) if planar else None
    if angle is not None:
        degrees = f"{np.degrees(angle) + 0.0:.2f}°"
        extent = point.extent
        if extent is not None and extent.angles is not None:
            half = np.degrees(extent.angles[1] - extent.angles[0]) / 2.0
            degrees += f" ± {half:.2f}°"
        return (
            f"v {'+' if point.direction[0] > 0 else '−'}  {degrees}"
            if has_output(point)
            else degrees
        )
    w = point.direction
    return "(" + ", ".join(f"{c:+.2f}" for c in w[:4]) + (", …)" if len(w) > 4 else ")")


def has_output(point: FoundPoint) -> bool:
    """Whether a point in the plane is one of a two-layer neuron with v ≠ 0."""
    return len(point.direction) == 3 and point.direction[0] != 0


def is_planar(examined: Examined) -> bool:
    """Whether directions are angles."""
    return bool(examined.circles)


def heading(inspection: Inspection) -> dict[int, list[int]]:
    """Small neurons by the KKT point they head to."""
    found: dict[int, list[int]] = {}
    for neuron in inspection.forecast.neurons:
        if neuron.small and neuron.target is not None:
            found.setdefault(neuron.target, []).append(neuron.index)
    return found


def points_table(examined: Examined) -> Listed:
    """The KKT points of max N on the sphere, the largest N first."""
    found = examined.inspection.correlation
    if found is None:
        return Listed()
    going, planar = heading(examined.inspection), is_planar(examined)
    both = len(found.sets) > 1
    columns = [
        ListColumn("kind", 0, right=False),
        ListColumn("direction", 1, right=False),
        ListColumn("N", 0),
        ListColumn("λ", 4),
        ListColumn("residual", 5),
        ListColumn("basin", 3),
        *([ListColumn("coordinate" if found.apart else "sign", 2)] if both else []),
        *([] if found.joint else [ListColumn("neurons", 0)]),
    ]
    rows = []
    for index, point in enumerate(found.points[:MOST_ROWS]):
        ink = "purple" if point.value > 0 else "pink" if point.value < 0 else "dim"
        here = len(going.get(index, []))
        rows.append(
            (
                (f"{KKT_GLYPHS.get(point.kind, '◆')} {point.kind}", ink),
                (where(point, planar), "text"),
                (number(point.value, 5), "text"),
                (number(point.multiplier, 5), "bar_text"),
                (f"{point.residual:.0e}", "bar_text"),
                ("–" if np.isnan(point.basin) else f"{point.basin:.1%}", "bar_text"),
                *([(seen_by(found, index), "bar_text")] if both else []),
                *([] if found.joint else [(str(here), "bright" if here else "dim")]),
            )
        )
    return Listed(tuple(columns), tuple(rows))


def seen_by(found: Correlation, index: int) -> str:
    """What the neurons of a point see: a coordinate, or the sign of the residual."""
    if found.apart:
        return str(found.coordinate(index))
    return "+" if found.sign(index) > 0 else "−"


def points_title(examined: Examined) -> str:
    """What the points are, and whether all are listed."""
    found = examined.inspection.correlation
    if found is None:
        return "KKT points"
    what = "the joint N" if found.joint else "N of the residual"
    what = "N of neurons beside" if found.beside else what
    how = "exact, complete" if found.complete else f"{found.method}, not complete"
    hidden = len(found.points) - MOST_ROWS
    more = f" · {hidden:,} more by workbench inspect --json" if hidden > 0 else ""
    return f"{len(found.points):,} KKT points of {what} · {how}{more}"


def shown_neurons(examined: Examined) -> list[NeuronForecast]:
    """Small neurons, the first to leave on top, then the large ones; at most `MOST_ROWS`."""

    def key(n: NeuronForecast) -> tuple[bool, float, float]:
        return not n.small, np.inf if n.escape_time is None else n.escape_time, -n.norm

    return sorted(examined.inspection.forecast.neurons, key=key)[:MOST_ROWS]


def neurons_table(examined: Examined) -> Listed:
    """A row a neuron: where it heads to, how fast, and when it leaves."""
    inspection = examined.inspection
    found, planar = inspection.correlation, is_planar(examined)
    if found is None or found.joint:
        return Listed()
    columns = (
        ListColumn("neuron", 0),
        ListColumn("norm", 3),
        ListColumn("heads to", 0, right=False),
        ListColumn("leaves at", 0),
        ListColumn("first", 1),
        ListColumn("off by", 2),
        ListColumn("in steps", 4),
        ListColumn("cosine", 3),
        ListColumn("rate", 5),
        ListColumn("by then", 6),
        ListColumn("in time", 7),
    )
    rows = [_neuron_row(n, inspection, found, planar) for n in shown_neurons(examined)]
    return Listed(columns, tuple(rows))


def _neuron_row(
    n: NeuronForecast, inspection: Inspection, found: Correlation, planar: bool
) -> tuple[Cell, ...]:
    if not n.small:
        return (
            (str(n.index), "dim"),
            (number(n.norm, 3), "bar_text"),
            ("large", "dim"),
            *[("", "dim")] * 8,
        )
    names = inspection.forecast.names
    first, named = n.index == inspection.forecast.first, n.index in names
    target, ink = "–", "dim"
    if n.target is not None:
        point = found.points[n.target]
        target = f"{KKT_GLYPHS.get(point.kind, '◆')} {where(point, planar)}"
        ink = "purple" if point.value > 0 else "dim"
    mark = "▸" if first and len(names) == 1 else "?" if named else ""
    return (
        (mark + str(n.index), "warn" if named else "text"),
        (number(n.norm, 3), "text"),
        (target, ink),
        (
            leaves_at(inspection.step, n.escape_steps, n.escape_steps_low, n.escape_steps_high),
            "warn" if named else "text",
        ),
        ("–" if n.confidence is None else f"{n.confidence:.0%}", "warn" if named else "text"),
        ("–" if n.angle_bound is None else f"≤ {n.angle_bound:.1f}°", "bar_text"),
        (leaves_at(0, n.escape_steps), "text"),
        ("–" if n.cosine is None else f"{n.cosine:.4f}", "text"),
        (number(n.rate, 3), "bar_text"),
        ("–" if n.escape_angle is None else f"{np.degrees(n.escape_angle):.2f}°", "bar_text"),
        (number(n.escape_time, 4), "bar_text"),
    )


def neurons_title(examined: Examined) -> str:
    """How many, and what leaving means."""
    made = examined.inspection.forecast
    count = sum(n.small for n in made.neurons)
    title = f"{count:,} small neurons, the first to leave on top" if count else "no small neuron"
    if made.radius is not None and count:
        title += f" · left: norm {made.radius:.3g}"
    return title


# --- what is chosen -----------------------------------------------------------------------------


def point_detail(examined: Examined, index: int) -> list[Cell]:
    """A KKT point with all that its row has no room for."""
    inspection = examined.inspection
    found = inspection.correlation
    if found is None or not 0 <= index < len(found.points):
        return []
    point = found.points[index]
    ink = "purple" if point.value > 0 else "pink" if point.value < 0 else "dim"
    lines: list[Cell] = [
        (
            f"{KKT_GLYPHS.get(point.kind, '◆')} KKT point {index}  "
            f"{where(point, is_planar(examined))}",
            ink,
        ),
        (
            f"N {number(point.value, 8)}   λ {number(point.multiplier, 8)}   residual {point.residual:.0e}",
            "text",
        ),
    ]
    if not found.joint and point.value != 0:
        rate = found.order * point.value * found.factor
        word = "grow" if rate > 0 else "shrink"
        lines.append((f"neurons there {word} at {number(abs(rate), 4)} per unit of time", "text"))
    going = heading(inspection).get(index, [])
    if going:
        shown = ", ".join(str(k) for k in going[:12]) + (", …" if len(going) > 12 else "")
        lines.append((f"heading here: {shown}", "text"))
    if point.extent is not None:
        lines.append((f"a flat set of KKT points ({point.extent.shape})", "bar_text"))
    if point.orbit is not None:
        lines.append((orbit_words(point.orbit), "bar_text"))
    if found.layers:
        lines += [(layer_words(layer), "bar_text") for layer in found.layers[index]]
    if point.kinks:
        lines.append((f"on {point.kinks} kinks of the data", "bar_text"))
    if not is_planar(examined):
        lines += _bars(point.direction)
    return lines


def orbit_words(orbit: Orbit) -> str:
    """What a point stands for that a symmetry maps onto others."""
    met = f"of which {orbit.members:,} were met" if orbit.members > 1 else "met once"
    if orbit.dimension is None:
        return f"an orbit whose dimension is not certain ({orbit.why_unknown}), {met}"
    gap = "" if orbit.dimension == 0 else f" (eigenvalues {orbit.null:.0e} | {orbit.next:.0e})"
    return f"an orbit of dimension {orbit.dimension}{gap}, {met}"


def layer_words(layer: LayerShare) -> str:
    """A layer's share of the norm, what a KKT point has, and how near to rank one it is."""
    expected = "" if layer.expected is None else f" (√(k/L) {number(layer.expected)})"
    ratio = "" if layer.rank_ratio is None else f"   ‖W‖₂/‖W‖ {number(layer.rank_ratio, 5)}"
    return f"{layer.layer}  ‖W‖ {number(layer.norm)}{expected}{ratio}"


def _bars(direction: Float[np.ndarray, " p"], most: int = 24) -> list[Cell]:
    """Components as bars of up to ten cells."""
    lines = []
    for place, value in enumerate(direction[:most]):
        bar = "█" * round(10 * abs(float(value)))
        lines.append((f"{place:>3} {value:+.4f} {bar}", "orange" if value > 0 else "cyan"))
    if len(direction) > most:
        lines.append((f"    and {len(direction) - most:,} more components", "dim"))
    return lines


def limit_lines(examined: Examined) -> list[Cell]:
    """What cannot be said."""
    return [(sentence, "dim") for sentence in examined.inspection.limits]
