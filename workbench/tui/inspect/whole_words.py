"""What the inspector's screen says of a network that leaves the origin as a whole. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.inspector.forecast_words import leaves_at
from workbench.tui.inspect.words import number
from workbench.tui.widgets.listing import Cell, ListColumn, Listed
from workbench.tui.widgets.marks import KKT_GLYPHS

if TYPE_CHECKING:
    from workbench.inspector.inspect import Inspection
    from workbench.inspector.whole_forecast import WholeForecast


def whole_title(whole: WholeForecast) -> str:
    """What leaves, and what leaving means."""
    left = "" if whole.radius is None else f" · left: norm {whole.radius:.3g}"
    return f"θ as a whole, of order {whole.order:g}{left}"


def whole_table(inspection: Inspection) -> Listed:
    """The whole θ: where it heads to, and when it leaves."""
    made, found = inspection.forecast.whole, inspection.correlation
    if made is None or found is None:
        return Listed()
    target, ink = "–", "dim"
    if made.target is not None:
        point = found.points[made.target]
        target, ink = f"{KKT_GLYPHS.get(point.kind, '◆')} N {number(point.value, 4)}", "purple"
    step, off = inspection.step, number(made.angle_then, 3)
    off = off if made.angle_then is None else f"{off}°"
    leaves = leaves_at(step, made.escape_steps, made.escape_steps_low, made.escape_steps_high)
    cells: list[tuple[ListColumn, Cell]] = [
        (ListColumn("norm", 2), (number(made.norm, 3), "text")),
        (ListColumn("heads to", 0, right=False), (target, ink)),
        (ListColumn("leaves at", 0), (leaves, "warn")),
        (ListColumn("off by", 1), (off, "bar_text")),
        (ListColumn("infinite at", 3), (leaves_at(step, made.blow_up_steps), "bar_text")),
        (ListColumn("N now", 4), (number(made.value), "text")),
        (ListColumn("N then", 5), (number(made.value_then), "text")),
        (ListColumn("rate", 6), (number(made.rate, 3), "bar_text")),
        (ListColumn("in time", 7), (number(made.escape_time), "bar_text")),
    ]
    return Listed(tuple(column for column, _ in cells), (tuple(cell for _, cell in cells),))
