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
    """A run's table as written; raises BadInput with the nearest name when there is none."""
    if name in study_names():
        raise BadInput(f"preset {name} is a study, many runs; workbench sweep {name} runs them.")
    if name not in preset_names():
        raise unknown("preset", clean_text(name, 60), preset_names())
    return parse_toml(preset_text(name), f"preset {name}")


def read_study(name: str) -> dict[str, Any]:
    """A study's table as written; raises BadInput with the nearest name when there is none."""
    if name not in study_names():
        raise unknown("study", clean_text(name, 60), study_names())
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


def load_config(source: str, settings: Iterable[str] = ()) -> RunConfig:
    """The configuration of a preset name or a TOML file, with `section.key=value` settings on top.

    Raises BadInput when there is no such preset or file, or a setting does not fit.
    """
    is_file = source.endswith(".toml") or "/" in source
    values = read_toml(Path(source).expanduser()) if is_file else read_preset(source)
    where = source if is_file else f"preset {source}"
    settings = list(settings)
    if not settings:
        return parse_config(values, where)
    parse_config(values, where)
    return parse_config(override(values, settings), "--set")
