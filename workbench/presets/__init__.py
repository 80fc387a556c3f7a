"""The papers' figures and theorems as configurations, each with a line on what to look for.

One run each; in `studies/` questions over many runs, with [grid] and [zip].
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from workbench.config.run import RunConfig
from workbench.config.study import is_study
from workbench.config.toml import override, parse_config, parse_toml, read_toml
from workbench.errors import BadInput, clean_text, unknown

RUNS = resources.files(__name__)
STUDIES = RUNS / "studies"


def preset_names() -> list[str]:
    """Names of all presets that are one run, sorted."""
    return _names(RUNS)


def study_names() -> list[str]:
    """Names of all presets that are studies, sorted."""
    return _names(STUDIES)


def read_preset(name: str) -> dict[str, Any]:
    """The table of a preset, a run's or a study's, as written; raises BadInput with the nearest name when
    there is none."""
    return parse_toml(preset_text(name), f"preset {name}")


def preset_text(name: str) -> str:
    """A preset's TOML as written, a run's or a study's; raises BadInput when there is none."""
    for folder, names in ((RUNS, preset_names()), (STUDIES, study_names())):
        if name in names:
            return (folder / f"{name}.toml").read_text(encoding="utf-8")
    raise unknown("preset", clean_text(name, 60), [*preset_names(), *study_names()])


def _names(folder: Traversable) -> list[str]:
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read_source(source: str) -> tuple[dict[str, Any], str]:
    """The table of a preset name or a TOML file, and how messages call it.

    Raises:
        BadInput: there is no such preset or file.
    """
    if source.endswith(".toml") or "/" in source:
        return read_toml(Path(source).expanduser()), source
    return read_preset(source), f"preset {source}"


def load_config(source: str, settings: Iterable[str] = ()) -> RunConfig:
    """The configuration of a run's preset or TOML file, with `section.key=value` settings on top.

    Raises BadInput when there is no such preset or file, it is a study, or a setting does not fit.
    """
    values, where = read_source(source)
    if is_study(values):
        shown = clean_text(source, 200)
        raise BadInput(f"{shown} is a study, many runs; `workbench sweep {shown}` runs them.")
    settings = list(settings)
    if not settings:
        return parse_config(values, where)
    parse_config(values, where)
    return parse_config(override(values, settings), "--set")
