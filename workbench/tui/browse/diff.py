"""Where the configurations of runs differ: all of them side by side, or by value where they are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from workbench.config.flat import flatten
from workbench.config.toml import parse_toml
from workbench.errors import clean_text
from workbench.record.reader import RunReader
from workbench.tui.dialogs import Sheet, palette_of
from workbench.tui.widgets.cells import clip, text_width
from workbench.tui.widgets.palette import Palette

ABSENT = "–"
MOST_RUNS = 200
"""Runs whose configurations are compared at once."""
LEAST_CELLS = 12
"""Cells of a value where runs stand side by side."""
TITLE = 24
"""Cells of a run's name where its value stands before it."""


@dataclass(frozen=True)
class Difference:
    """A key whose values differ, as one text a run; `–` where a run has no such key."""

    key: str
    values: tuple[str, ...]


def config_diff(configs: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """The keys of configurations whose values are not the same in all, in the order they are written."""
    tables = [flatten(config) for config in configs]
    found = []
    for key in dict.fromkeys(key for table in tables for key in table):
        present = [table[key] for table in tables if key in table]
        if len(present) == len(tables) and all(value == present[0] for value in present):
            continue
        found.append(Difference(clean_text(key, 60), _texts(tables, key)))
    return found


def _texts(tables: Sequence[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    """A key's values; other values of the same text are numbered from the second on."""
    kinds: dict[str, list[Any]] = {}
    texts = []
    for table in tables:
        if key not in table:
            texts.append(ABSENT)
            continue
        value = table[key]
        text = _value_text(value)
        same = kinds.setdefault(text, [])
        if value not in same:
            same.append(value)
        place = same.index(value)
        texts.append(
            text + (" (other values)" if place == 1 else f" (values {place + 1})" if place else "")
        )
    return tuple(texts)


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
    names: Sequence[str], found: Sequence[Difference], width: int, palette: Palette
) -> Text:
    """A key a line and the values of all runs in columns, as far as there is room; below the key for two runs
    where it is narrow; of more runs, the values below the key, each with the runs that have it."""
    if not found:
        plain = f"#{palette.ink('text'):06x}"
        same = (
            "The two configurations are"
            if len(names) == 2
            else f"All {len(names)} configurations are"
        )
        return Text(palette.say(f"{same} the same."), style=plain)
    key = max(text_width(palette.say(row.key)) for row in found)
    size = (width - key) // len(names) - 2
    if size >= LEAST_CELLS:
        return _side_by_side(names, found, key + 2, size, palette)
    if len(names) == 2:
        return _stacked(names, found, max(4, (width - 4) // 2), width, palette)
    return _by_value(names, found, width, palette)


def _styles(palette: Palette) -> tuple[str, str, str]:
    """Bright, plain, dim."""
    bright, plain, dim = (f"#{palette.ink(name):06x}" for name in ("bright", "text", "dim"))
    return bright, plain, dim


def _row(text: Text, values: Sequence[str], size: int, style: str, palette: Palette) -> None:
    """Values in columns, and the end of the line."""
    for value in values:
        shown = clip(palette.say(value), size)
        text.append(shown + " " * (size - text_width(shown) + 2), style=style)
    text.rstrip()
    text.append("\n")


def _side_by_side(
    names: Sequence[str], found: Sequence[Difference], start: int, size: int, palette: Palette
) -> Text:
    bright, plain, dim = _styles(palette)
    text = Text(no_wrap=True)
    text.append(" " * start)
    _row(text, names, size, f"bold {bright}", palette)
    for row in found:
        shown = palette.say(row.key)
        text.append(shown + " " * (start - text_width(shown)), style=dim)
        _row(text, row.values, size, plain, palette)
    text.rstrip()
    return text


def _stacked(
    names: Sequence[str], found: Sequence[Difference], size: int, width: int, palette: Palette
) -> Text:
    bright, plain, dim = _styles(palette)
    text = Text(no_wrap=True)
    text.append("  ")
    _row(text, names, size, f"bold {bright}", palette)
    for row in found:
        text.append(clip(palette.say(row.key), width) + "\n  ", style=dim)
        _row(text, row.values, size, plain, palette)
    text.rstrip()
    return text


def _by_value(
    names: Sequence[str], found: Sequence[Difference], width: int, palette: Palette
) -> Text:
    bright, plain, dim = _styles(palette)
    text = Text(no_wrap=True)
    for row in found:
        text.append(clip(palette.say(row.key), width) + "\n", style=bright)
        having: dict[str, list[str]] = {}
        for name, value in zip(names, row.values, strict=True):
            having.setdefault(value, []).append(name)
        size = min(TITLE, max(text_width(palette.say(value)) for value in having))
        for value, runs in having.items():
            shown = clip(palette.say(value), size)
            text.append(f"  {shown}" + " " * (size - text_width(shown) + 2), style=plain)
            count = f"{len(runs)}  " if len(runs) > 1 else ""
            text.append(
                clip(palette.say(count + " ".join(runs)), max(4, width - size - 4)), style=dim
            )
            text.append("\n")
    text.rstrip()
    return text


class DiffScreen(Sheet):
    """Where runs' configurations differ."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,D,q,enter", "close", "close"),
    ]

    def __init__(self, names: Sequence[str], differences: Sequence[Difference]) -> None:
        count = len(differences)
        said = "1 setting differs" if count == 1 else f"{count} settings differ"
        super().__init__(said if len(names) == 2 else f"{said} among {len(names)} runs")
        self.names, self.differences = tuple(names), tuple(differences)

    def on_resize(self) -> None:
        """Arrange the columns for the width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        self.write(draw_diff(self.names, self.differences, self.room, palette_of(self)))
