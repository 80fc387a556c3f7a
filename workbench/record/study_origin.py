"""`origin.json`: when a study was made, by which version, and the study.toml that it was last driven with.

What of study.toml may change between two drives is decided by holding it against this copy.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench import __version__
from workbench.errors import StorageError, clean_text
from workbench.record.age import moment
from workbench.record.atomic import write_text
from workbench.record.schema import STUDY_FILE

ORIGIN_FILE = "origin.json"
LARGEST = 16 << 20
"""Bytes of the longest one that is read."""


@dataclass(frozen=True)
class StudyOrigin:
    """When a study was made (ISO 8601), by which version of the workbench, and its study.toml."""

    created: str
    workbench: str
    study_toml: str


def new_origin(study_toml: str) -> StudyOrigin:
    """Of a study that is made now."""
    return StudyOrigin(datetime.now(UTC).isoformat(timespec="seconds"), __version__, study_toml)


def write_origin(folder: Path, origin: StudyOrigin) -> None:
    """Put it into the study's folder, whole; raises StorageError."""
    write_text(folder / ORIGIN_FILE, json.dumps(asdict(origin), indent=1) + "\n")


def read_origin(folder: Path) -> StudyOrigin | None:
    """What a study's folder says of it, None where it says nothing.

    Raises:
        StorageError: it cannot be read, or is not what the workbench writes.
    """
    path = folder / ORIGIN_FILE
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        found = json.loads(raw)
        return StudyOrigin(*(str(found[key]) for key in ("created", "workbench", "study_toml")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        name, reason = clean_text(str(path)), clean_text(str(error), 160)
        raise StorageError(
            f"'{name}' cannot be used ({reason}); without it the study goes on from {STUDY_FILE} as it is."
        ) from error


def study_made_at(folder: Path) -> float:
    """When a study was made, in seconds since 1970; never raises.

    One that does not say is as old as its study.toml, else as its folder, else 0.
    """
    try:
        origin = read_origin(folder)
    except StorageError:
        origin = None
    said = None if origin is None else moment(origin.created)
    if said is not None:
        return said
    for path in (folder / STUDY_FILE, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
