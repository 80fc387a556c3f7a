"""What a person can ask of a stored run: every reading command, and what it gave as one comparable text.

Each is called in the process that tries a damaged file, with its output in files of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import commands.headless
import commands.main
import workbench.figures
import workbench.inspector.inspect
import workbench.inspector.optimality
import workbench.run.robustness
import workbench.run.session
import workbench.tui.run.source
from workbench.errors import BadInput, WorkbenchError
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.delete import delete_run
from workbench.record.folder import run_folders
from workbench.record.reader import RunReader
from workbench.tui.browse.curves import read_curves
from workbench.tui.browse.scan import scan_runs

KEPT = 6_000
"""Characters of an answer that are handed on for people."""
TRUSTED = ("inspect", "optimal", "robustness", "resume", "fork")
UNSAID = ("files", "checkpoints", "steps_per_second", "path", "run_id", "parent")
"""Of a JSON document: sizes, speeds and names differ, and are no results."""


class Place:
    """A runs folder with one run, where actions are tried; `step` is that of a stored state, `last` the one
    to which it is resumed."""

    def __init__(self, folder: Path, step: int, last: int, *, trust: bool) -> None:
        self.folder, self.step, self.last = folder, step, last
        self.runs, self.out = folder / "runs", folder / "out"
        self.trust = ["--trust"] if trust else []

    @property
    def run(self) -> Path:
        """The run's folder."""
        return next(iter(self.runs.iterdir()))


def _digest(values: Any) -> str:
    array = np.ascontiguousarray(values)
    raw = array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode()
    return f"{array.dtype.str}{array.shape}{hashlib.sha1(raw).hexdigest()[:16]}"


def _series(folder: Path) -> dict[str, str]:
    """Every recorded number of a run, and its last state."""
    with RunReader(folder) as reader:
        found = {name: _digest(reader.read(name)) for name in reader.series_names()}
        found |= {"data x": _digest(reader.x), "data y": _digest(reader.y)}
    last = latest_checkpoint(folder)
    if last is not None:
        found |= {f"checkpoint {name}": _digest(values) for name, values in last.arrays.items()}
    return found


def _plain(document: Any) -> Any:
    if isinstance(document, dict):
        return {k: _plain(v) for k, v in document.items() if k not in UNSAID}
    return [_plain(v) for v in document] if isinstance(document, list) else document


def _command(*arguments: str) -> Callable[[Place], Any]:
    """A command whose stdout is what it gives; a JSON document without sizes and speeds."""

    def act(place: Place) -> None:
        _call(place, *arguments)

    return act


def _call(place: Place, *arguments: str) -> None:
    names = {"run": place.run.name, "step": place.step, "last": place.last, "out": place.out}
    words = [word.format(**names) for word in arguments]
    trust = place.trust if words[0] in TRUSTED else []
    sys.argv = ["workbench", *words, *trust, "--runs-dir", str(place.runs)]
    commands.main.main()


def _export(suffix: str) -> Callable[[Place], Any]:
    def act(place: Place) -> Any:
        _quietly(place, "export", "{run}", "--to", f"{{out}}/a.{suffix}")
        path = place.out / f"a.{suffix}"
        if suffix in ("csv", "npz"):
            return _digest(np.frombuffer(path.read_bytes(), np.uint8))
        found: dict[str, str] = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, node: found.update(_contents(name, node)))
            found |= _contents("", file)
        return found

    return act


def _contents(name: str, node: Any) -> dict[str, str]:
    found = {f"{name} {key}": repr(value) for key, value in node.attrs.items()}
    for key in list(found):
        if key.split()[-1] in ("REFERENCE_LIST", "DIMENSION_LIST", "_nc3_strict", "_NCProperties"):
            del found[key]
    return found | ({name: _digest(node[()])} if isinstance(node, h5py.Dataset) else {})


def _plot(figure: str) -> Callable[[Place], Any]:
    def act(place: Place) -> Any:
        path = place.out / f"{figure}.png"
        _quietly(place, "plot", "{run}", "--figure", figure, "-o", str(path))
        return _digest(np.frombuffer(path.read_bytes(), np.uint8))

    return act


def _quietly(place: Place, *arguments: str) -> None:
    try:
        _call(place, *arguments)
    except SystemExit as end:
        if end.code:
            raise


def _browse(place: Place) -> Any:
    """What Browse shows of the run, and a replay of it."""
    (change,) = scan_runs(place.runs, {})
    assert change.known is not None
    summary = {**vars(change.known.summary), "trend": _digest(change.known.summary.trend)}
    found: dict[str, Any] = {"summary": repr(summary)}
    if change.known.summary.reason:
        raise WorkbenchError(change.known.summary.reason)
    curves = read_curves(place.run)
    found["curves"] = {k: _digest(v) for k, v in curves.series.items()}
    found["curves"] |= {"step": _digest(curves.step)}
    source = workbench.tui.run.source.StoredSource(place.run)
    try:
        if not place.trust:
            source.prepare()
        found["progress"] = repr(source.progress())
        found["events"] = repr(source.events())
        found["data"] = [_digest(part) for part in source.data()]
        for row in (0, None):
            moment, surface = source.moment(row), source.surface(row)
            found[f"moment {row}"] = repr((moment.step, moment.reason, dict(moment.values)))
            found[f"surface {row}"] = repr(surface if surface is None else surface.step)
        history = source.history
        found["history"] = {name: _kept(history, name) for name in history.names()}
    finally:
        source.close()
    return found


def _kept(history: Any, name: str) -> list[str]:
    """What a history holds of a series."""
    try:
        return [_digest(history.scalar(name))]
    except BadInput:
        return [_digest(part) for part in history.vector(name)]


def _fork(place: Place) -> Any:
    place.out.mkdir(exist_ok=True)
    settings = ["--set", f"train.steps={place.step + 20}"]
    try:
        words = [str(place.run), "--at", str(place.step), *settings, "--headless", *place.trust]
        sys.argv = ["workbench", "fork", *words, "--runs-dir", str(place.out / "forks")]
        commands.main.main()
    except SystemExit as end:
        if end.code:
            raise
    (folder,) = run_folders(place.out / "forks")
    return _series(folder)


def _resume(place: Place) -> Any:
    _quietly(place, "resume", "{run}", "--steps", "{last}", "--headless")
    return _series(place.run)


def _delete(place: Place) -> Any:
    delete_run(place.run, place.runs)
    return [entry.name for entry in place.runs.iterdir()]


ACTIONS: dict[str, Callable[[Place], Any]] = {
    "list": _command("list", "--json"),
    "show": _command("show", "{run}", "--json"),
    "show text": _command("show", "{run}"),
    "inspect": _command("inspect", "{run}", "--json"),
    "inspect at": _command("inspect", "{run}", "--at", "{step}", "--json"),
    "optimal": _command("optimal", "{run}", "--json"),
    "robustness": _command("robustness", "{run}", "--samples", "4", "--json"),
    "plot risk": _plot("risk"),
    "plot margins": _plot("margins"),
    "export csv": _export("csv"),
    "export nc": _export("nc"),
    "export npz": _export("npz"),
    "export h5": _export("h5"),
    "browse": _browse,
    "fork": _fork,
    "resume": _resume,
    "delete": _delete,
}


def answer(name: str, place: Place) -> dict[str, Any]:
    """Do an action with its output in files; what came of it, as JSON values."""
    shutil.rmtree(place.out, ignore_errors=True)
    place.out.mkdir()
    paths = [place.folder / "stdout", place.folder / "stderr"]
    for descriptor, path in zip((1, 2), paths, strict=True):
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(new, descriptor)
        os.close(new)
    made, code, bad = None, 0, ""
    try:
        made = ACTIONS[name](place)
    except SystemExit as end:
        code = int(end.code or 0)
    except WorkbenchError as error:
        code = int(error.exit_code)
        sys.stderr.write(f"workbench: {error}\n")
    except BaseException:  # noqa: BLE001  (what it is, is the finding)
        code, bad = 1, "raised " + traceback.format_exc()[-1200:]
    sys.stdout.flush()
    sys.stderr.flush()
    out, said = (path.read_text(errors="replace") for path in paths)
    if "Traceback" in said and not bad:
        bad = f"raised {said[-1200:]}"
    given = json.dumps([_stdout(out) if made is None else None, made])
    damage = "damaged" in out + said or "unreadable" in out or "cannot be read" in out + said
    return {
        "action": name,
        "code": code,
        "given": hashlib.sha1(given.encode()).hexdigest() + given[:KEPT],
        "said": said[-3_000:],
        "bad": bad,
        "names_damage": damage,
    }


def _stdout(text: str) -> Any:
    """stdout as a value: a JSON document's results, or lines without those on files' sizes."""
    try:
        return _plain(json.loads(text))
    except ValueError:
        return text.partition("\ncheckpoints\n")[0]
