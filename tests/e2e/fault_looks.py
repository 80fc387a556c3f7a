"""What the fault tests read of a run, with every reading path, and how two runs are held together."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

import commands.main
from workbench.arrays import Array
from workbench.errors import WorkbenchError
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.record.folder import list_runs
from workbench.record.inspections import tables_of
from workbench.record.lock import is_alive
from workbench.record.reader import RunReader

# What a life says of itself, and not of the training.
OF_A_LIFE = frozenset({"resumed", "stopped", "failed", "paused", "started", "checkpoint"})
# What was asked from outside is there if it was acknowledged, and a pause that was passed asks no more.
ASKED = frozenset({"inspected", "forecast"})


class Contents:
    """All that a run has said, as its reader gives it."""

    def __init__(self, folder: Path) -> None:
        with RunReader(folder) as reader:
            self.status = reader.status
            self.series = {name: np.asarray(reader.read(name)) for name in reader.series_names()}
            found = reader.inspections()
            self.inspected = [kept.step for kept in found]
            self.tables = {
                f"{table}/{name}": values.tobytes()
                for table, columns in tables_of(found, reader.direction_width).items()
                for name, values in columns.items()
            }
            self.events = [(e.step, e.kind, e.text) for e in reader.events()]
            self.data = [np.asarray(values).tobytes() for values in (reader.x, reader.y)]
        kept = list_checkpoints(folder)
        self.checkpoint_step, self._checkpoint = kept[-1] if kept else (-1, None)
        self._arrays: dict[str, Array] | None = None

    @property
    def arrays(self) -> dict[str, Array]:
        """What the last checkpoint holds, loaded when first asked for."""
        if self._arrays is None:
            known = self._checkpoint is not None
            self._arrays = load_checkpoint(self._checkpoint).arrays if known else {}
        return self._arrays

    @property
    def last_step(self) -> int:
        """The step of the last record, -1 before the first."""
        return int(self.series["step"][-1]) if len(self.series["step"]) else -1

    def unlike(self, other: Contents, *, asked: bool) -> list[str]:
        """Where another finished run differs, to the last bit; `asked`: but for asked inspections."""
        wrong = [] if other.status == "finished" else [f"the run that went on is {other.status}"]
        wrong += [
            f"series {name} differs"
            for name in self.series.keys() | other.series.keys()
            if name not in other.series
            or name not in self.series
            or self.series[name].tobytes() != other.series[name].tobytes()
        ]
        wrong += ["the data differ"] if self.data != other.data else []
        if not asked and self.tables != other.tables:
            wrong.append(f"inspections of {other.inspected}, not {self.inspected}, or others")
        there, free = set(other.events), OF_A_LIFE | (ASKED if asked else frozenset())
        wrong += [
            f"event {event} is missing"
            for event in self.events
            if event[1] not in free and event not in there
        ]
        if self.checkpoint_step != other.checkpoint_step:
            return [*wrong, f"the last checkpoint is of step {other.checkpoint_step}"]
        return wrong + [
            f"{name} of the last checkpoint differs"
            for name in self.arrays.keys() | other.arrays.keys()
            if name not in self.arrays
            or name not in other.arrays
            or self.arrays[name].tobytes() != other.arrays[name].tobytes()
        ]

    def beyond(self, other: Contents) -> list[str]:
        """Where what is left of a disturbed run is no beginning of this one."""
        count = len(other.series["step"])
        return [
            f"series {name} is no prefix"
            for name, values in other.series.items()
            if values.tobytes() != self.series[name][:count].tobytes()
        ]


def begun(place: Path) -> Path | None:
    """The folder of a run whose file exists; before that there is nothing to resume."""
    return next((f for f in list_runs(place) if (f / "run.h5").exists()), None)


def said(arguments: list[str]) -> tuple[int, str]:
    """The exit code of a command run in this process, and what it wrote to descriptors 1 and 2."""
    streams, code = (sys.stdout, sys.stderr), 0
    sys.argv = ["workbench", *arguments]
    with tempfile.TemporaryFile() as told:
        kept = [os.dup(descriptor) for descriptor in (1, 2)]
        for descriptor in (1, 2):
            os.dup2(told.fileno(), descriptor)
        try:
            commands.main.main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            sys.stdout, sys.stderr = streams
            for descriptor, old in zip((1, 2), kept, strict=True):
                os.dup2(old, descriptor)
                os.close(old)
        told.seek(0)
        return code, told.read().decode(errors="replace")


def look(place: Path, out: Path, inspect: bool) -> list[str]:
    """What is wrong with what the reading commands say of a run that was disturbed."""
    code, told = said(["list", "--runs-dir", str(place), "--json"])
    wrong = [f"list ended with {code}: {told[-300:]}"] if code else []
    folder = begun(place)
    if folder is None:
        return wrong
    if folder.name not in told:
        wrong.append("list does not know the run")
    lines = [["show", folder.name], ["export", folder.name, "--to", str(out)]]
    lines += [["inspect", folder.name]] if inspect else []
    for line in lines:
        code, told = said([*line, "--runs-dir", str(place)])
        # Before its first record a run has no state to look into.
        if code and not (line[0] == "inspect" and code == 2):
            wrong.append(f"{line[0]} ended with {code}: {told[-300:]}")
    return wrong


def left(place: Path, whole: Contents, promised: int, kept: list[int]) -> list[str]:
    """What is wrong with the records that a disturbed run left; `promised`: the last acknowledged step."""
    folder = begun(place)
    if folder is None:
        return [] if promised < 0 else [f"no run.h5, records up to {promised} were acknowledged"]
    if is_alive(folder):
        return ["a dead run looks alive"]
    try:
        found = Contents(folder)
    except WorkbenchError as error:
        return [str(error)]
    wrong = whole.beyond(found)
    if found.last_step < promised:
        wrong.append(f"records up to {found.last_step}, {promised} was acknowledged")
    lost = set(kept) - set(found.inspected)
    return wrong + ([f"inspections of {sorted(lost)} are lost"] if lost else [])
