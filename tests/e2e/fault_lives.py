"""Lives of the fault tests: forked, watched, ended at a time limit, and asked what they acknowledged."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIFE_SECONDS = 60.0
FOR_EVER = 2**40


class Shared(ctypes.Structure):
    """Memory that a life shares with its parent: what the shim counts, and what was acknowledged."""

    _fields_ = (
        ("counted", ctypes.c_long),
        ("fired", ctypes.c_long),
        ("kind", ctypes.c_long),
        ("call", ctypes.c_char * 32),
        ("path", ctypes.c_char * 256),
        ("promised", ctypes.c_long),
        ("n_kept", ctypes.c_long),
        ("kept", ctypes.c_long * 64),
    )


def acknowledge(shared: Shared, too_soon: bool) -> None:
    """For a life: let what `RunStore.commit` returns for be told to the parent, and what is gone back on.

    `too_soon`: every other commit is told and not made, a writer that is wrong on purpose.
    """
    from workbench.record.store import RunStore

    commit, truncate, keep = RunStore.commit, RunStore.truncate, RunStore.keep
    taken, turns = list[int](), [0]
    allowed = [FOR_EVER]

    def promise(store: RunStore) -> None:
        shared.promised = min(store.last_step, allowed[0])
        for step in taken:
            shared.kept[shared.n_kept] = step
            shared.n_kept += 1
        taken.clear()

    def committed(store: RunStore, **options: Any) -> None:
        turns[0] += 1
        if not too_soon or turns[0] % 2 == 0:
            commit(store, **options)
        promise(store)

    def truncated(store: RunStore, step: int, *, past: int | None = None) -> None:
        allowed[0] = step - 1
        shared.promised = min(shared.promised, step - 1)
        kept = [k for k in shared.kept[: shared.n_kept] if k <= (step if past is None else past)]
        shared.kept[: len(kept)] = kept
        shared.n_kept = len(kept)
        truncate(store, step, past=past)
        allowed[0] = FOR_EVER

    def keeping(store: RunStore, kept: Any) -> None:
        keep(store, kept)
        if hasattr(kept, "verdict"):
            taken.append(kept.step)

    RunStore.commit, RunStore.truncate, RunStore.keep = committed, truncated, keeping  # type: ignore[method-assign]


def forked(work: Callable[[], Any], log: Path) -> int:
    """Run something in a child with its output going to `log`, a sentence for an error; its pid."""
    from workbench.errors import WorkbenchError

    tasks = len(os.listdir("/proc/self/task"))
    if tasks != 1:
        raise SystemExit(f"{tasks} threads: forking would not be safe")
    child = os.fork()
    if child:
        return child
    code = 9
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(out, descriptor)
        work()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except WorkbenchError as error:
        sys.stderr.write(f"workbench: {error}\n")
        code = int(error.exit_code)
    except BaseException as error:
        sys.stderr.write(f"Traceback: {error!r}\n")
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, while_stopped: Callable[[], None] | None = None) -> int | None:
    """The child's wait status; None, and the child killed, when it does not end in time."""
    until = time.monotonic() + LIFE_SECONDS
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            if while_stopped is not None:
                while_stopped()
            until = time.monotonic() + LIFE_SECONDS
            os.kill(child, signal.SIGCONT)
        elif pid:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def found_in_time(work: Callable[[], list[str]], log: Path) -> list[str]:
    """What is wrong, by a child that says so in JSON; a child that hangs, crashes or raises is wrong."""
    status = ended(forked(lambda: sys.stdout.write("\n" + json.dumps(work())), log))
    if status is None:
        return ["hung: " + log.read_text(errors="replace")[-200:]]
    if status != 0:
        return [f"reading ended with {status}: {log.read_text(errors='replace')[-600:]}"]
    return json.loads(log.read_text(errors="replace").splitlines()[-1])
