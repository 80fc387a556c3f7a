"""How a person looks at a folder of runs: columns, sort, filter, series; kept from one time to the next.

`~/.local/state/workbench/browse/<hash of the folder's path>.json` (or below `$XDG_STATE_HOME`): beside the
person, not beside the runs, which others look at too. One that is damaged, or cannot be written, is as good
as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.record.columns import key_of, value_of

FIRST_SERIES = ("log_risk", "margin_normalized")
QUANTITIES = ("step", "time", "epoch", "ln(n/L)")
TREND = "trend"
"""A column that is a picture."""
MOST_KEPT = 200
"""Folders whose views are kept, those looked at last."""
LARGEST = 1 << 16


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


def view_path(runs_dir: Path) -> Path:
    """The file of a runs folder's view."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local/state")
    name = hashlib.sha256(os.fsencode(os.path.realpath(runs_dir))).hexdigest()[:24]
    return Path(home) / "workbench" / "browse" / f"{name}.json"


def load_view(runs_dir: Path) -> BrowseView:
    """The view kept of a folder, what makes no sense in it left out; never raises."""
    try:
        with open(view_path(runs_dir), encoding="utf-8") as file:
            table = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return BrowseView()
    return _view(table) if isinstance(table, dict) else BrowseView()


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
    path = view_path(runs_dir)
    with contextlib.suppress(OSError):
        if view == BrowseView():
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_name(f"{path.name}-{secrets.token_hex(4)}.tmp")
        aside.write_text(json.dumps(asdict(view)), encoding="utf-8")
        os.replace(aside, path)
        kept = sorted(path.parent.iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for old in kept[MOST_KEPT:]:
            old.unlink()
