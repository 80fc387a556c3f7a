"""The socket of a run's folder: where it is, and who is at its other end.

Only the user who trains a run may open it: the socket is `run.sock`, mode 0600, and either side asks the
kernel whose process the other one is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import WorkbenchError, clean_text

SOCKET_NAME = "run.sock"
LONGEST_ADDRESS = 100
"""Bytes of a socket's address that every system takes; Linux takes 107."""
_CREDENTIALS = struct.Struct("3i")


class NoSocket(WorkbenchError):
    """A run's socket cannot be made, or nobody listens at it."""


@contextlib.contextmanager
def address_of(folder: Path) -> Iterator[str]:
    """The address of the socket of a folder, while the block lasts; a long path is gone through `/proc`.

    Raises OSError where there is no way to say it short enough.
    """
    path = str(Path(folder) / SOCKET_NAME)
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{descriptor}"
        if not os.path.isdir(short):
            raise OSError(errno.ENAMETOOLONG, "its path is too long for a socket")
        yield f"{short}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def listening_at(folder: Path) -> socket.socket:
    """A socket of the folder that takes connections, without waiting; one that a dead run left is replaced.

    The caller holds the run's lock. Raises NoSocket.
    """
    path, taken = Path(folder) / SOCKET_NAME, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        taken.setblocking(False)
        with contextlib.suppress(OSError):
            os.fchmod(taken.fileno(), 0o600)  # Linux makes the file with these
        with address_of(folder) as address:
            taken.bind(address)
        if stat.S_IMODE(os.lstat(path).st_mode) != 0o600:
            os.chmod(path, 0o600)
        # Until here nobody can connect, whatever the mode was.
        taken.listen(8)
    except OSError as error:
        taken.close()
        raise NoSocket(f"{_why_not(error)}.") from error
    return taken


def connected_to(folder: Path, seconds: float) -> socket.socket:
    """A socket connected to the process that trains the run, which is this user's. Raises NoSocket."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found = os.lstat(Path(folder) / SOCKET_NAME)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
            raise NoSocket(f"its {SOCKET_NAME} is no socket of yours.")
        end.settimeout(seconds)
        with address_of(folder) as address:
            end.connect(address)
        require_own_peer(end)
    except OSError as error:
        end.close()
        raise NoSocket(_nobody(error)) from error
    except NoSocket:
        end.close()
        raise
    return end


def require_own_peer(end: socket.socket) -> None:
    """Refuse a process of another user at the other end, where the system says whose it is."""
    if not hasattr(socket, "SO_PEERCRED"):
        return  # the socket's mode alone keeps others out
    raw = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    if user != os.getuid():
        raise NoSocket("the process at the other end is another user's.")


def peer_process(end: socket.socket) -> int | None:
    """The process at the other end, None where the system does not say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    raw = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(raw)[0]
    return pid or None


def identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of the folder's socket."""
    try:
        found = os.lstat(Path(folder) / SOCKET_NAME)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_stale(path: Path) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, f"{SOCKET_NAME} is there and is no socket")
    path.unlink()


def _why_not(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
        return "the file system has no sockets"
    return clean_text(error.strerror or str(error), 160)


def _nobody(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "its process listens at no socket."
        case errno.ECONNREFUSED:
            return "no process of this machine listens at its socket."
    return f"its socket cannot be opened: {clean_text(error.strerror or str(error), 160)}."
