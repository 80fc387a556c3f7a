"""Checkpoints: the whole state of an engine, one file each, whole or not there at all.

`checkpoints/ck_<step>.h5` holds every array as a dataset under /arrays (a slash in a name makes a
group), the attributes as JSON (exact for floats and for integers of any size), and a crc32 over
names, types, shapes, bytes and attributes. It is written under another name, fsynced and renamed.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.atomic import put_in_place, remove_quietly, sync_folder, write_error
from workbench.record.handle import created
from workbench.record.lock import claim_on
from workbench.record.overlay import H5_ERRORS, Overlay, reading
from workbench.record.plain import NUMBERS, group_at, require_plain_dataset
from workbench.record.values import Value

FOLDER = "checkpoints"
_NAME = re.compile(r"ck_(\d+)\.h5")
_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A state that was saved: arrays by name and scalar attributes, bit for bit."""

    step: int
    arrays: dict[str, Array]
    attributes: dict[str, Value]
    path: Path


@dataclass(frozen=True)
class Refused:
    """A checkpoint that cannot be gone on from, and why, in a sentence."""

    step: int
    path: Path
    reason: str


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies in a run's folder."""
    return Path(folder) / FOLDER / f"ck_{step:012d}.h5"


def _checksum(step: int, arrays: Mapping[str, Array], attributes: str) -> int:
    """crc32 over everything a checkpoint says, in a fixed order."""
    crc = zlib.crc32(f"{_FORMAT}\0{step}\0{attributes}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode(), crc)
        if array.size:
            crc = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, crc)
    return crc


def _checked(arrays: Mapping[str, Array]) -> dict[str, Array]:
    found = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            raise BadInput(f"checkpoint array '{clean_text(name)}' has type {array.dtype}.")
        if not name or any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
            raise BadInput(f"'{clean_text(name)}' cannot name a checkpoint array.")
        found[name] = array
    return found


def save_checkpoint(
    folder: Path, step: int, arrays: Mapping[str, Array], attributes: Mapping[str, Value]
) -> Path:
    """Save a state in the run's folder; when this returns it survives a power cut.

    Args:
        arrays: numbers of any shape and numeric type, 0-d and empty ones included.
        attributes: text, numbers (integers of any size) and booleans.

    Raises:
        BadInput: a name or a type that cannot be stored.
        StorageError: the file cannot be written; an earlier one of that step is untouched.
        ClaimLost: this process's claim on the run was taken over.
    """
    claim = claim_on(folder)
    kept = _checked(arrays)
    path = checkpoint_path(folder, step)
    temporary = path.with_name(path.name + ".tmp")
    text = json.dumps(dict(attributes), sort_keys=True)
    try:
        path.parent.mkdir(exist_ok=True)
        with created(temporary) as file:
            file.attrs["format"] = _FORMAT
            file.attrs["step"] = step
            file.attrs["attributes"] = text
            file.attrs["crc32"] = np.uint32(_checksum(step, kept, text))
            group = file.create_group("arrays")
            for name, array in kept.items():
                group.create_dataset(name, data=array, dtype=array.dtype)
        if claim is not None:
            claim.check()
        put_in_place(temporary, path)
    except H5_ERRORS as error:
        remove_quietly(temporary)
        raise write_error(path, error) from error
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint and verify its crc32.

    Raises:
        StorageError: the file is missing, damaged, or no checkpoint.
    """
    path = Path(path)
    name = clean_text(str(path))
    arrays: dict[str, Array] = {}

    def collect(key: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            require_plain_dataset(node, key, NUMBERS)
            arrays[key] = np.asarray(node[()])

    with reading(path), Overlay(path) as source, h5py.File(source, "r") as file:
        if "crc32" not in file.attrs or "arrays" not in file:
            raise StorageError(f"'{name}' is an HDF5 file but no checkpoint.")
        step = int(file.attrs["step"])
        text = str(file.attrs["attributes"])
        group_at(file, "arrays").visititems(collect)
        if _checksum(step, arrays, text) != int(file.attrs["crc32"]):
            raise StorageError(f"checkpoint '{name}' is damaged: its checksum does not hold.")
        attributes = json.loads(text)
        if not isinstance(attributes, dict):
            raise StorageError(f"checkpoint '{name}' is damaged: its attributes are no table.")
        said = _NAME.fullmatch(path.name)
        if said and int(said[1]) != step:
            raise StorageError(
                f"checkpoint '{name}' is of step {step:,}, and its name says another."
            )
        return Checkpoint(step, arrays, attributes, path)


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """(step, path) of the run's checkpoints, oldest first; none if there is no folder.

    Raises:
        StorageError: there is a folder and it cannot be read, which is not the same as none.
    """
    place = Path(folder) / FOLDER
    try:
        entries = list(place.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        name = clean_text(str(place))
        raise StorageError(f"cannot list the checkpoints in '{name}': {error.strerror}.") from error
    found = [(_NAME.fullmatch(entry.name), entry) for entry in entries]
    return sorted((int(match[1]), entry) for match, entry in found if match)


def newest_good(
    folder: Path, *, known: int | None = None, run_id: str = ""
) -> tuple[Checkpoint | None, list[Refused]]:
    """The newest checkpoint that can be gone on from, and those newer than it that cannot.

    Args:
        known: the last record's step in the run's file, if that is to be held against them: one that
            was written after later records would leave a gap.
        run_id: the run's, if those of other runs are to be refused; ones of before they said it pass.

    Raises:
        StorageError: the checkpoints cannot be listed.
    """
    refused: list[Refused] = []
    for step, path in reversed(list_checkpoints(folder)):
        try:
            found = load_checkpoint(path)
        except StorageError as error:
            refused.append(Refused(step, path, str(error)))
            continue
        recorded, own = found.arrays.get("recorded_step"), str(found.attributes.get("run_id", ""))
        if run_id and own and own != run_id:
            why = f"checkpoint '{clean_text(str(path))}' is one of run {clean_text(own, 120)}."
            refused.append(Refused(step, path, why))
            continue
        if known is None or (recorded is not None and int(recorded) <= known):
            return found, refused
        why = "holds no engine's state."
        if recorded is not None:
            why = f"follows a record of step {int(recorded):,}, and the file's last is of step {known:,}."
        refused.append(Refused(step, path, f"checkpoint '{clean_text(str(path))}' {why}"))
    return None, refused


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that verifies, older ones being tried when it does not; raises StorageError."""
    return newest_good(folder)[0]


def prune_checkpoints(folder: Path, keep: int) -> list[int]:
    """Remove all but the newest `keep` checkpoints, and half-written ones.

    Returns:
        The steps whose checkpoints were removed.

    Raises:
        StorageError: a file cannot be removed.
    """
    place = Path(folder) / FOLDER
    older = list_checkpoints(folder)[: -keep or None] if keep >= 0 else []
    removed = []
    try:
        for leftover in place.glob("ck_*.h5.tmp"):
            leftover.unlink(missing_ok=True)
        for step, path in older:
            path.unlink(missing_ok=True)
            removed.append(step)
        if removed:
            sync_folder(place)
    except OSError as error:
        raise write_error(place, error) from error
    return removed
