"""What a person writes to a run or a study: tags, and a note, in a small file of its own beside the rest.

<run>/notes.toml    tags = ["good"]    note = "the second saddle is missing"

No trainer, reader or check looks at it, so that it may change while the run trains, and whatever is wrong
with it is wrong with nothing else. It is replaced whole; keys of others in it are kept. A fork begins
without.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.atomic import write_error, write_text

NOTES_FILE = "notes.toml"
MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 32, 40, 1_000
LARGEST = 1 << 16
"""Bytes of a file of notes."""
_TAG = re.compile(r"[^\W_][\w./-]*")


@dataclass(frozen=True)
class Notes:
    """Tags in alphabetical order, no two of which are the same but for case; a note of one line.

    `mistake` says in a sentence why the file could not be read; then there are none.
    """

    tags: tuple[str, ...] = ()
    note: str = ""
    mistake: str = ""
    other: dict[str, Any] = field(default_factory=dict, repr=False)

    def attributes(self) -> dict[str, str]:
        """What there is of them, as an export says it: the tags separated by blanks."""
        found = {"tags": " ".join(self.tags), "note": self.note}
        return {key: value for key, value in found.items() if value}


def read_notes(folder: Path) -> Notes:
    """The notes in a run's or study's folder; none where there is no file. Never raises."""
    path = Path(folder) / NOTES_FILE
    try:
        table = _table(path)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else clean_text(str(error), 120)
        name = clean_text(path.parent.name, 120)
        return Notes(mistake=f"the {NOTES_FILE} of '{name}' cannot be read: {why}.")
    tags, note = table.pop("tags", []), table.pop("note", "")
    tags = tags if isinstance(tags, list) else []
    return Notes(
        _in_order(t for t in tags if isinstance(t, str) and _TAG.fullmatch(t))[:MOST_TAGS],
        _one_line(note) if isinstance(note, str) else "",
        other=table,
    )


def _table(path: Path) -> dict[str, Any]:
    """The file's table, empty without one; raises OSError, ValueError, RecursionError."""
    try:
        # A pipe in its place is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ValueError(f"it holds more than {LARGEST >> 10} KiB")
    return tomllib.loads(raw.decode("utf-8").removeprefix("\ufeff"))


def change_tags(folder: Path, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Notes:
    """Give a run tags and take others from it; those it has, or lacks, are no mistake.

    Raises:
        BadInput: a tag is none, or they are too many.
        StorageError: the file that is there cannot be read, or the new one cannot be written.
    """
    added, removed = [checked_tag(t) for t in add], {checked_tag(t).casefold() for t in remove}
    with _alone(folder) as notes:
        # A tag that is there keeps its spelling.
        tags = _in_order(t for t in (*notes.tags, *added) if t.casefold() not in removed)
        if len(tags) > MOST_TAGS:
            raise BadInput(f"a run has up to {MOST_TAGS} tags; these would be {len(tags)}.")
        return _written(folder, notes, tags, notes.note)


def change_note(folder: Path, text: str) -> Notes:
    """Give a run another note, an empty one for none; raises as `change_tags`."""
    if len(text) > LONGEST_NOTE:
        raise BadInput(f"a note has up to {LONGEST_NOTE:,} characters; this one has {len(text):,}.")
    with _alone(folder) as notes:
        return _written(folder, notes, notes.tags, _one_line(text))


def checked_tag(text: str) -> str:
    """A tag; raises BadInput for what is none."""
    if not _TAG.fullmatch(text) or len(text) > LONGEST_TAG:
        raise BadInput(
            f"'{clean_text(text, 60)}' is no tag: a letter or digit, then up to {LONGEST_TAG - 1} letters, "
            "digits and . _ - /."
        )
    return text


def _in_order(tags: Iterable[str]) -> tuple[str, ...]:
    """In alphabetical order, of those that differ in case alone the first."""
    kept: dict[str, str] = {}
    for tag in tags:
        kept.setdefault(tag.casefold(), tag)
    return tuple(kept[key] for key in sorted(kept))


def _one_line(text: str) -> str:
    return " ".join(clean_text(text, LONGEST_NOTE).split())


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[Notes]:
    """The notes as they are, while no other process changes them; raises StorageError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise write_error(Path(folder) / NOTES_FILE, error) from error
    try:
        # Where the file system has no locks, of two that write at once the last one stays.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        notes = read_notes(folder)
        if notes.mistake:
            raise StorageError(f"{notes.mistake[:-1]}; it is left as it is.")
        yield notes
    finally:
        os.close(descriptor)


def _written(folder: Path, notes: Notes, tags: tuple[str, ...], note: str) -> Notes:
    """Put the file in place, or away where nothing is left to say; raises StorageError."""
    import tomli_w

    if (tags, note) == (notes.tags, notes.note):
        return notes
    path = Path(folder) / NOTES_FILE
    table: dict[str, Any] = notes.other | ({"tags": list(tags)} if tags else {})
    table |= {"note": note} if note else {}
    if table:
        write_text(path, tomli_w.dumps(table))
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
    return Notes(tags, note, other=notes.other)
