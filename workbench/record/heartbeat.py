"""`run.heartbeat`: who writes a run, renewed every two seconds for as long as the claim on it stands.

    {"token": …, "host": …, "boot": …, "space": …, "pid": …, "started": …, "since": …, "beats": …, "time": …}

The file appears whole, by a link that fails where there is one, and is taken over by a rename. A renewal
writes in place, through the descriptor in which the token was just read: it needs no room on a full disk,
and can never overwrite the heartbeat of somebody who has taken over. That a writer lives is read from
`beats`, which changes with each renewal, so that clocks that differ between machines fool nobody.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.errors import clean_text
from workbench.record.process import LONGEST_HOST, Process, this_process
from workbench.record.subject import RUN

HEARTBEAT_NAME = RUN.heartbeat_name
BEAT = 2.0
"""Seconds between renewals."""
TRUST = 10.0
"""Seconds for which a writer goes by its last renewal; after them it looks again before it writes."""
LIFE = 30.0
"""Seconds without a renewal, watched, after which another machine's writer counts as dead."""
OLD = 120.0
"""Age in seconds at which a single look says so, if every clock agrees: they may differ by OLD − LIFE."""

SIZE = 1024
_TOKEN = re.compile(r"[0-9a-f]{32}")
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES)


@dataclass(frozen=True)
class Beat:
    """A heartbeat as it was read.

    Attributes:
        raw: the file's bytes: any change is a sign of life.
        token: the claim it belongs to; "unreadable" where the file does not say.
        process: who holds that claim, None where the file does not say.
        time: when it was written by the writer's clock, nan where the file does not say.
        since: when that claim was taken by the same clock, None where the file does not say.
        changed: the file's own time by whichever clock its file system goes.
    """

    raw: bytes
    token: str
    process: Process | None
    time: float
    changed: float
    since: float | None = None

    @property
    def seen(self) -> float:
        """Seconds since 1970 of the last sign of life."""
        return self.time if math.isfinite(self.time) else self.changed


@dataclass(frozen=True)
class LockHolder:
    """Who claimed a run last: since when, and the last sign of life, in seconds since 1970.

    Both are None without a heartbeat. Alive or not is `is_alive`'s to say.
    """

    pid: int
    host: str
    seen: float | None = None
    since: float | None = None

    def __str__(self) -> str:
        """`pid 12 on node7, since 2026-01-31 11:00:00, last seen 2026-01-31 12:00:00`."""
        since = f", since {_moment(self.since)}" if self.since else ""
        return f"pid {self.pid} on {self.host}{since}" + (
            f", {last_seen(self.seen)}" if self.seen else ""
        )


def last_seen(seen: float) -> str:
    """`last seen 2026-01-31 12:00:00`, in local time."""
    return f"last seen {_moment(seen)}"


def _moment(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "at no time that can be told"


def holder_of(beat: Beat) -> LockHolder | None:
    """Whose heartbeat it is; None where the file does not say."""
    process = beat.process
    return None if process is None else LockHolder(process.pid, process.host, beat.seen, beat.since)


def now() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def read_beat(folder: Path, name: str = HEARTBEAT_NAME) -> Beat | None:
    """The heartbeat in a run's folder, None if there is none; raises OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(Path(folder) / name, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return Beat(b"", "unreadable", None, math.nan, 0.0)
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Beat:
    try:
        raw = os.pread(descriptor, SIZE, 0)
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ESPIPE):
            raise
        raw = b""
    changed = os.fstat(descriptor).st_mtime
    try:
        found = json.loads(raw)
        token, host = str(found["token"]), clean_text(str(found["host"]), LONGEST_HOST)
        boot, space = str(found["boot"]), str(found["space"])
        process = Process(host, boot, space, int(found["pid"]), int(found["started"]))
        written = float(found["time"])
        since = found.get("since")
        since = float(since) if isinstance(since, float | int) and since > 0 else None
        if not _TOKEN.fullmatch(token) or not 0 < process.pid < 2**31 or not math.isfinite(written):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return Beat(raw, "unreadable", None, math.nan, changed)
    return Beat(raw, token, process, written, changed, since)


class Heartbeat:
    """One claim's own heartbeat: put into a run's folder once, renewed, taken away at the end."""

    def __init__(self, folder: Path, name: str = HEARTBEAT_NAME) -> None:
        self.folder, self.name = folder, name
        self.path = folder / name
        self.token = secrets.token_hex(16)
        self.written = False
        self._process = this_process()
        self._since = round(time.time(), 3)
        self._beats = 0

    def put_first(self) -> bool:
        """Put it where there is none; False if there is one after all. Raises OSError."""
        try:
            with self._whole() as temporary:
                return self._exclusively(temporary, self.path)
        except FileNotFoundError:
            self.folder.stat()  # or the one who claimed it first has tidied up
            return False

    def succeed(self, last: Beat, require_dead: Callable[[Beat], None]) -> bool:
        """Take the place of a dead claim's heartbeat; False if it is no longer the one that stands.

        Of several who try, one gets a name that is made from the dead claim's token, and so the right to
        replace it. Should that one have died in between, the next gets the name made from its token.

        Raises:
            OSError: the files cannot be made.
            RunBusy: from `require_dead`, asked of somebody else who has got the right.
        """
        beat, names = last, list[str]()
        try:
            with self._whole() as temporary:
                while True:
                    name = f".{self.name}.after-{beat.token}"
                    if self._exclusively(temporary, self.folder / name):
                        break
                    other = read_beat(self.folder, name)
                    if other is None:
                        return False
                    require_dead(other)
                    names.append(name)
                    beat = other
                stands = read_beat(self.folder, self.name)
                succeeded = stands is not None and stands.raw == last.raw
                if succeeded:
                    os.replace(temporary, self.path)
                    self.written = True
                    self._remove(*names)
                self._remove(name)
                return succeeded
        except FileNotFoundError:
            self.folder.stat()
            return False

    def renew(self) -> Beat | None:
        """Write it anew: the heartbeat that stands, its own or another's, None if there is none.

        `written` says whether the renewal could be written. Raises OSError when nothing can be read.
        """
        self.written = False
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            stands = _read(descriptor)
            if stands.token == self.token:
                self._beats += 1
                with contextlib.suppress(OSError):
                    self.written = os.pwrite(descriptor, self._text(), 0) == SIZE
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        return stands

    def remove(self) -> None:
        """Take it away, if it is this claim's, and what was left over from making one."""
        with contextlib.suppress(OSError):
            stands = read_beat(self.folder, self.name)
            if stands is not None and stands.token == self.token:
                os.unlink(self.path)
                self._remove(*(p.name for p in self.folder.glob(f".{self.name}.*")))

    def _text(self) -> bytes:
        found: dict[str, Any] = {"token": self.token, **asdict(self._process)}
        found |= {"since": self._since, "beats": self._beats, "time": round(time.time(), 3)}
        return json.dumps(found).encode().ljust(SIZE - 1)[: SIZE - 1] + b"\n"

    @contextlib.contextmanager
    def _whole(self) -> Any:
        """The heartbeat under a name of its own; not synced, as what a power cut leaves is nobody's."""
        temporary = self.folder / f".{self.name}.{self.token}"
        try:
            self._write(temporary)
            yield temporary
        finally:
            self._remove(temporary.name)

    def _write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(self._text())
            while left:  # a short write goes on, and says by itself when there is no room
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)

    def _exclusively(self, temporary: Path, path: Path) -> bool:
        """Give the whole heartbeat a name that nobody has; False if somebody has it."""
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A network file system may have made the link and lost the answer.
            stands = read_beat(self.folder, path.name)
            self.written = stands is not None and stands.token == self.token
            return self.written
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            try:
                self._write(path)
            except FileExistsError:
                return False
        self.written = True
        return True

    def _remove(self, *names: str) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(self.folder / name)
