"""What `workbench doctor` says of the runs folder: its file system, tried in a temporary folder there."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from commands import formats
from commands.checks import Check
from workbench.errors import clean_text

LITTLE_SPACE, NO_SPACE = 2_000_000_000, 50_000_000
CLOCK_SECONDS = 5.0
ELSEWHERE = "give another folder with --runs-dir or $WORKBENCH_RUNS."
HEARTBEAT_SERVES = (
    "nothing to do: the heartbeat in a run's folder keeps a second writer out; a run whose writer died on "
    "another machine goes on after half a minute."
)
FLEETING = ("tmpfs", "ramfs")


def runs_folder_checks(folder: Path) -> list[Check]:
    """Whether runs can be written there, safely; nothing of it stays."""
    shown = clean_text(str(folder))
    place = folder.expanduser().absolute()
    try:
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            return [
                Check("runs folder", "problem", f"'{shown}' is a file, or lies in one", ELSEWHERE)
            ]
    except (OSError, RuntimeError) as error:
        reason = clean_text(getattr(error, "strerror", None) or str(error))
        return [
            Check("runs folder", "problem", f"'{shown}' cannot be entered: {reason}", ELSEWHERE)
        ]
    missing = "" if folder.exists() else " (made with the first run)"
    around = [file_system(place), space(place)]
    try:
        with tempfile.TemporaryDirectory(prefix=".workbench-doctor-", dir=place) as name:
            written = Check("runs folder", "ok", f"'{shown}' can be written{missing}")
            return [written, *around, *_tried(Path(name)), *shared_data(folder)]
    except OSError as error:
        reason = clean_text(error.strerror or str(error))
        found = f"'{shown}' cannot be written: {reason}"
        return [Check("runs folder", "problem", found, ELSEWHERE), *around]


def _tried(folder: Path) -> list[Check]:
    from workbench.record.filesystem import try_exclusive, try_fsync, try_rename

    return [
        locks(folder),
        attempt("one claim", folder, try_exclusive, "two processes may write one run"),
        attempt("rename", folder, try_rename, "a crash may leave half a checkpoint"),
        attempt("fsync", folder, try_fsync, "a power cut may lose the last records"),
        clock(folder),
    ]


def shared_data(folder: Path) -> list[Check]:
    """The large samples that the runs of a folder share; nothing where there are none."""
    from workbench.record.data_files import pool_files

    found = pool_files(folder.expanduser())
    if not found:
        return []
    files = "1 file" if len(found) == 1 else f"{len(found):,} files"
    once, apart = (
        formats.size(sum(sizes))
        for sizes in ([n for _, n, _ in found], [n * k for _, n, k in found])
    )
    return [Check("shared data", "ok", f"{files}, {once}; a copy in each run that has it: {apart}")]


def file_system(place: Path) -> Check:
    """The kind of file system, and what its mount says of locks."""
    from workbench.record.filesystem import mount_of

    mount = mount_of(place)
    if mount is None:
        return Check("file system", "ok", "of a kind that the system does not tell")
    if mount.kind in FLEETING:
        advice = "what lies in memory is gone when the machine stops; copy runs that are to stay."
        return Check("file system", "warning", f"{mount.kind}, which lies in memory", advice)
    if mount.locks_are_local:
        found = f"{mount.kind}, mounted so that locks hold on one machine only"
        return Check("file system", "warning", found, HEARTBEAT_SERVES)
    shared = ", which other machines may write too; a heartbeat says who writes a run"
    return Check("file system", "ok", mount.kind + (shared if mount.shared else ""))


def space(place: Path) -> Check:
    """Free space where the runs lie."""
    try:
        return room(shutil.disk_usage(place).free)
    except OSError as error:
        return Check("free space", "warning", f"not told: {clean_text(error.strerror or '')}")


def room(free: int) -> Check:
    """Whether so many bytes are enough."""
    if free < NO_SPACE:
        return Check("free space", "problem", formats.size(free), "make room: runs will fail.")
    if free < LITTLE_SPACE:
        advice = "long runs that record θ may not fit; raise record.every or make room."
        return Check("free space", "warning", formats.size(free), advice)
    return Check("free space", "ok", formats.size(free))


def locks(folder: Path) -> Check:
    """Whether a lock keeps another process of this machine out; without locks the heartbeat does."""
    from workbench.record.filesystem import Locks, try_locks

    try:
        if try_locks(folder) is Locks.EXCLUDE:
            return Check("file locks", "ok", "a lock keeps another process out")
        found = "a lock that was held was given to another process too"
    except OSError as error:
        found = f"fail there ({_reason(error)})"
    return Check("file locks", "warning", found, HEARTBEAT_SERVES)


def clock(folder: Path) -> Check:
    """Whether the files' times and this machine's clock agree."""
    from workbench.record.filesystem import clock_difference

    try:
        ahead = clock_difference(folder)
    except OSError as error:
        return Check("file times", "warning", f"cannot be read ({_reason(error)})")
    if abs(ahead) <= CLOCK_SECONDS:
        return Check("file times", "ok", "agree with this machine's clock")
    side = "ahead of" if ahead > 0 else "behind"
    found = f"{abs(ahead):,.0f} s {side} this machine's clock"
    advice = (
        "set the clocks right: how long ago a run was written, and when it was lost, looks wrong."
    )
    return Check("file times", "warning", found, advice)


def attempt(name: str, folder: Path, action: Callable[[Path], str | None], risk: str) -> Check:
    """Do something with files in `folder`; a problem with the file system is named."""
    try:
        said = action(folder)
    except OSError as error:
        found = f"fails there ({_reason(error)})"
        return Check(name, "problem", found, f"{risk}; keep runs on a local disk with --runs-dir.")
    return Check(name, "ok", said or "works there")


def _reason(error: OSError) -> str:
    """`ENOLCK: No locks available`."""
    text = clean_text(error.strerror or str(error))
    name = errno.errorcode.get(error.errno or 0)
    return f"{name}: {text}" if name else text
