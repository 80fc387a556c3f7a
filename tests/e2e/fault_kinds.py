"""The short runs that the fault tests disturb, as TOML, and how a pause of one is answered."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w
from kill_kinds import settings

from workbench.errors import StorageError
from workbench.presets import read_preset

RULES = ("records", "minibatch", "log", "normalized", "loss-based", "flow", "smoothness")
KINDS = (*RULES, "saddles", "paused")
MOST_ANSWERS = 30


def short_settings(kind: str) -> str:
    """A run of 24 steps with 12 records and three checkpoints; of `saddles`, as short as finds one.

    `saddles` passes a saddle unattended, which is looked into and forecast; `paused` waits twice for an
    answer, has an inspection kept, and goes on.
    """
    if kind == "saddles":
        table = read_preset("kh24-saddle-to-saddle")
        table["train"] |= {"steps": 1500, "lr": 4e-3}
        table["checkpoint"] = {"every": 500, "keep": 2}
        table["device"] = {"kind": "cpu"}
        return tomli_w.dumps(table)
    table = tomllib.loads(settings("minibatch" if kind == "paused" else kind))
    table["train"]["steps"] = 24
    table["checkpoint"] = {"every": 8, "keep": 2}
    if kind != "log":
        table["record"]["every"] = 2
    table["pause"] = {"at_saddle": False, "at": [6, 16] if kind == "paused" else []}
    return tomli_w.dumps(table)


def attended(toml: Path, place: Path, folder: Path | None) -> None:
    """Train a run whose pauses are answered: the state is looked into, kept, and the run goes on."""
    from workbench.config.toml import parse_config, parse_toml
    from workbench.inspector.inspect import inspect_state
    from workbench.protocol.commands import Resume
    from workbench.run.session import Session

    if folder is None:
        config = parse_config(parse_toml(toml.read_text("utf-8"), str(toml)), str(toml))
        session = Session.create(config, place, attended=True)
    else:
        session = Session.resume(folder, attended=True)
    kept, answers = set[int](), 0
    with session:
        session.start()
        # After a failed write the run pauses too; where that never ends, it is stopped.
        while not session.wait(0.01) and answers < MOST_ANSWERS:
            if session.engine.status != "paused":
                continue
            step = session.engine.state.step
            if step not in kept:
                session.keep_inspection(inspect_state(session.inspected_state()))
                kept.add(step)
            session.engine.send(Resume())
            answers += 1
    if session.engine.error is not None:
        raise session.engine.error
    if session.engine.status != "finished":
        raise StorageError("the run was stopped, as writing went on failing.")
