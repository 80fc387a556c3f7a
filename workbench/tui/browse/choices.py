"""Choosing what is looked at: series, columns, and what to sort by, each by typing a part of its name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from textual.app import App

from workbench.record.columns import FIELDS
from workbench.record.filter import LAST, SCALARS
from workbench.record.schema import SERIES
from workbench.record.summary import RunSummary
from workbench.tui.browse.bands import sort_choices
from workbench.tui.browse.charts import MOST_CHARTS
from workbench.tui.browse.columns import ALWAYS, COLUMNS, SORTS
from workbench.tui.browse.view import BrowseView
from workbench.tui.pick import Pick

MOST_LOOKED_AT = 1_000
"""Listed runs that are looked through for the settings in which they differ."""


class Looking(Protocol):
    """A screen with a view."""

    view: BrowseView

    @property
    def app(self) -> App[Any]:
        """Where questions are asked."""
        ...

    def change_view(self, **changes: Any) -> None:
        """Look in another way, by the fields of the view."""
        ...


class ViewChoices:
    """What the keys of a screen ask about its view."""

    def __init__(self, screen: Looking) -> None:
        self.screen = screen

    def series(self, names: Iterable[str]) -> None:
        """The series of the charts; `names`: those that the runs shown have."""
        view = self.screen.view
        options = series_choices([*view.series, *names])
        question = f"Which series, a chart each? Up to {MOST_CHARTS} are drawn at once."
        self._pick(Pick(question, options, view.series, least=1), "series")

    def columns(
        self, runs: Sequence[RunSummary], keys: Collection[str], names: Iterable[str]
    ) -> None:
        """The columns, of the runs listed, all keys there are, and series that the runs shown have."""
        own = [column.key for column in COLUMNS if column.key not in ALWAYS]
        chosen = self.screen.view.columns
        options = [*((key, key) for key in own), *_others(own, runs, keys, names)]
        self._pick(Pick("Which columns?", options, own if chosen is None else chosen), "columns")

    def sort(self, runs: Sequence[RunSummary], keys: Collection[str], names: Iterable[str]) -> None:
        """What to sort by, of the same; settings in which the runs listed differ come first."""
        own = [(key, key) for key in SORTS]
        self._pick(Pick("Sort by what?", [*_others(SORTS, runs, keys, names), *own]), "sort")

    def _pick(self, pick: Pick, field: str) -> None:
        """Ask, and change that field of the view."""

        def picked(found: tuple[str, ...] | None) -> None:
            if found is not None and field == "sort":
                self.screen.change_view(sort=found[0], reverse=False)
            elif found is not None:
                self.screen.change_view(**{field: found})

        self.screen.app.push_screen(pick, picked)


def _others(
    own: Collection[str], runs: Sequence[RunSummary], keys: Collection[str], names: Iterable[str]
) -> list[tuple[str, str]]:
    """All but the table's own that runs can be told by, with what it is."""
    settings = [run.settings for run in runs[:MOST_LOOKED_AT] if run.members is None]
    fields = [(key, key) for key in FIELDS if key not in own and key not in ALWAYS]
    known = (name for name in SCALARS if name not in FIELDS)
    others = (f"{LAST}{name}" for name in names if name not in SERIES)
    return [*sort_choices(settings, keys), *fields, *series_choices([*known, *others])]


def series_choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """(name, name and meaning) of series, those of the workbench's own in its order."""
    order = {name: place for place, name in enumerate(SERIES)}
    found = sorted(dict.fromkeys(names), key=lambda name: (order.get(name, len(order)), name))
    width = max((len(name) for name in found), default=0)
    return [(name, f"{name:<{width}}  {_meaning(name)}".rstrip()) for name in found]


def _meaning(name: str) -> str:
    spec = SERIES.get(name)
    return "" if spec is None else spec.long_name
