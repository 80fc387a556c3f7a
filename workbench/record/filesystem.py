"""Trying what a run needs of a file system, in a folder of its own; what fails raises OSError."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from workbench.errors import clean_text
from workbench.record.atomic import sync_file, sync_folder

MOUNTS = "/proc/self/mountinfo"
_LOCAL_LOCKS = {"local_lock=all", "local_lock=flock", "nolock", "localflock"}
_SHARED = re.compile(
    r"nfs\d?|cifs|smb\w*|gpfs|lustre|beegfs\w*|ceph|afs|9p|panfs|pvfs2|orangefs|fuse\..+"
)
_LOCK_SECONDS = 20.0
_TWO_LOCKS = """
import fcntl, os, sys
def take():
    descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    try: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: return 255
    except OSError as error: return error.errno
    return 0
first = take()
child = os.fork()
if child == 0: os._exit(take())
print(first, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class Locks(Enum):
    """What a lock that a process holds does to another process of this machine."""

    EXCLUDE = auto()
    GIVEN_TWICE = auto()


@dataclass(frozen=True)
class Mount:
    """The file system a path lies in: its `kind`, as ext4, and the `options` it is mounted with."""

    kind: str
    options: frozenset[str]

    @property
    def shared(self) -> bool:
        """Whether other machines may have it too."""
        return _SHARED.fullmatch(self.kind) is not None

    @property
    def locks_are_local(self) -> bool:
        """Whether its mount says that a lock excludes nobody on another machine."""
        return bool(self.options & _LOCAL_LOCKS)


def mount_of(place: Path) -> Mount | None:
    """The mount of an existing path; None where the system does not tell."""
    try:
        device = os.stat(place).st_dev
        lines = Path(MOUNTS).read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    best: tuple[int, Mount] | None = None
    for line in lines:
        fields, _, system = line.partition(" - ")
        mine, super_fields = fields.split(), system.split()
        if len(mine) < 6 or len(super_fields) < 3:
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), mine[4])
        inside = place.resolve().is_relative_to(point)
        # Below a mount point, or of the same device where the table shows paths of another root.
        if inside or mine[2] == f"{os.major(device)}:{os.minor(device)}":
            options = frozenset([*mine[5].split(","), *super_fields[2].split(",")])
            found = (len(point) if inside else -1, Mount(clean_text(super_fields[0], 40), options))
            best = found if best is None or found[0] >= best[0] else best
    return best[1] if best else None


def try_fsync(folder: Path) -> None:
    """Bring a file and its folder to the disk."""
    path = folder / "sync"
    path.write_bytes(b"\0" * 4096)
    sync_file(path)
    sync_folder(folder)


def try_rename(folder: Path) -> None:
    """Put a file in the place of another."""
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    os.replace(new, old)
    if old.read_bytes() != b"new" or new.exists():
        raise OSError("the old file was still there")


def try_exclusive(folder: Path) -> str:
    """Give a file a name that may not be there yet, as a claim does; how that goes, in words."""
    first, second = folder / "first", folder / "second"
    first.write_bytes(b"first")
    try:
        os.link(first, second)
    except OSError:
        _refused(lambda: os.close(os.open(first, os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
        return "a name is given to one process only, by exclusive creation (no hard links there)"
    _refused(lambda: os.link(first, second))
    return "a name is given to one process only, by a hard link"


def _refused(action: Callable[[], None]) -> None:
    try:
        action()
    except FileExistsError:
        return
    raise OSError("a name that was there was given away a second time")


def try_locks(folder: Path) -> Locks:
    """What `flock` does between two processes; a server that does not answer is an error after 20 s."""
    command = [sys.executable, "-I", "-S", "-c", _TWO_LOCKS, str(folder / "lock")]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LOCK_SECONDS, check=True
        )
        first, second = map(int, done.stdout.split())
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer in {_LOCK_SECONDS:.0f} s") from None
    except (subprocess.CalledProcessError, ValueError):
        raise OSError("the process that tried it failed") from None
    if first:
        raise OSError(first, os.strerror(first))
    if second not in (0, 255):
        raise OSError(second, os.strerror(second))
    return Locks.EXCLUDE if second else Locks.GIVEN_TWICE


def clock_difference(folder: Path) -> float:
    """Seconds by which the time of a file written now is ahead of this machine's clock."""
    path = folder / "clock"
    before = time.time()
    path.write_bytes(b"now")
    after, found = time.time(), path.stat().st_mtime
    return found - min(max(found, before), after)
