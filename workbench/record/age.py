"""When a run was made, by what its files say: a folder's name is only a name, in local time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py

from workbench.errors import StorageError
from workbench.record.overlay import Overlay, reading
from workbench.record.schema import CONFIG_FILE, RUN_FILE
from workbench.record.values import text_value


def moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 time, taken for UTC where it names no zone; None if it is none."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def made_at(folder: Path, created: str | None = None) -> float:
    """When the run in `folder` was made, in seconds since 1970; never raises.

    `created`: what its file says, where that is read already. A run whose file says nothing, or
    cannot be read, is as old as its configuration, else as its folder, else 0.
    """
    if created is None:
        try:
            created = root_text(folder, "created")
        except StorageError:
            created = ""
    said = moment(created)
    if said is not None:
        return said
    for path in (folder / CONFIG_FILE, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0


def root_text(folder: Path, key: str) -> str:
    """A text that the run's file has at its root, empty if it has not; raises StorageError."""
    path = folder / RUN_FILE
    with reading(path), Overlay(path) as source, h5py.File(source, "r") as file:
        return text_value(file.attrs.get(key, ""))
