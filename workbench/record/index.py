"""What was known of the runs of a folder when they were last looked at: a cache, and nothing else.

`<runs dir>/.index`: a line of JSON that says what is in it, a line with the crc32 of the rest, and a JSON
object from a run's folder to the look of its files and what they said. It is written aside and renamed, so
that no lock is needed, a reader never waits, and of many writers the last one stays: what the others
knew is read again from the runs. An index that is damaged, of another version, or cannot be read or written
is as good as none: every run is then opened.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import time
import zlib
from collections.abc import Collection, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import clean_text
from workbench.protocol.status import RunStatus, status_of
from workbench.record.journal import JOURNAL_NAME
from workbench.record.lock import is_alive
from workbench.record.notes import NOTES_FILE
from workbench.record.schema import RUN_FILE
from workbench.record.summary import RunSummary, summarize

INDEX_FILE = ".index"
VERSION = 1
"""Rises when a summary is made in another way; what it holds is named in the file besides."""
WORTH = 16
"""Runs that have to be opened for the index to be written: fewer are as fast opened again."""
SETTLED = 2.0
"""Seconds that a file's times must lie back: a later write would not show in them before."""
LARGEST = 1 << 28
"""Bytes of the longest index that is read."""

_FIELDS = {
    field.name: field.default
    for field in fields(RunSummary)
    if field.name not in ("run_id", "path")
}
"""What is kept of a summary, with the values that stand where nothing is known."""
_LEFT_BEHIND = 600.0
"""Seconds after which what a killed writer left is removed."""

Look = list[list[int] | None]
"""Inode, size, time of change and of the inode's change, of each file that a summary is made from: the run's,
its journal, the notes.

No device: a folder that is mounted by many machines has another number on each.
"""
_Entry = tuple[Look, list[Any]]


class RunIndex:
    """Summaries of a folder's runs, each made again when its files look different.

    Nothing here raises for an index that is damaged or cannot be read or written. One thread at a time.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._path = Path(runs_dir) / INDEX_FILE
        self._entries, self._loaded = _load(self._path)
        self._fresh: set[str] = set()

    def known(self, folder: Path) -> RunSummary | None:
        """What is known of a run, if its files are still as they were and nobody writes it."""
        entry = self._entries.get(folder.name)
        if entry is None:
            return None
        look = look_of(folder)
        if look is None or entry[0] != look:
            return None
        found = _summary(folder, entry[1])
        return (
            None
            if found is None or (found.status is RunStatus.LOST and is_alive(folder))
            else found
        )

    def summary(self, folder: Path, series: Collection[str] = ()) -> RunSummary:
        """A run's summary, from its files where it is not known; never raises.

        `series`: whose last values are wanted; those that were asked for before are kept with them.
        """
        found = self.known(folder)
        if found is not None and found.last.keys() >= set(series):
            return found
        look = look_of(folder)
        found = summarize(folder, {*series, *(found.last if found is not None else ())})
        if look is not None and _lasts(found) and _settled(look) and look_of(folder) == look:
            self._entries[folder.name] = (look, _values(found))
            self._fresh.add(folder.name)
        return found

    def save(self, present: Collection[str]) -> None:
        """Write what is known of the runs that are still there, if enough of it is new."""
        gone = len(self._entries.keys() - set(present))
        if len(self._fresh) + gone < WORTH:
            return
        entries = self._entries
        others, loaded = _load(self._path) if _file_look(self._path) != self._loaded else ({}, None)
        if others:
            entries = others | {
                n: e for n, e in entries.items() if n in self._fresh or n not in others
            }
        wanted = set(present)
        self._entries = {name: entry for name, entry in entries.items() if name in wanted}
        with contextlib.suppress(OSError):
            _write(self._path, self._entries)
            self._fresh.clear()
        self._loaded = _file_look(self._path) or loaded


def look_of(folder: Path) -> Look | None:
    """How the files look that a summary is made from; None without a run.h5, or where nobody says."""
    look = _file_look(os.path.join(folder, RUN_FILE))
    if look is None:
        return None
    return [look, *(_file_look(os.path.join(folder, name)) for name in (JOURNAL_NAME, NOTES_FILE))]


def _file_look(path: Path | str) -> list[int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _settled(look: Look) -> bool:
    """Whether a write after now is sure to change the look."""
    now = time.time_ns()
    return all(now - max(file[2:]) > SETTLED * 1e9 for file in look if file is not None)


def _lasts(summary: RunSummary) -> bool:
    """Whether the files alone decide what is said: not who writes them, nor whether they could be read."""
    status = summary.status
    return status is not RunStatus.UNREADABLE and not status.needs_writer and bool(summary.created)


def _values(summary: RunSummary) -> list[Any]:
    """A summary as JSON, in the order of `_FIELDS`."""
    found = {name: getattr(summary, name) for name in _FIELDS}
    found["trend"] = np.asarray(summary.trend, "<f8").tobytes().hex()
    found |= {"settings": dict(summary.settings), "last": dict(summary.last)}
    return list(found.values())


def _summary(folder: Path, values: list[Any]) -> RunSummary | None:
    """The summary that `_values` came from, None for what is none."""
    try:
        found = dict(zip(_FIELDS, values, strict=True))
        trend = np.frombuffer(bytes.fromhex(found.pop("trend")), "<f8")
        settings, last = _settings(found.pop("settings")), _last(found.pop("last"))
        tags = tuple(clean_text(tag) for tag in found.pop("tags"))
        for name, value in found.items():
            if isinstance(_FIELDS[name], str) and isinstance(value, str):
                found[name] = clean_text(value)
            elif type(value) not in (type(_FIELDS[name]), int, float):
                return None
        status = status_of(found["status"])
        if status != found["status"]:
            return None
        found |= {
            "status": status,
            "trend": trend,
            "settings": settings,
            "last": last,
            "tags": tags,
        }
        return RunSummary(clean_text(folder.name, 120), folder, **found)
    except (TypeError, ValueError, KeyError):
        return None


def _settings(values: Any) -> dict[str, Any]:
    """A run's settings, safe to show; raises TypeError for what is none."""
    if not isinstance(values, dict):
        raise TypeError("settings are no table")
    for key, value in values.items():
        if not key.isprintable() or not isinstance(value, str | int | float):
            raise TypeError("no setting")
        if isinstance(value, str) and not value.isprintable():
            raise TypeError("no setting")
    return values


def _last(values: Any) -> dict[str, float | None]:
    """Last values of series; raises TypeError for what is none."""
    if not isinstance(values, dict):
        raise TypeError("last values are no table")
    for name, value in values.items():
        if not name.isprintable() or not isinstance(value, int | float | None):
            raise TypeError("no last value")
    return values


# --- the file ---


def _first_line() -> bytes:
    return json.dumps({"index": VERSION, "holds": list(_FIELDS)}).encode() + b"\n"


def _load(path: Path) -> tuple[dict[str, _Entry], list[int] | None]:
    """The entries of an index and how its file looks; none where it is damaged, or not this version's."""
    try:
        # A pipe or a link in its place is not waited for, and not followed.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                return {}, None
            look = [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
            if file.readline(4096) != _first_line():
                return {}, look
            check, body = file.readline(64), file.read()
    except OSError:
        return {}, None
    if check != b"%08x\n" % zlib.crc32(body):
        return {}, look
    try:
        entries = json.loads(body)
        return {name: (of[0], of[1]) for name, of in entries.items()}, look
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, MemoryError):
        return {}, look


def _write(path: Path, entries: dict[str, _Entry]) -> None:
    """Put an index in place whole; raises OSError."""
    body = json.dumps(entries, separators=(",", ":")).encode()
    aside = path.with_name(f"{path.name}-{secrets.token_hex(8)}.tmp")
    try:
        with open(aside, "xb") as file:
            file.write(_first_line() + b"%08x\n" % zlib.crc32(body) + body)
            now = os.fstat(file.fileno()).st_mtime
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    for left in _left_behind(path):
        with contextlib.suppress(OSError):
            if now - left.stat().st_mtime > _LEFT_BEHIND:
                left.unlink()


def _left_behind(path: Path) -> Iterator[Path]:
    """Files of writers that were killed, or are still at it."""
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(f"{path.name}-") and entry.name.endswith(".tmp"):
                yield path.parent / entry.name
