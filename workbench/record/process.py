"""Which process, on which running machine: what a claim on a run is signed with, and whether it still lives.

A host's name is given twice (containers, clones) and a pid again and again. What tells processes apart is
host, the kernel's boot id, the namespace the pid counts in, the pid, and when the process started.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from workbench.errors import clean_text

BOOT_ID = "/proc/sys/kernel/random/boot_id"
LONGEST_HOST = 100
_DEAD_STATES = ("Z", "X")


class Presence(Enum):
    """What this machine can say of a process: it runs here, it is gone for good, or no word."""

    HERE = auto()
    GONE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Process:
    """A process by host, boot id, pid namespace, pid and start in clock ticks since boot (0: not known)."""

    host: str
    boot: str
    space: str
    pid: int
    started: int


def host_name() -> str:
    """This machine's name, safe for a terminal."""
    return clean_text(socket.gethostname(), LONGEST_HOST)


def boot_id() -> str:
    """What this kernel drew when it started; empty where the system has none."""
    try:
        with open(BOOT_ID, encoding="ascii", errors="replace") as stream:
            return clean_text(stream.read(100).strip())
    except OSError:
        return ""


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(host_name(), boot_id(), _pid_namespace(), pid, _start(pid) or 0)


def presence(process: Process) -> Presence:
    """Whether a process runs here. What another machine or another pid namespace does is not known here."""
    here = (host_name(), boot_id(), _pid_namespace())
    if (process.host, process.boot, process.space) != here or not all(here):
        return Presence.UNKNOWN
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return Presence.GONE
    except OSError:
        pass  # another user's
    started = _start(process.pid)
    if started is None or not process.started:
        return Presence.UNKNOWN
    return Presence.HERE if started == process.started else Presence.GONE


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start(pid: int) -> int | None:
    """When a process started, in ticks since boot; -1 once it is a zombie, None if that is not told."""
    try:
        # The name in parentheses may hold anything, also parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        threads = int(fields[17])
        dead = fields[0] in _DEAD_STATES and threads <= 1
        return -1 if dead else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
