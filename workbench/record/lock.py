"""Who is writing a run: the claim on it, a lock and a heartbeat, held for as long as the run is live.

A study and a shard of one are claimed like a run (`workbench.record.subject`), by files of their own.

`flock` on `run.lock` excludes every other process of this machine, and the kernel drops it however the
process dies. But on some network file systems it excludes nobody on another machine, and some have no locks.
So a claim also puts its heartbeat (`workbench.record.heartbeat`) into the run's folder, and:

- a lock that is held is somebody's who lives;
- a heartbeat whose process is known to be gone (same boot of the same host, same pid namespace) is a dead
  one's, and where there are no locks one whose process is there is a living one's;
- any other heartbeat is a living one's as long as it changes while it is watched. Whoever wants to write
  watches for `LIFE` seconds, whatever the clocks say; a single look, as for a list, goes by its age.

A writer that was stopped or asleep for so long that others may have called it dead looks at the heartbeat
before it writes again, and where that is not its own any more it writes nothing more (`ClaimLost`).
The text in `run.lock` is for people only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from workbench.errors import ClaimLost, RecordingGone, RunBusy, StorageError, clean_text
from workbench.record import heartbeat
from workbench.record.atomic import write_error
from workbench.record.fence import fence
from workbench.record.heartbeat import (
    Beat,
    Heartbeat,
    LockHolder,
    holder_of,
    now,
    read_beat,
)
from workbench.record.process import Presence, host_name, presence
from workbench.record.subject import RUN, Subject

LOCK_NAME = RUN.lock_name
CLAIM_FILES = RUN.files
"""What belongs to who writes a run, and not to the run."""
NO_LOCKS = (
    "the file system has no locks; the heartbeat alone keeps a second writer out: "
    "after a crash on another machine it takes half a minute to go on."
)
_PATIENCE = 0.3
"""Seconds to keep trying: `is_alive` in another process holds a shared lock for an instant."""
_TRIES = 5
_MOST_WATCHED = 20_000

_NOBODY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""There is no lock file: nobody can hold it."""
_Place = tuple[int, int, str]
"""Device and inode of the folder, and what in it is claimed."""
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """The right to write a run, as a context manager.

    A forked child does not keep the claim: its copy of the descriptor is closed at the fork, so
    that a leftover worker process cannot keep a dead run looking alive, and it does not beat.

    Args:
        beats: False for a moment's claim that needs no room on the disk, as to delete a run.
        tell: told a sentence when it takes a while to see whether another machine's writer lives.
        subject: what in the folder is claimed.

    Attributes:
        took_over: whose claim was taken over without proof that its process is gone, or None.
        notice: a sentence where the file system has no locks, or empty.
        when_lost: called once, from a thread of the claim, when nothing may be written any more.

    Raises (on entering):
        RunBusy: another process, or another part of this one, holds it.
        StorageError: the folder is missing or read-only, or there is no room for the heartbeat.
    """

    def __init__(
        self,
        folder: Path,
        *,
        beats: bool = True,
        tell: Callable[[str], None] | None = None,
        subject: Subject = RUN,
    ) -> None:
        self.folder, self.subject = Path(folder), subject
        self.took_over: LockHolder | None = None
        self.notice = ""
        self.when_lost: Callable[[], None] = lambda: None
        self._beats, self._tell = beats, tell
        self._descriptor = -1
        self._place: _Place | None = None
        self._heartbeat: Heartbeat | None = None
        self._renewing = threading.Lock()
        self._renewed = 0.0
        self._problem: OSError | None = None
        self._lost = ""
        self._run_file: tuple[int, int] | None = None
        self._gone = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the claim; also when it was lost to another since."""
        return self._descriptor >= 0

    @property
    def lost(self) -> str:
        """Why nothing may be written any more, in a sentence; empty while the claim stands."""
        return self._lost

    @property
    def _name(self) -> str:
        return self.subject.named(self.folder)

    def acquire(self) -> None:
        """Take the claim; see the class for what it raises."""
        if self.held:
            return
        path = self.folder / self.subject.lock_name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            name = clean_text(str(path))
            raise StorageError(f"cannot lock '{name}': {error.strerror}.") from error
        self._lost, self._gone, self.took_over = "", False, None
        try:
            self._place = _place(self.folder, self.subject)
            self.notice = "" if self._take(descriptor) else NO_LOCKS
            self._claim()
            if self.took_over is not None and self._beats and self.subject.fenced:
                fence(self.folder, self.subject.files)
            self._run_file = self._identity()
        except BaseException:
            self._end_heartbeat()
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # the text is information: a full disk may refuse it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {host_name()}\n".encode(), 0)
        self._descriptor = descriptor
        _CLAIMS[self._place] = self

    def _take(self, descriptor: int) -> bool:
        """Take the lock; False where the file system has none."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    return False
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise StorageError(f"cannot lock {self._name}: {error.strerror}.") from error
                if time.monotonic() > deadline:
                    raise self._busy(lock_holder(self.folder, self.subject)) from None
            time.sleep(0.01)

    def _claim(self) -> None:
        """Put the heartbeat in place, or only see that nobody else's beats."""
        own = Heartbeat(self.folder, self.subject.heartbeat_name)
        try:
            for _ in range(_TRIES):
                self.took_over = None
                last = self._read_beat()
                if last is not None:
                    self._require_dead(last)
                if not self._beats:
                    return
                self._renewed = now()
                if own.put_first() if last is None else own.succeed(last, self._require_dead):
                    self._start(own)
                    return
        except OSError as error:
            raise write_error(own.path, error) from error
        raise self._busy(lock_holder(self.folder, self.subject))

    def _start(self, own: Heartbeat) -> None:
        self._heartbeat, self._stop = own, threading.Event()
        if self._place is not None:
            _CLAIMS[self._place] = self
        self._thread = threading.Thread(
            target=self._beat, args=(self._stop,), name="heartbeat", daemon=True
        )
        self._thread.start()

    def _require_dead(self, beat: Beat) -> None:
        """Raise RunBusy while a heartbeat's writer may be alive; watches it where that is not known."""
        alive = _known_alive(self._place, beat, locks=not self.notice)
        if alive is None:
            alive = self._changes(beat)
            self.took_over = holder_of(beat)
        if alive:
            raise self._busy(holder_of(self._read_beat() or beat))

    def _changes(self, beat: Beat) -> bool:
        """Whether a heartbeat changes while it is watched for a whole life; one that goes away does not."""
        began, told = now(), self._tell is None
        while now() - began < heartbeat.LIFE:
            time.sleep(heartbeat.BEAT / 4)
            try:
                found = self._read_beat()
            except OSError:
                continue
            if found is None:
                return False
            if found.raw != beat.raw:
                return True
            if not told and self._tell and now() - began > heartbeat.BEAT / 2:
                told = True
                self._tell(
                    f"looking for up to {heartbeat.LIFE:.0f} s whether {self._name} is still "
                    f"{self.subject.doing} ({holder_of(beat)}) …"
                )
        return False

    def _busy(self, holder: LockHolder | None) -> RunBusy:
        who = f" ({holder})" if holder else ""
        return RunBusy(f"{self._name} is being {self.subject.doing} by another process{who}.")

    def _read_beat(self) -> Beat | None:
        return read_beat(self.folder, self.subject.heartbeat_name)

    def _identity(self) -> tuple[int, int] | None:
        """Device and inode of the guarded file; None where there is none, or that is not told."""
        if not self.subject.guarded:
            return None
        try:
            found = os.stat(self.folder / self.subject.guarded)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    # --- while it is held ---

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(heartbeat.BEAT) and not (self._lost or self._gone):
            self._renew()
        if not stop.is_set():
            self.when_lost()

    def _renew(self) -> None:
        """Look whose heartbeat stands and write it anew, or note why that cannot be."""
        own = self._heartbeat
        with self._renewing:
            if own is None or self._lost:
                return
            began = now()
            try:
                stands = own.renew()
                self._problem = None
            except OSError as error:
                self._problem = error
                return
            if stands is None:
                self._without_heartbeat(own)
            elif stands.token != own.token:
                who = holder_of(stands) or "a process that does not say which"
                self._lost = (
                    f"{self._name} was taken over by another process ({who}): "
                    "this one writes nothing more to it."
                )
            else:
                self._run_file = self._identity()
                self._renewed = began if own.written else self._renewed

    def _without_heartbeat(self, own: Heartbeat) -> None:
        """It was removed, which is no harm; or another took the run over, with new files, and has ended."""
        found = self._identity()
        if self.subject.guarded and (found is None or self._run_file is None):
            return  # the folder is gone, as the store will see, or the run has not begun
        if found != self._run_file:
            self._gone = True
            return
        with contextlib.suppress(OSError):
            own.put_first()

    def check(self) -> None:
        """Make sure that the claim still stands; called before anything of the run is written.

        Raises:
            ClaimLost: another process has taken the run over.
            RecordingGone: its heartbeat is gone and run.h5 is another file: the run was taken away.
            StorageError: that cannot be seen, after a while without a renewal.
        """
        if not (self._lost or self._gone) and now() - self._renewed > heartbeat.TRUST:
            self._renew()
            if self._problem is not None:
                reason = clean_text(self._problem.strerror or str(self._problem), 160)
                raise StorageError(
                    f"cannot see whether {self._name} is still this process's to write: {reason}."
                )
        if self._lost:
            raise ClaimLost(self._lost)
        if self._gone:
            raise RecordingGone(
                f"{self.subject.guarded} of {self._name} was replaced while it was written."
            )

    def release(self) -> None:
        """Give the claim back; twice is once."""
        self._end_heartbeat()
        if self.held:
            with contextlib.suppress(OSError):  # at once, even if a child is between fork and exec
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._forget()

    def _end_heartbeat(self) -> None:
        self._stop.set()
        own = self._heartbeat
        if self._place is not None and _CLAIMS.get(self._place) is self:
            del _CLAIMS[self._place]
        if own is None:
            return
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)  # a dead file system may hold it for ever
        self._heartbeat = self._thread = None
        own.remove()

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


_CLAIMS: dict[_Place, RunLock] = {}
"""The claims of this process."""
_watched: dict[_Place, tuple[bytes, float]] = {}
"""Heartbeats that were looked at, and since when they have not changed: for who looks again and again."""


def _drop_in_child() -> None:
    for claim in list(_CLAIMS.values()):
        claim._forget()
        claim._heartbeat = claim._thread = None
        claim._renewing = threading.Lock()
    _CLAIMS.clear()


os.register_at_fork(after_in_child=_drop_in_child)


def claim_on(folder: Path, subject: Subject = RUN) -> RunLock | None:
    """This process's claim on a run, None where there is none, as in a test."""
    try:
        return _CLAIMS.get(_place(folder, subject))
    except OSError:
        return None


def is_alive(folder: Path, subject: Subject = RUN) -> bool:
    """Whether some process is writing the run in `folder`, or may be; never waits, never writes.

    Where the system does not say (a lock or a heartbeat that cannot be read) nobody is called dead.
    """
    locks = True
    try:
        descriptor = os.open(
            Path(folder) / subject.lock_name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )
    except OSError as error:
        if error.errno not in _NOBODY:
            return True
    else:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                return True
            locks = False
        finally:
            os.close(descriptor)
    try:
        beat = read_beat(folder, subject.heartbeat_name)
        if beat is None:
            return False
        place = _place(folder, subject)
    except OSError:
        return True
    alive = _known_alive(place, beat, locks=locks)
    return not _silent(place, beat) if alive is None else alive


def lock_holder(folder: Path, subject: Subject = RUN) -> LockHolder | None:
    """Who claimed the run last, by its heartbeat or else by its lock file; None if neither says."""
    with contextlib.suppress(OSError):
        beat = read_beat(folder, subject.heartbeat_name)
        if beat is not None and beat.process is not None:
            return holder_of(beat)
    try:
        # A pipe in its place must not be waited for.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        descriptor = os.open(Path(folder) / subject.lock_name, flags)
        with open(descriptor, encoding="utf-8", errors="replace") as stream:
            pid, _, host = stream.read(200).strip().partition(" ")
        return LockHolder(int(pid), clean_text(host, 100))
    except (OSError, ValueError):
        return None


def _place(folder: Path, subject: Subject) -> _Place:
    found = os.stat(folder)
    return found.st_dev, found.st_ino, subject.stem


def _known_alive(place: _Place | None, beat: Beat, *, locks: bool) -> bool | None:
    """Whether a heartbeat's writer lives, as far as this machine knows processes; None: it has to be watched.

    `locks` says that the lock was asked for and is free.
    """
    if beat.process is None:
        return None
    claim = _CLAIMS.get(place) if place is not None else None
    if claim is not None and claim._heartbeat is not None and claim._heartbeat.token == beat.token:
        return True
    match presence(beat.process):
        case Presence.GONE:
            return False
        case Presence.HERE if beat.process.pid == os.getpid():
            return False  # left over, or copied with the folder
        case Presence.HERE if not locks:
            return True
    return None


def _silent(place: _Place, beat: Beat) -> bool:
    """Whether another machine's heartbeat counts as a dead one's at a single look.

    It does when it has not changed since this process first saw it, `LIFE` seconds ago or more, or when it
    is old by its writer's clock and by the file's. A time that is yet to come says nothing.
    """
    if len(_watched) > _MOST_WATCHED:
        _watched.clear()
    raw, since = _watched.get(place, (b"", 0.0))
    if raw != beat.raw or not since:
        _watched[place] = beat.raw, now()
    elif now() - since >= heartbeat.LIFE:
        return True
    ages = [
        age for age in (time.time() - beat.time, time.time() - beat.changed) if age > -heartbeat.OLD
    ]
    return bool(ages) and min(ages) > heartbeat.OLD
