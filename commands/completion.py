"""What a shell offers at the tab key: presets and files, stored runs and studies, settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from workbench.errors import WorkbenchError

MOST = 200
"""Runs that are offered, the newest; a shell shows no more at once."""


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def sources(incomplete: str) -> list[str]:
    """Presets, and the TOML files and folders that the word may lead to."""
    from workbench.presets import preset_names, study_names

    return _beginning(incomplete, (*preset_names(), *study_names(), *_paths(incomplete)))


def presets(incomplete: str) -> list[str]:
    """Presets of runs and of studies."""
    from workbench.presets import preset_names, study_names

    return _beginning(incomplete, (*preset_names(), *study_names()))


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """`last`, and the newest runs' ids in the runs folder."""
    from workbench.record.folder import run_folders

    return _newest(context, incomplete, run_folders)


def runs_and_studies(context: typer.Context, incomplete: str) -> list[str]:
    """The same with studies."""
    from workbench.record.folder import run_folders, study_folders

    return _newest(context, incomplete, run_folders, study_folders)


def settings(incomplete: str) -> list[str]:
    """Every key of a configuration, up to its `=`."""
    from workbench.config.refusals import keys_of
    from workbench.config.run import RunConfig

    return (
        [] if "=" in incomplete else _beginning(incomplete, (f"{k}=" for k in keys_of(RunConfig)))
    )


def _newest(
    context: typer.Context, incomplete: str, *kinds: Callable[[Path], list[Path]]
) -> list[str]:
    from workbench.record.folder import default_runs_dir

    folder = Path(context.params.get("runs_dir") or default_runs_dir())
    try:
        found = [entry.name for kind in kinds for entry in kind(folder)]
    except WorkbenchError:
        found = []
    # An id begins with its date.
    return _beginning(incomplete, ("last", *sorted(found, reverse=True)[:MOST]))


def _paths(incomplete: str) -> list[str]:
    """Folders, with a slash, and TOML files beside what is typed."""
    typed, _ = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(typed or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    return [
        os.path.join(typed, entry.name) + "/" * entry.is_dir()
        for entry in entries
        if (entry.is_dir() or entry.name.endswith(".toml")) and not entry.name.startswith(".")
    ]
