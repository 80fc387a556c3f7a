"""Small seeded configurations shared by tests."""

from __future__ import annotations

from pathlib import Path

from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config

SMALL = {
    "data": {"kind": "gaussian-separable", "n": 12, "d": 2, "seed": 3},
    "model": {"kind": "two-layer-relu", "width": 6},
    "init": {"kind": "gaussian", "scale": 0.2, "seed": 1},
    "loss": {"kind": "logistic"},
    "train": {"lr": 5e-3, "steps": 600},
    "record": {"every": 10},
    "checkpoint": {"every": 200, "keep": 5},
    # It passes the origin, mildly: at its slowest at 0.07 of the escape rate.
    "pause": {"at_saddle": False},
    "device": {"kind": "cpu"},
}


def small(*settings: str) -> RunConfig:
    """The small run with `section.key=value` settings."""
    return parse_config(override(SMALL, settings), "test")


def finished(folder: Path, *settings: str):
    """A small run trained to its end; returns its closed session."""
    from workbench.run.session import Session

    session = Session.create(small(*settings), folder)
    session.start()
    assert session.wait(120), "the engine did not end"
    session.close()
    return session


def stored_state(folder: Path, step: int | None = None, *, trust: bool = False):
    """A stored state of the run in a folder for the inspector; None: its last one."""
    from workbench.run.stored import StoredRun

    with StoredRun(folder) as run:
        return run.state(step, trust=trust)
