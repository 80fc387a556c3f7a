"""The papers' figures and theorems as configurations, each with a line on what to look for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config, parse_toml, read_toml
from workbench.errors import clean_text, unknown


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    folder = resources.files(__name__)
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read_preset(name: str) -> dict[str, Any]:
    """A preset's table as written; raises BadInput with the nearest name when there is none."""
    if name not in preset_names():
        raise unknown("preset", clean_text(name, 60), preset_names())
    return parse_toml(preset_text(name), f"preset {name}")


def preset_text(name: str) -> str:
    """A preset's TOML as written."""
    return (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


def read_source(source: str) -> tuple[dict[str, Any], str]:
    """The table of a preset name or a TOML file, and how messages call it.

    Raises:
        BadInput: there is no such preset or file.
    """
    if source.endswith(".toml") or "/" in source:
        return read_toml(Path(source).expanduser()), source
    return read_preset(source), f"preset {source}"


def load_config(source: str, settings: Iterable[str] = ()) -> RunConfig:
    """The configuration of a preset name or a TOML file, with `section.key=value` settings on top.

    Raises BadInput when there is no such preset or file, or a setting does not fit.
    """
    values, where = read_source(source)
    settings = list(settings)
    if not settings:
        return parse_config(values, where)
    parse_config(values, where)
    return parse_config(override(values, settings), "--set")
