"""Beside the table: the configuration of the run under the cursor, what runs differ in first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from workbench.record.summary import RunSummary
from workbench.tui.browse.bands import ASIDE, differing
from workbench.tui.browse.columns import run_title, setting_text
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

MOST_COMPARED = 1_000
"""Listed runs that are looked through for what differs."""


@dataclass(frozen=True)
class Beside:
    """A run's tags, note and settings: first those in which the runs meant differ, `among` says which these
    are."""

    title: str
    tags: str = ""
    note: str = ""
    among: str = ""
    differ: tuple[tuple[str, str], ...] = ()
    same: tuple[tuple[str, str], ...] = ()


def beside_of(run: RunSummary | None, marked: Sequence[RunSummary], keys: Sequence[str]) -> Beside:
    """What to show of a run, `keys` those that differ among the marked runs, or else the listed ones."""
    if run is None:
        return Beside("no run")
    pairs = {key: setting_text(value) for key, value in run.settings.items() if key not in ASIDE}
    among = (
        f"differs among the {len(marked)} marked" if len(marked) > 1 else "differs among the listed"
    )
    return Beside(
        run_title(run),
        " ".join(run.tags),
        run.note,
        among if keys else "",
        tuple((key, pairs.get(key, "–")) for key in keys),
        tuple((key, value) for key, value in pairs.items() if key not in set(keys)),
    )


def keys_that_differ(runs: Sequence[RunSummary]) -> list[str]:
    """Settings in which runs differ; of very many, the first are looked at."""
    settings = [run.settings for run in runs[:MOST_COMPARED] if run.settings]
    return [key for key in differing(settings) if key not in ASIDE]


def draw_beside(model: Beside | None, width: int, height: int, palette: Palette) -> Grid:
    """The panel, a line a setting; what there is no room for is counted."""
    grid = Grid(width, height, palette)
    if model is None or width < 4 or height < 1:
        return grid
    grid.back(0, 0, width, palette.ink("bar"))
    grid.text(0, 1, clip(palette.say(model.title), width - 2), "bright", bold=True)
    lines: list[tuple[str, str, str]] = []
    if model.tags:
        lines.append(("tags", model.tags, "teal"))
    lines += [
        ("note" if not k else "", part, "text") for k, part in enumerate(_wrapped(model, width))
    ]
    lines += [(model.among, "", "cyan")] if model.among else []
    lines += [(key, value, "bright") for key, value in model.differ]
    lines += (
        [("the same in all" if model.among else "configuration", "", "cyan")] if model.same else []
    )
    lines += [(key, value, "text") for key, value in model.same]
    room = height - 1
    if len(lines) > room:
        lines = [*lines[: room - 1], (f"… {len(lines) - room + 1} more", "", "dim")]
    for line, (key, value, ink) in enumerate(lines, 1):
        if not value:
            grid.text(line, 1, clip(palette.say(key), width - 2), ink)
            continue
        shown = palette.say(value)
        size = min(text_width(shown), max(8, width // 2 - 2))
        grid.text(line, 1, clip(palette.say(key), width - size - 3), "dim")
        if key in ("note", ""):
            grid.text(line, 7, clip(shown, width - 8), ink)
        else:
            grid.right(line, width - 1, clip(shown, size), ink)
    return grid


def _wrapped(model: Beside, width: int) -> list[str]:
    """The note in lines."""
    return wrap(model.note, max(8, width - 8))[:4]


class BesidePanel(Painted[Beside]):
    """The panel at the right of the table."""

    DEFAULT_CSS = "BesidePanel { width: 38; height: 1fr; display: none; }"

    _differ: tuple[object, list[str]] = (None, [])

    def draw(self, model: Beside | None, width: int, height: int) -> Grid:
        return draw_beside(model, width, height, self.palette)

    def show_run(
        self,
        run: RunSummary | None,
        marked: Sequence[RunSummary],
        listed: Sequence[RunSummary],
        of: object,
    ) -> None:
        """Show a run among others; `of` is another where these are others, which are looked through once."""
        if self._differ[0] != of:
            self._differ = of, keys_that_differ(marked if len(marked) > 1 else listed)
        self.show(beside_of(run, marked, self._differ[1]))
