"""Who is writing a run: `flock` on `run.lock`, held for as long as the run is live.

The kernel drops the lock with the process, however it dies; so the lock, and not anything written
in a file, says whether a run is alive. The text in `run.lock` is for people only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from workbench.errors import RunBusy, StorageError, clean_text

LOCK_NAME = "run.lock"
_PATIENCE = 0.3
"""Seconds to keep trying: `is_alive` in another process holds a shared lock for an instant."""

_NOBODY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""There is no lock, and nobody can hold it."""


@dataclass(frozen=True)
class LockHolder:
    """Who wrote `run.lock` last; alive or not is `is_alive`'s to say."""

    pid: int
    host: str


class RunLock:
    """The right to write a run, as a context manager.

    A forked child does not keep the lock: its copy of the descriptor is closed at the fork, so
    that a leftover worker process cannot keep a dead run looking alive.

    Raises (on entering):
        RunBusy: another process, or another part of this one, holds it.
        StorageError: the folder is missing or read-only, or its file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor >= 0

    def acquire(self) -> None:
        """Take the lock; see the class for what it raises."""
        if self.held:
            return
        path = self.folder / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            name = clean_text(str(path))
            raise StorageError(f"cannot lock '{name}': {error.strerror}.") from error
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # the text is information: a full disk may refuse it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        self._descriptor = descriptor
        _HELD.add(self)

    def _take(self, descriptor: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                run = clean_text(self.folder.resolve().name, 120)
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise StorageError(f"cannot lock run '{run}': {error.strerror}.") from error
                if time.monotonic() > deadline:
                    holder = lock_holder(self.folder)
                    who = f" (pid {holder.pid} on {holder.host})" if holder else ""
                    raise RunBusy(
                        f"run '{run}' is being written by another process{who}."
                    ) from None
            time.sleep(0.01)

    def release(self) -> None:
        """Give the lock back; twice is once."""
        _HELD.discard(self)
        if self.held:
            with contextlib.suppress(OSError):  # at once, even if a child is between fork and exec
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._forget()

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


_HELD: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _drop_in_child() -> None:
    for lock in list(_HELD):
        lock._forget()
    _HELD.clear()


os.register_at_fork(after_in_child=_drop_in_child)


def is_alive(folder: Path) -> bool:
    """Whether some process is writing the run in `folder`, or may be; never waits, never writes.

    Where the system does not say (a file system without locks, a lock that cannot be opened) nobody is
    called dead.
    """
    try:
        descriptor = os.open(Path(folder) / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return error.errno not in _NOBODY
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def lock_holder(folder: Path) -> LockHolder | None:
    """Who took the lock last, as written in `run.lock`; None if that says nothing."""
    try:
        with open(Path(folder) / LOCK_NAME, encoding="utf-8", errors="replace") as stream:
            pid, _, host = stream.read(200).strip().partition(" ")
        return LockHolder(int(pid), clean_text(host, 100))
    except (OSError, ValueError):
        return None
