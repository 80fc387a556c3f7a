"""What a notebook shows of a run: its configuration in brief, how far it is, last values, saddles.

Every text is cleaned and escaped: names, events and settings of a stored run are somebody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isfinite, log
from typing import TYPE_CHECKING, Any

from workbench.config.run import RunConfig
from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.events import RunEvent, SaddleFound
from workbench.record.schema import SERIES, STEP

if TYPE_CHECKING:
    from workbench.run.session import Session
    from workbench.run.stored import StoredRun

SECTIONS = ("data", "model", "init", "loss", "train")
"""What says most of a run."""
MOST_SADDLES = 10
LONG_LIST = 8
LONGEST_CELL = 400


def stored_html(run: StoredRun) -> str:
    """A run on disk; where it cannot be read, why."""
    try:
        reader = run.reader
        reader.refresh()
        scalars = [name for name in reader.series_names() if reader.spec(name).dims == ()]
        count = reader.n_records
        last = {name: float(reader.read(name, slice(-1, None))[0]) for name in scalars if count}
        steps = run.config.train.steps
        step = max(run.last_record, 0)
        heading = f"{reader.status.word}, step {step:,} of {steps:,}, {count:,} records"
        return page(run.name, str(run.folder), heading, *_tables(run.config, last, reader.events()))
    except WorkbenchError as error:
        return page(run.folder.name, str(run.folder), str(error))


def session_html(session: Session) -> str:
    """A run being trained, as it is now."""
    engine = session.engine
    snapshot = engine.snapshot
    step, steps = engine.state.step, session.config.train.steps
    heading = f"{engine.status.word}, step {step:,} of {steps:,}"
    if snapshot is not None and not engine.ended:
        heading += f", {snapshot.steps_per_second:,.0f} steps/s"
        if snapshot.eta_seconds is not None:
            heading += f", {snapshot.eta_seconds:,.0f} s left"
    if engine.error is not None:
        heading += f": {engine.error}"
    last = {} if snapshot is None else dict(snapshot.values)
    bar = f'<progress value="{min(step, steps)}" max="{max(steps, 1)}"></progress>'
    tables = _tables(session.config, last, session.events)
    return page(session.name, str(session.folder), heading, bar, *tables)


def page(name: str, place: str, heading: str, *parts: str) -> str:
    """A name, a line on how it is, and what is ready to be shown below."""
    head = (
        f"<strong>{_text(name)}</strong> &nbsp; {_text(heading)}<br><small>{_text(place)}</small>"
    )
    return f"<div>{head}{''.join(f'<div>{part}</div>' for part in parts)}</div>"


def table(title: str, rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of plain texts under a title; nothing where there are none."""
    body = "".join(_row("td", row) for row in rows)
    if not body:
        return ""
    top = f"<thead>{_row('th', head)}</thead>" if head else ""
    return f"<table><caption>{_text(title)}</caption>{top}<tbody>{body}</tbody></table>"


def _tables(
    config: RunConfig, last: Mapping[str, float], events: Iterable[RunEvent]
) -> tuple[str, ...]:
    return (
        table("configuration", brief(config)),
        table("last values", list(_values(last))),
        table("saddles", _saddles(events), ("step", "")),
    )


def brief(config: RunConfig) -> list[tuple[str, str]]:
    """(section, its kind and what differs from the defaults) of the sections that say most of a run."""
    found = []
    for section in SECTIONS:
        part = getattr(config, section)
        settings = part.model_dump(exclude_defaults=True, exclude_none=True, by_alias=True)
        first = "rule" if section == "train" else "kind"
        settings = {first: getattr(part, first), **settings}
        words = (f"{key} = {setting(value)}" for key, value in settings.items() if key != first)
        found.append((section, ", ".join([str(settings[first]), *words])))
    return found


def _values(last: Mapping[str, float]) -> Iterable[tuple[str, str, str]]:
    """Name, number and meaning, in the schema's order; the risk as everywhere to base 10."""
    order = {name: place for place, name in enumerate(SERIES)}
    for name in sorted(last, key=lambda name: (order.get(name, len(order)), name)):
        spec = SERIES.get(name)
        if name == "log_risk":
            yield "log10 risk", _number(last[name] / log(10.0)), "logarithm of the risk to base 10"
        elif name != STEP and isfinite(last[name]):
            yield name, _number(last[name]), "" if spec is None else spec.long_name


def _saddles(events: Iterable[RunEvent]) -> list[tuple[str, str]]:
    """Step and evidence of the last saddles."""
    found = [(f"{e.step:,}", e.text) for e in events if e.kind == SaddleFound.kind]
    return found[-MOST_SADDLES:]


def setting(value: Any) -> str:
    """A setting in a few characters; long lists by how many they hold."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {setting(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        if len(value) > LONG_LIST or any(isinstance(inner, list | tuple) for inner in value):
            return f"[{len(value)} values]"
        return "[" + ", ".join(map(setting, value)) + "]"
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _row(cell: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{_text(text)}</{cell}>" for text in texts) + "</tr>"


def _text(text: str) -> str:
    return escape(clean_text(text, LONGEST_CELL))
