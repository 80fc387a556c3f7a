"""Robust accuracies measured on a run's states, beside its run.h5: `robustness.json`, an entry a step and
part of the samples (training or held out), and a crc32 of all entries."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.errors import StorageError, clean_text
from workbench.record.atomic import write_text

FILE = "robustness.json"
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class RobustAccuracy:
    """Of one step: `accuracy` (r) from above and `certified` (r) from below, None where nothing is
    certified, at `radii` (r); of how many `samples`, and whether of those held out."""

    step: int
    log10_risk: float
    samples: int
    held_out: bool
    radii: Array
    accuracy: Array
    certified: Array | None


def keep_robustness(folder: Path, table: Mapping[str, Any]) -> None:
    """Add an entry (as `inspector.robustness.Robustness.as_json`, JSON values only) to a run's; one of
    the same step and part of the samples is replaced.

    Raises:
        StorageError: the file is damaged, or cannot be written.
    """
    entries = [entry for entry in _entries(folder) if _place(entry) != _place(table)]
    entries = sorted([*entries, dict(table)], key=_place)
    write_text(folder / FILE, json.dumps({"states": entries, "crc32": _checksum(entries)}))


def kept_robustness(folder: Path) -> list[RobustAccuracy]:
    """What is kept of a run, by step; empty without the file.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        return [_read(entry) for entry in _entries(folder)]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from error


def _place(entry: Mapping[str, Any]) -> tuple[int, bool]:
    """Step, and whether of held-out samples; entries of before are of the training's."""
    return int(entry["step"]), entry.get("on", "train") == "test"


def _read(entry: Mapping[str, Any]) -> RobustAccuracy:
    columns = [entry["radii"], entry["accuracy"], entry["certified_accuracy"]]
    arrays = [None if c is None else np.array(c, dtype=np.float64) for c in columns]
    radii, accuracy, certified = arrays
    if radii is None or accuracy is None or radii.ndim != 1 or radii.shape != accuracy.shape:
        raise ValueError("its curves have other lengths than its radii")
    if certified is not None and certified.shape != radii.shape:
        raise ValueError("its certified curve has another length than its radii")
    risk = entry["log10_risk"]
    return RobustAccuracy(
        step=int(entry["step"]),
        log10_risk=float("nan") if risk is None else float(risk),
        samples=len(entry["samples"]),
        held_out=_place(entry)[1],
        radii=radii,
        accuracy=accuracy,
        certified=certified,
    )


def _entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        document = json.loads(path.read_text(encoding="utf-8"))
        entries = document["states"]
        if not all(isinstance(entry, dict) and "step" in entry for entry in entries):
            raise ValueError("its states are no tables")
        # Files of before it have none.
        if document.get("crc32", _checksum(entries)) != _checksum(entries):
            raise ValueError("its checksum does not hold")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder, error) from error
    return list(entries)


def _checksum(entries: list[dict[str, Any]]) -> int:
    return zlib.crc32(json.dumps(entries, sort_keys=True).encode())


def _damaged(folder: Path, error: Exception) -> StorageError:
    reason = clean_text(str(error), 120)
    return StorageError(
        f"{clean_text(str(folder / FILE))} holds no robust accuracies ({reason}); remove it, and "
        "workbench robustness writes it anew."
    )
