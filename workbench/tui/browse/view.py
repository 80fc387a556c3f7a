"""How a person looks at a folder of runs: columns, sort, filter, series; kept from one time to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.record.columns import key_of, value_of
from workbench.tui.kept import load_kept, save_kept

FIRST_SERIES = ("log_risk", "margin_normalized")
QUANTITIES = ("step", "time", "epoch", "ln(n/L)")
TREND = "trend"
"""A column that is a picture."""
KEPT = "browse"


@dataclass(frozen=True)
class BrowseView:
    """What is shown and how.

    Attributes:
        columns: keys beside mark, name and state; None: the table's own.
        sort, reverse: the key sorted by.
        filter: as it was typed.
        series: a chart each.
        x: the quantity of the charts' x axis, one of `QUANTITIES`.
        log_x, log_y: the kinds of their axes.
        beside: whether the configuration is shown beside the table.
    """

    columns: tuple[str, ...] | None = None
    sort: str = "updated"
    reverse: bool = True
    filter: str = ""
    series: tuple[str, ...] = FIRST_SERIES
    x: str = "step"
    log_x: bool = True
    log_y: bool = True
    beside: bool = False


def load_view(runs_dir: Path) -> BrowseView:
    """The view kept of a folder, what makes no sense in it left out; never raises."""
    return _view(load_kept(KEPT, runs_dir))


def _view(table: dict[str, Any]) -> BrowseView:
    plain = BrowseView()
    found: dict[str, Any] = {}
    for field in fields(BrowseView):
        value, usual = table.get(field.name), getattr(plain, field.name)
        if field.name in ("columns", "series") and isinstance(value, list):
            found[field.name] = tuple(v for v in value if isinstance(v, str) and v.isprintable())
        elif type(value) is type(usual) and (not isinstance(value, str) or value.isprintable()):
            found[field.name] = value
    view = replace(plain, **found)
    columns = None if view.columns is None else tuple(c for c in view.columns if _is_column(c))
    return replace(
        view,
        columns=columns,
        sort=view.sort if _is_column(view.sort) else plain.sort,
        series=view.series or plain.series,
        x=view.x if view.x in QUANTITIES else plain.x,
    )


def _is_column(name: str) -> bool:
    try:
        return name == TREND or value_of(key_of(name)) is not None
    except BadInput:
        return False


def save_view(runs_dir: Path, view: BrowseView) -> None:
    """Keep a view; one that is as at first is forgotten. Never raises."""
    save_kept(KEPT, runs_dir, {} if view == BrowseView() else asdict(view))
