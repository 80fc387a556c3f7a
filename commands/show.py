"""`workbench show`: everything about one run, or about a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from commands import formats
from commands.options import Json, RunOrStudy, RunsDir, runs_folder
from workbench.errors import clean_text

if TYPE_CHECKING:
    from workbench.protocol.inspections import RecordedInspection
    from workbench.record.reader import RunReader

LAST_EVENTS = 20
LONG_LIST = 12
LONGEST_LINE = 10_000


def show(run: RunOrStudy, runs_dir: RunsDir = None, as_json: Json = False) -> None:
    """Show a run's configuration, status, last values, events, checkpoints and files; or a study's grid,
    members by status, who failed and why, and what they came to."""
    from workbench.record.folder import find_run_or_study, holds_study
    from workbench.record.reader import RunReader

    folder = find_run_or_study(runs_folder(runs_dir), run)
    if holds_study(folder):
        from commands.show_study import describe_study, study_lines

        found = describe_study(folder)
        lines = [] if as_json else study_lines(found)
    else:
        with RunReader(folder) as reader:
            found = describe(reader)
        lines = [] if as_json else as_lines(found)
    if as_json:
        import json

        typer.echo(json.dumps(formats.finite(found)))
    else:
        typer.echo("\n".join(lines))


def describe(reader: RunReader) -> dict[str, Any]:
    """What a run's files say of it, as plain values.

    Raises:
        StorageError: the file is damaged.
    """
    import tomllib

    from workbench.record.notes import read_notes
    from workbench.record.schema import STEP

    attributes = dict(reader.attributes)
    notes = read_notes(reader.folder)
    text = str(attributes.pop("config", ""))
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        config = {}
    steps = config.get("train", {}).get("steps")
    count = reader.n_records
    events = reader.events()
    checkpoints, unreadable = _checkpoints(reader.folder)
    return {
        "run_id": str(attributes.pop("run_id", reader.folder.name)),
        "path": str(reader.folder),
        "status": reader.status,
        "writer": _writer(reader),
        "step": int(reader.read(STEP, slice(-1, None))[0]) if count else None,
        "steps": steps if steps is not None else attributes.get("steps"),
        "records": count,
        "n": reader.n_samples,
        **{k: v for k, v in attributes.items() if k not in ("status", "steps")},
        "tags": list(notes.tags),
        "note": notes.note,
        "notes_unreadable": notes.mistake,
        "config": config,
        "config_text": text,
        "series": [_series(reader, name) for name in reader.series_names()],
        "events": [event._asdict() for event in events[-LAST_EVENTS:]],
        "events_total": len(events),
        "inspections": [_inspection(kept) for kept in reader.inspections()],
        "checkpoints": checkpoints,
        "checkpoints_unreadable": unreadable,
        "files": [{"name": name, "bytes": n} for name, n in _files(reader.folder)],
        "data_files": _data_files(reader),
    }


def _writer(reader: RunReader) -> dict[str, Any] | None:
    """Who writes the run, or wrote it when it was lost, and the last sign of life; None once it has ended."""
    from workbench.protocol.status import RunStatus
    from workbench.record.heartbeat import last_seen
    from workbench.record.lock import lock_holder

    status = reader.status
    holder = lock_holder(reader.folder) if status.needs_writer or status is RunStatus.LOST else None
    if holder is None:
        return None
    seen = f"{last_seen(holder.seen)} " if holder.seen else ""
    text = f"{seen}on {holder.host} (pid {holder.pid})"
    return {"pid": holder.pid, "host": holder.host, "last_seen": holder.seen, "text": text}


def _inspection(kept: RecordedInspection) -> dict[str, Any]:
    """A kept inspection in numbers, and what became of its forecast."""
    from workbench.protocol.inspections import WHOLE

    done = kept.outcome
    ended = {k: v for k, v in vars(done).items() if k != "made"} if done else None
    return {
        "step": kept.step,
        "cause": kept.cause,
        "verdict": kept.verdict,
        "regime": kept.regime,
        "first": kept.first if kept.first >= 0 else None,
        "whole": kept.first == WHOLE,
        "escape_time": kept.wait,
        "target": None if kept.target is None else kept.target.tolist(),
        "forecast": _forecast(kept),
        "outcome": ended,
    }


def _forecast(kept: RecordedInspection) -> str:
    """none, open, left, late, void."""
    if kept.outcome is not None:
        return kept.outcome.kind
    return "open" if kept.forecasts else "none"


def _inspection_line(found: dict[str, Any]) -> str:
    """Step, verdict, the neuron named, and what happened."""
    done = found["outcome"]
    named = "no neuron named" if found["first"] is None else f"neuron {found['first']} named"
    named = "θ as a whole" if found["whole"] else named
    after = done["text"] if done else {"open": "not decided yet"}.get(found["forecast"], "")
    return f"  {found['step']:>10,}  {found['verdict']:<13}  {named}  {after}".rstrip()


def _series(reader: RunReader, name: str) -> dict[str, Any]:
    """Shape, units and meaning of a series; its last value where it is a scalar."""
    spec, shape = reader.spec(name), reader.shape(name)
    scalar = len(shape) == 1 and shape[0] > 0
    last = reader.read(name, slice(-1, None))[0].item() if scalar else None
    return {
        "name": name,
        "shape": list(shape),
        "last": last,
        "units": spec.units,
        "long_name": spec.long_name,
        "source": spec.source,
    }


def _checkpoints(folder: Path) -> tuple[list[dict[str, Any]], str]:
    """The checkpoints, or why they cannot be listed."""
    from workbench.errors import StorageError
    from workbench.record.checkpoint import list_checkpoints

    try:
        found = list_checkpoints(folder)
    except StorageError as error:
        return [], str(error)
    return [{"step": step, "path": str(path), "bytes": _size(path)} for step, path in found], ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _files(folder: Path) -> list[tuple[str, int]]:
    """Files of the run's folder by name, without leading dot and without the checkpoints."""
    found = [entry for entry in folder.iterdir() if entry.name[0] != "." and _is_file(entry)]
    return sorted((entry.name, _size(entry)) for entry in found)


def _data_files(reader: RunReader) -> list[dict[str, Any]]:
    """The files that its large samples lie in: name, bytes, whether it is there, other runs that have it."""
    from workbench.record.data_files import pool_files
    from workbench.record.reference import DATA_FOLDER

    runs = {name: count for name, _, count in pool_files(reader.folder.parent)}
    found = []
    for name in sorted({reference.file_name for reference in reader.references}):
        path = reader.folder / DATA_FOLDER / name
        others = max(0, runs.get(name, 1) - 1)
        found.append(
            {
                "name": f"{DATA_FOLDER}/{name}",
                "bytes": _size(path),
                "missing": not _is_file(path),
                "other_runs": others,
            }
        )
    return found


def _data_line(found: dict[str, Any]) -> str:
    """A file of samples: its size, its name, and who else has it."""
    if found["missing"]:
        return f"  {'missing':>9}  {found['name']}  the data of this run lie in it"
    others = found["other_runs"]
    shared = f", of {others + 1} runs: on the disk once" if others else ""
    return f"  {formats.size(found['bytes']):>9}  {found['name']}  the data{shared}"


def as_lines(found: dict[str, Any]) -> list[str]:
    """The description as text for people."""
    lines = [
        found["run_id"],
        f"  {found['status']}  step {formats.progress(found['step'], found['steps'])}"
        f"  {found['records']:,} records",
        *([f"  {found['writer']['text']}"] if found["writer"] else []),
        f"  {found['path']}",
        "",
    ]
    skipped = {"config", "config_text", "series", "events", "events_total", "checkpoints", "files"}
    skipped |= {"inspections", "checkpoints_unreadable", "writer", "data_files"}
    skipped |= {"run_id", "path", "status", "step", "steps", "records"}
    facts = {
        key: value for key, value in found.items() if key not in skipped and value not in ("", [])
    }
    width = max(len(key) for key in [*facts, ""])
    lines += [f"  {key:<{width}}  {_fact(value)}" for key, value in facts.items()]
    lines += ["", "configuration", *_configuration(found["config"])]
    lines += ["", "last values", *_last_values(found["series"])]
    more = found["events_total"] - len(found["events"])
    lines += ["", f"events (the last of {found['events_total']})" if more else "events"]
    lines += [f"  {e['step']:>10,}  {e['kind']:<12}  {e['text']}".rstrip() for e in found["events"]]
    if found["inspections"]:
        lines += ["", "inspections", *map(_inspection_line, found["inspections"])]
    lines += ["", "checkpoints"]
    lines += [f"  {c['step']:>10,}  {formats.size(c['bytes'])}" for c in found["checkpoints"]] or [
        f"  {found['checkpoints_unreadable'] or 'none'}"
    ]
    lines += [
        "",
        "files",
        *(f"  {formats.size(f['bytes']):>9}  {f['name']}" for f in found["files"]),
        *map(_data_line, found["data_files"]),
    ]
    # Names of files and folders too are somebody's.
    return [clean_text(line, LONGEST_LINE) for line in lines]


def _configuration(config: dict[str, Any]) -> list[str]:
    """`section.key = value`, one a line; long lists by their size."""
    lines = []
    for section, table in config.items():
        for key, value in table.items() if isinstance(table, dict) else [("", table)]:
            name = f"{section}.{key}" if key else section
            if isinstance(value, dict):
                lines += [f"  {name}.{inner} = {_setting(v)}" for inner, v in value.items()]
            else:
                lines.append(f"  {name} = {_setting(value)}")
    return lines


def _setting(value: Any) -> str:
    """A TOML value as it would be typed; lists of more than `LONG_LIST` numbers are counted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        shape, inner = [len(value)], value
        while inner and isinstance(inner[0], list):
            inner = inner[0]
            shape.append(len(inner))
        if len(shape) > 1 or len(value) > LONG_LIST:
            return f"[{' × '.join(map(str, shape))} numbers]"
        return f"[{', '.join(map(_setting, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _fact(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return formats.number(value, 6) if isinstance(value, float) else str(value)


def _last_values(series: list[dict[str, Any]]) -> list[str]:
    """Scalars with their last value, then what the vectors hold."""
    width = max(len(s["name"]) for s in series)
    scalars = [s for s in series if len(s["shape"]) == 1]
    vectors = [s for s in series if len(s["shape"]) > 1]
    lines = [f"  {s['name']:<{width}}  {_fact(s['last']):>13}  {s['long_name']}" for s in scalars]
    for s in vectors:
        shape = " × ".join(f"{n:,}" for n in s["shape"])
        lines.append(f"  {s['name']:<{width}}  {shape:>13}  {s['long_name']}")
    return lines
