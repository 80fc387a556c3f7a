"""One line about a run, cheap enough to make for every run of a folder."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.config.flat import flatten
from workbench.errors import StorageError, WorkbenchError, clean_text
from workbench.protocol.status import RunStatus
from workbench.record.age import made_at
from workbench.record.notes import read_notes
from workbench.record.reader import RunReader
from workbench.record.schema import RUN_FILE, STEP

TREND_POINTS = 32
LONGEST_SETTING = 60
"""Characters of a value of the configuration; longer ones, and tables of numbers, are left out."""


@dataclass(frozen=True)
class RunSummary:
    """What a list of runs shows; a value that is not known is None, text then is empty.

    `trend` holds up to 32 values of the natural log of the risk, evenly spaced over the records.
    `modified` is the file's time in seconds since 1970, `made` that of the run's start. `n` counts
    samples, `H` neurons, `steps` the steps planned. `settings` are the configuration's short values by dotted
    key. `reason` says why a run is `unreadable`. A study has `members`, of which `ended` have; a run None.
    `tags` and `note` are a person's. `last` holds the last values of those scalar series that were asked for
    by name, None for one the run does not have.
    """

    run_id: str
    path: Path
    name: str = ""
    status: RunStatus = RunStatus.UNREADABLE
    preset: str = ""
    created: str = ""
    modified: float = 0.0
    made: float = 0.0
    step: int | None = None
    steps: int | None = None
    records: int = 0
    log10_risk: float | None = None
    margin_normalized: float | None = None
    n: int | None = None
    H: int | None = None
    loss: str = ""
    trend: Array = field(default_factory=lambda: np.empty(0))
    members: int | None = None
    ended: int | None = None
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    last: Mapping[str, float | None] = field(default_factory=lambda: MappingProxyType({}))


def summarize(folder: Path, series: Iterable[str] = ()) -> RunSummary:
    """Sum up the run in `folder` from its attributes and a few rows; never raises.

    `series`: the scalar ones whose last values are wanted.

    A run that cannot be read has the status `unreadable` and the reason.
    """
    folder = Path(folder)
    run_id = clean_text(folder.name, 120)
    modified = 0.0
    notes = read_notes(folder)
    try:
        modified = (folder / RUN_FILE).stat().st_mtime
        with RunReader(folder) as reader:
            found = _read(reader, run_id, modified, series)
            return replace(found, tags=notes.tags, note=notes.note)
    except FileNotFoundError:
        reason = f"no {RUN_FILE}: its start did not get that far."
    except OSError as error:
        reason = f"cannot be read: {error.strerror or clean_text(str(error))}."
    except WorkbenchError as error:
        reason = str(error)
    return RunSummary(
        run_id,
        folder,
        modified=modified,
        made=made_at(folder),
        reason=reason,
        tags=notes.tags,
        note=notes.note,
        last=dict.fromkeys(series),
    )


def _read(reader: RunReader, run_id: str, modified: float, series: Iterable[str]) -> RunSummary:
    count = reader.n_records
    config = _config(reader)
    risk = None
    trend = np.empty(0)
    if count and reader.has("log_risk"):
        picks = np.unique(np.linspace(0, count - 1, TREND_POINTS).round().astype(np.int64))
        trend = reader.read("log_risk", picks)
        risk = float(trend[-1]) / math.log(10)
    return RunSummary(
        run_id=run_id,
        path=reader.folder,
        name=_text(reader, "name") or str(config.get("name", "")),
        status=reader.status,
        preset=_text(reader, "preset"),
        created=_text(reader, "created"),
        modified=modified,
        made=made_at(reader.folder, _text(reader, "created")),
        step=int(reader.read(STEP, slice(-1, None))[0]) if count else None,
        steps=_whole(reader, "steps", config, ("train", "steps")),
        records=count,
        log10_risk=risk,
        margin_normalized=_last(reader, "margin_normalized"),
        n=_whole(reader, "n", config, ("data", "n")) or reader.n_samples,
        H=_whole(reader, "H", config, ("model", "width")),
        loss=_text(reader, "loss") or str(_lookup(config, ("loss", "kind")) or ""),
        trend=trend,
        settings=short_settings(config),
        last={name: _last_of(reader, name) for name in series},
    )


def _last_of(reader: RunReader, name: str) -> float | None:
    """The last value of a series, None where the run has none, or more than one number a record."""
    if not reader.n_records or not reader.has(name) or len(reader.shape(name)) != 1:
        return None
    return float(reader.read(name, slice(-1, None))[0])


def _config(reader: RunReader) -> dict[str, Any]:
    try:
        return tomllib.loads(reader.config_text)
    except tomllib.TOMLDecodeError:
        return {}


def short_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, truths and short texts of a configuration by dotted key; short lists as their text."""
    found: dict[str, Any] = {}
    for key, value in flatten(config).items():
        if isinstance(value, bool | int | float):
            found[clean_text(key, LONGEST_SETTING)] = value
        elif isinstance(value, str | list) and len(shown := str(value)) <= LONGEST_SETTING:
            found[clean_text(key, LONGEST_SETTING)] = clean_text(shown)
    return found


def _lookup(config: dict[str, Any], keys: tuple[str, str]) -> Any:
    section = config.get(keys[0])
    return section.get(keys[1]) if isinstance(section, dict) else None


def _text(reader: RunReader, key: str) -> str:
    return clean_text(str(reader.attributes.get(key, "")))


def _whole(
    reader: RunReader, key: str, config: dict[str, Any], keys: tuple[str, str]
) -> int | None:
    for value in (reader.attributes.get(key), _lookup(config, keys)):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _last(reader: RunReader, name: str) -> float | None:
    """The last finite or non-finite value of a scalar series, None if there is none."""
    if not reader.n_records or not reader.has(name):
        return None
    values = reader.read(name, slice(-1, None))
    if values.shape != (1,):
        raise StorageError(f"series '{name}' of '{clean_text(str(reader.path))}' is no scalar.")
    return float(values[0])
