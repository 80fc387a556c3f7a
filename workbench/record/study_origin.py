"""`origin.json`: when a study was made, and by which version."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from workbench import __version__
from workbench.record.age import moment
from workbench.record.atomic import write_text
from workbench.record.schema import STUDY_FILE

ORIGIN_FILE = "origin.json"
LARGEST = 1 << 16
"""Bytes of the longest one that is read."""


def write_origin(folder: Path) -> None:
    """Say in a new study's folder that it is made now; raises StorageError."""
    found = {
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "workbench": __version__,
    }
    write_text(folder / ORIGIN_FILE, json.dumps(found) + "\n")


def study_created(folder: Path) -> str:
    """When a study was made, in ISO 8601; empty where its folder does not say."""
    try:
        with (folder / ORIGIN_FILE).open("rb") as file:
            return str(json.loads(file.read(LARGEST))["created"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def study_made_at(folder: Path) -> float:
    """When a study was made, in seconds since 1970; never raises.

    One that does not say is as old as its study.toml, else as its folder, else 0.
    """
    said = moment(study_created(folder))
    if said is not None:
        return said
    for path in (folder / STUDY_FILE, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
