"""From a preset or a file, and the words of a command line, to a study.

load_study("kh24-fig1", ["init.seed=range(0,1000)", "init.scale=1e-1,1e-2"])
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.config.launchers import launcher_values
from workbench.config.paths import named
from workbench.config.study import Choices, StudyConfig, parse_study
from workbench.config.toml import override
from workbench.errors import BadInput, clean_text
from workbench.presets import read_source
from workbench.record.folder import slugify
from workbench.study.grid import parse_choices

PATHS = ("data.path", "init.path", "model.start.path")
"""Keys that name files."""


def load_study(
    source: str,
    words: Iterable[str] = (),
    together: Iterable[str] = (),
    settings: Iterable[str] = (),
    on: str = "",
) -> StudyConfig:
    """The study of a run's or a study's preset or file.

    Args:
        words: `key=choices`, which add to its [grid] or replace the choices of a key there.
        together: the same for [zip].
        settings: `section.key=value` on top of its base, or of its own tables, as `study.theta=false`.
        on: the launcher to use instead of its own: a kind, or a name of the user's `launchers.toml`.

    One without a name is called as its preset or file.

    Raises:
        BadInput: there is no such preset or file, or something does not fit; it is named.
    """
    values, where = read_source(source)
    if isinstance(launcher := values.get("launcher", {}), dict):
        values = {**values, "launcher": launcher_values(launcher, on)}
    beside = Path(source).expanduser().parent if where == source else Path.cwd()
    given = parse_study(values, where)
    grid, zipped = (_absolute(table, beside) for table in (given.grid, given.zip))
    name = values.get("name") or slugify(Path(source).name.removesuffix(".toml"))
    values = override({**values, "name": name, "grid": {}, "zip": {}}, settings)
    for word in words:
        key, choices = _choices(word)
        zipped.pop(key, None)
        grid[key] = choices
    for word in together:
        key, choices = _choices(word)
        grid.pop(key, None)
        zipped[key] = choices
    here = Path.cwd()
    for key in PATHS:
        _make_absolute(values, key.split("."), here)
    tables = {"grid": _absolute(grid, here), "zip": _absolute(zipped, here)}
    return parse_study({**values, **tables}, where)


def _make_absolute(table: Any, path: list[str], beside: Path) -> None:
    """The path under a key of nested tables, where there is one."""
    *outer, name = path
    for part in outer:
        table = table.get(part) if isinstance(table, dict) else None
    if isinstance(table, dict) and isinstance(table.get(name), str) and table[name]:
        table[name] = str(named(table[name], ".".join(path), beside))


def _choices(word: str) -> tuple[str, tuple[Any, ...]]:
    """Key and choices of `init.scale=1e-1,1e-2`."""
    key, equals, text = word.partition("=")
    key = key.strip()
    if not equals or "." not in key:
        raise BadInput(
            f"'{clean_text(word, 80)}' is not of the form key=choices, as init.scale=1e-1,1e-2 or "
            "'init.seed=range(0,1000)'."
        )
    return key, parse_choices(text)


def _absolute(choices: Choices, beside: Path) -> Choices:
    """Choices in which paths do not depend on the folder that a worker is in."""
    return {
        key: tuple(
            str(named(value, key, beside)) if key in PATHS and isinstance(value, str) else value
            for value in values
        )
        for key, values in choices.items()
    }
