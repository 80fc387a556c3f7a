"""Studies driven by `workbench` processes, interrupted, and held against one that nobody disturbed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from e2e.processes import started
from e2e.terminal import wait_until
from study.made import small_config

from workbench.errors import StorageError
from workbench.record.process import _start
from workbench.record.shard_file import read_shard
from workbench.study.create import create_study
from workbench.study.folder import shard_path
from workbench.study.plan import read_plan

CLOCKED = ("seconds",)
"""Columns that a clock writes."""


def slow_study(runs: Path, **tables: Any) -> Path:
    """A study of two shards, each of which is written several times before it is done."""
    defaults = {
        "train": {"steps": 8_000_000, "lr": 1e-3},
        "record": {"every": 4},
        "study": {"keep": ["log_risk", "rho"], "members": 2},
        "grid": {"init.seed": [0, 1], "init.scale": [0.01, 0.3]},
    }
    merged = {key: {**defaults.get(key, {}), **tables.get(key, {})} for key in defaults | tables}
    merged["grid"] = tables.get("grid", defaults["grid"])
    return create_study(small_config(**merged), runs)


def driving(folder: Path, *options: object, **how: Any) -> subprocess.Popen[str]:
    """`workbench resume` of the study, with two workers."""
    return started(["resume", folder, "--headless", "--jobs", 2, *options], **how)


def written(folder: Path, number: int = 0) -> bool:
    """Whether a shard's file says how far it has come, and that it is not done."""
    try:
        found = read_shard(shard_path(folder, number), ("member",))
    except StorageError:
        return False
    return found.attributes["status"] == "running"


def once_written(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a shard can be gone on with."""

    def far() -> bool:
        assert process.poll() is None, process.communicate()
        return any(written(folder, shard.number) for shard in read_plan(folder).shards)

    wait_until(far, 300, "for a shard to be written")


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The worker processes of a driver."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == process.pid and b"workbench.study.launchers.local_worker" in words:
            found.append(int(entry.name))
    return found


def gone(pid: int) -> bool:
    return _start(pid) in (None, -1)


def contents(folder: Path) -> dict[str, bytes]:
    """All that the shards hold, to the last bit, but for what a clock wrote."""
    found: dict[str, bytes] = {}
    for shard in read_plan(folder).shards:
        record = read_shard(shard_path(folder, shard.number))
        assert record.attributes["status"] == "done"
        for group in ("member", "series", "last", "saddle", "point", "end"):
            for name, array in getattr(record, group).items():
                if name not in CLOCKED:
                    found[f"{shard.number}/{group}/{name}"] = np.asarray(array).tobytes()
        assert record.theta is not None
        found[f"{shard.number}/theta"] = record.theta.tobytes()
    return found
