"""One line on the state of a run. What matters least goes first when it is narrow; no number is
ever cut in the middle."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.protocol.status import RunStatus
from workbench.tui.widgets import numbers
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette


@dataclass(frozen=True)
class Status:
    """The fields of the line; None is not shown."""

    state: RunStatus = RunStatus.STARTING
    name: str = ""
    step: float | None = None
    log10_risk: float | None = None
    margin: float | None = None
    norm: float | None = None
    rate: float | None = None
    eta: float | None = None
    extra: str = ""


def log_risk_text(value: float) -> str:
    """log10 of the risk with two decimals, without them below −10,000."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
    return (
        f"{value:.2f}"
        if abs(value) < 1e4
        else f"{value:.0f}"
        if abs(value) < 1e7
        else f"{value:.3g}"
    )


def number_text(value: float, pattern: str) -> str:
    """A number in a pattern, in short form where the pattern would be too long."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
    small = value != 0 and abs(value) < 1e-4
    return f"{value:.2e}" if small or abs(value) >= 1e5 else format(value, pattern)


def fields(status: Status) -> list[tuple[int, str, str]]:
    """(rank, label, value) in the order shown; the highest rank goes first."""
    found: list[tuple[int, str, str]] = []
    if status.step is not None:
        found.append((0, "step", numbers.thousands(status.step)))
    if status.log10_risk is not None:
        found.append((1, "log₁₀L", log_risk_text(status.log10_risk)))
    if status.margin is not None:
        found.append((2, "γ̄", number_text(status.margin, "+.4f")))
    if status.norm is not None:
        found.append((3, "‖θ‖", number_text(status.norm, ".3g")))
    if status.rate is not None:
        rate = numbers.short(status.rate) if math.isfinite(status.rate) else "–"
        found.append((4, "", f"{rate} it/s"))
    if status.eta is not None:
        found.append((5, "eta", numbers.duration(status.eta)))
    if status.extra:
        found.append((6, "", status.extra))
    return found


def draw_status(status: Status | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of the line on the first row."""
    grid = Grid(width, height, palette, back=palette.ink("bar"))
    if status is None or height < 1:
        return grid
    state = status.state
    column = grid.text(0, 1 if width > 20 else 0, state.glyph, state.ink)
    column = grid.text(0, column + 1, state.word, state.ink) + 1
    room, name = width - column - 1, palette.say(status.name)

    def size(item: tuple[int, str, str]) -> int:
        _, label, value = item
        return 2 + text_width(palette.say(f"{label} {value}" if label else value))

    kept = fields(status)
    wanted = min(text_width(name), 24)
    for most, least in ((wanted, 8), (8, 0)):
        while (
            kept and wanted and min(most, wanted) + sum(map(size, kept)) > room and kept[-1][0] > 1
        ):
            kept.pop()
        if min(wanted, max(least, 0)) + sum(map(size, kept)) <= room:
            break
    while kept and sum(map(size, kept)) > room + 2:
        kept.pop()
    left = room - sum(map(size, kept))
    if left >= 4 or left >= text_width(name):
        column = grid.text(0, column, clip(name, left), "bright", bold=True)
    else:
        column -= 2
    for _, label, value in kept:
        column += 2
        if label:
            column = grid.text(0, column, label, "bar_text") + 1
        column = grid.text(0, column, value, "text")
    return grid


class StatusLine(Painted[Status]):
    """The state of a run in one line."""

    DEFAULT_CSS = "StatusLine { height: 1; }"

    def draw(self, model: Status | None, width: int, height: int) -> Grid:
        return draw_status(model, width, height, self.palette)
