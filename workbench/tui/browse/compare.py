"""Runs side by side: their curves in one chart, and where their configurations differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from rich.text import Text
from textual.binding import Binding, BindingType

from workbench.config.flat import flatten
from workbench.config.toml import parse_toml
from workbench.errors import clean_text
from workbench.record.reader import RunReader
from workbench.tui.browse.bands import Bands
from workbench.tui.browse.curves import RunCurves
from workbench.tui.dialogs import Sheet, palette_of
from workbench.tui.study.bands import Group, drawn, what_is_drawn
from workbench.tui.widgets.cells import clip, text_width
from workbench.tui.widgets.chart import ChartModel, Curve
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import LEAST_DECADES, Floats, Kind
from workbench.tui.widgets.statusline import log_risk_text, number_text

LN10 = float(np.log(10.0))
_NOTHING: Floats = np.empty(0)

# --- curves -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Overlaid:
    """A run in the overlay: its label and colour there, and its curves."""

    label: str
    color: str
    curves: RunCurves


@dataclass(frozen=True)
class View:
    """How both charts are drawn; the cursor is a step."""

    log_x: bool = True
    log_y: bool = True
    cursor: float | None = None


def short_labels(names: Sequence[str]) -> list[str]:
    """Names without the beginning they share, as far as a separator: `000`, `001`."""
    if len(names) < 2 or len(set(names)) < len(names):
        return list(names)
    low, high = min(names), max(names)
    same = next((i for i, c in enumerate(low) if c != high[i : i + 1]), len(low))
    shared = low[:same]
    cut = max(shared.rfind(mark) for mark in "-_. ") + 1
    return [name[cut:] if len(name) > cut else name for name in names]


def risk_overlay(
    runs: Sequence[Overlaid], view: View, readout: str = "", bands: Bands | None = None
) -> ChartModel:
    """The risk of several runs: log₁₀ 𝓛, or 𝓛 itself on a linear axis; medians and bands of groups."""
    text = log_risk_text if view.log_y else _plain_text

    def shown(values: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return values / LN10 if view.log_y else np.exp(values)

    groups = [replace(g, levels=shown(g.levels)) for g in bands.log_risk] if bands else []
    medians, tints = drawn(groups, view.cursor, text)
    curves = [_curve(run, shown(run.curves.log_risk), view, text) for run in runs]
    return ChartModel(
        title=_title("risk  log₁₀ L" if view.log_y else "risk  L", bands, groups),
        curves=(*curves, *medians),
        bands=tints,
        x_kind=Kind.LOG if view.log_x else Kind.LINEAR,
        least=LEAST_DECADES if view.log_y else 0.0,
        x_name="step",
        cursor=view.cursor,
        readout=readout,
        empty="no risk recorded",
    )


def margin_overlay(
    runs: Sequence[Overlaid], view: View, readout: str = "", bands: Bands | None = None
) -> ChartModel:
    """The smallest normalized margin of several runs; medians and bands of groups."""
    groups = bands.margin if bands else ()
    medians, tints = drawn(groups, view.cursor, _margin_text)
    curves = [_curve(run, run.curves.margin, view, _margin_text) for run in runs]
    return ChartModel(
        title=_title("min normalized margin", bands, groups),
        curves=(*curves, *medians),
        bands=tints,
        x_kind=Kind.LOG if view.log_x else Kind.LINEAR,
        x_name="step",
        zero=True,
        cursor=view.cursor,
        readout=readout,
        empty="no margin recorded",
    )


def _title(title: str, bands: Bands | None, groups: Sequence[Group]) -> str:
    if bands is None:
        return title
    by = f" by {bands.by}" if bands.by else ""
    return f"{title}{by}  {what_is_drawn(groups)}"


def _plain_text(value: float) -> str:
    return number_text(value, ".4g")


def _margin_text(value: float) -> str:
    return number_text(value, "+.4f")


def _curve(run: Overlaid, y: Floats, view: View, text: Any) -> Curve:
    """A run's curve; its legend holds the value under the cursor."""
    label = clip(run.label, 24)
    at = run.curves.at(view.cursor) if view.cursor is not None else None
    if at is not None and at < y.size:
        label = f"{label} {text(float(y[at]))}"
    if not y.size:
        # Its steps still widen the x axis, which both charts share.
        return Curve(run.curves.step, _NOTHING, run.color)
    return Curve(run.curves.step, y, run.color, label)


# --- configurations -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A key whose values differ, as texts; `–` where a run has no such key."""

    key: str
    left: str
    right: str


def config_diff(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    """The keys of two configurations whose values differ, in the order they are written."""
    first, second = flatten(left), flatten(right)
    found = []
    for key in dict.fromkeys((*first, *second)):
        if key in first and key in second and first[key] == second[key]:
            continue
        texts = [_value_text(side[key]) if key in side else "–" for side in (first, second)]
        if texts[0] == texts[1]:
            texts[1] += " (other values)"
        found.append(Difference(clean_text(key, 60), *texts))
    return found


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list) and len(str(value)) > 60:
        return f"list of {len(value)}"
    return clean_text(str(value), 80)


def read_config(folder: Path) -> dict[str, Any]:
    """A stored run's configuration as a table; raises WorkbenchError."""
    with RunReader(folder) as reader:
        return parse_toml(reader.config_text, f"the configuration of {folder.name}")


def draw_diff(
    names: tuple[str, str], found: Sequence[Difference], width: int, palette: Palette
) -> Text:
    """Key and both values a line, in columns; where it is narrow, the values below the key."""
    say = palette.say
    bright, plain, dim = (f"#{palette.ink(n):06x}" for n in ("bright", "text", "dim"))
    if not found:
        return Text(say("The two configurations are the same."), style=plain)
    rows = [Difference("", *names), *found]
    key = max(text_width(say(row.key)) for row in rows)
    stacked = width < key + 2 + 2 * 16
    start = 2 if stacked else key + 2
    size = max(4, (width - start - 2) // 2)
    text = Text(no_wrap=True)
    for row in rows:
        values = [clip(say(value), size) for value in (row.left, row.right)]
        style = plain if row.key else f"bold {bright}"
        if row.key or not stacked:
            text.append(clip(say(row.key), width), style=dim)
        text.append(
            "\n  "
            if stacked and row.key
            else ""
            if stacked
            else " " * (start - text_width(say(row.key)))
        )
        text.append(values[0] + " " * (size - text_width(values[0]) + 2), style=style)
        text.append(values[1] + "\n", style=style)
    text.rstrip()
    return text


class DiffScreen(Sheet):
    """Where two runs' configurations differ."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,D,q,enter", "close", "close"),
    ]

    def __init__(self, names: tuple[str, str], differences: Sequence[Difference]) -> None:
        count = len(differences)
        super().__init__("1 setting differs" if count == 1 else f"{count} settings differ")
        self.names, self.differences = names, tuple(differences)

    def on_resize(self) -> None:
        """Arrange the columns for the width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        self.write(draw_diff(self.names, self.differences, self.room, palette_of(self)))
