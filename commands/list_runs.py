"""`workbench list`: the stored runs and studies, newest first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands import formats
from commands.options import Json, RunsDir, runs_folder
from commands.patience import Bar
from workbench.errors import BadInput, unknown
from workbench.protocol.status import RunStatus

if TYPE_CHECKING:
    from workbench.record.study_summary import StudySummary
    from workbench.record.summary import RunSummary

HEADER = (
    "run",
    "status",
    "n",
    "H",
    "loss",
    "step",
    "log10 risk",
    "γ̄",
    "risk so far",
    "last written",
    "tags",
)
RUN, STATUS, N, WIDTH, LOSS, STEP, RISK, MARGIN, TREND, WRITTEN, TAGS = range(11)
RIGHT = {N, WIDTH, STEP, RISK, MARGIN}
STUDY_HEADER = ("study", "status", "name", "members", "failed", "last written", "tags")
STUDY_RIGHT = {3, 4}
LISTED = tuple(status.value for status in RunStatus if status is not RunStatus.REPLAYED)
"""What a stored run can be."""
DROPPED_FIRST = (WRITTEN, TAGS, TREND, LOSS, N, WIDTH, MARGIN, STEP)
"""What gives way on a narrow terminal; run, status and risk always stay."""
NEWEST = 50
"""Runs that a terminal shows unless more are asked for."""


def list_runs(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILTER]...",
            help="Words of the name, or terms like H>=20 'risk<-3' name=a* tag:good 'train.lr>=1e-3'.",
        ),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="KEY,…",
            help="What to show of each run: fields, keys as train.lr, series as rho, whose last value it is.",
        ),
    ] = "",
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="Sort by one of those, smallest first.")
    ] = "",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    status: Annotated[
        str, typer.Option("--status", metavar="STATUS,…", help="Only runs that are so, e.g. lost.")
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="The newest so many; a terminal shows 50."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of them, on a terminal too.")
    ] = False,
    runs_dir: RunsDir = None,
    as_json: Json = False,
) -> None:
    """List the stored runs, and the studies below them, newest first."""
    from workbench.record.columns import require_columns, series_in
    from workbench.record.filter import series_named
    from workbench.record.folder import summaries
    from workbench.record.study_summary import study_summaries

    if everything and limit is not None:
        raise BadInput("--all and --limit exclude each other; give one of them.")
    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    named = [*chosen, *([sort] if sort else [])]
    text = " ".join(wanted or [])
    require_columns(named, ())
    _fitting(text, status, ())
    folder = runs_folder(runs_dir)
    with Bar("reading runs") as bar:
        stored = summaries(folder, bar.update, (*series_in(named), *series_named(text)))
    keys = {key for summary in stored for key in summary.settings}
    require_columns(named, keys)
    fits = _fitting(text, status, keys)
    found = _sorted([summary for summary in stored if fits(summary)], sort, reverse)
    all_studies = study_summaries(folder)
    studies = [study for study in all_studies if fits(_as_run(study))]
    if limit is None and formats.on_terminal() and not everything and not as_json:
        limit = NEWEST
    shown, shown_studies = found[:limit], studies[:limit]
    if as_json:
        import json

        tables = {
            "runs": [as_table(summary, chosen) for summary in shown],
            "studies": [study_table(study) for study in shown_studies],
        }
        typer.echo(json.dumps(tables))
    elif not stored and not all_studies:
        typer.echo(f"no runs in '{folder}' yet; start one with: workbench run", err=True)
    elif not found and not studies:
        count = len(stored) + len(all_studies)
        typer.echo(f"none of the {count:,} runs and studies in '{folder}' fits.", err=True)
    else:
        _print_runs(shown, chosen)
        _print_studies(shown_studies, bool(shown))
    left = len(found) - len(shown) + len(studies) - len(shown_studies)
    if left:
        typer.echo(f"… {left:,} more: --all", err=True)


def _as_run(study: StudySummary) -> RunSummary:
    """What a filter of runs looks at; a study has no step, no risk and no widths."""
    from workbench.record.summary import RunSummary

    return RunSummary(
        study.study_id,
        study.path,
        name=study.name,
        status=study.status,
        created=study.created,
        members=study.members,
        tags=study.tags,
        note=study.note,
    )


def _sorted(found: list[RunSummary], sort: str, reverse: bool) -> list[RunSummary]:
    """In the order asked for; without one, as they come: newest first."""
    from workbench.record.columns import in_order, order_of

    if not sort:
        return found[::-1] if reverse else found
    return in_order(found, order_of(sort), reverse)


def _print_runs(shown: list[RunSummary], chosen: list[str]) -> None:
    if chosen:
        header, right = ("run", "status", *chosen), set(range(2, 2 + len(chosen)))
        rows = [[s.run_id, s.status, *chosen_cells(s, chosen)] for s in shown]
    else:
        header, rows = _without_empty_tags(HEADER, [cells(summary) for summary in shown])
        right = RIGHT
    if rows and formats.on_terminal():
        every = list(range(len(header)))
        _print_rich(header, rows, right, (lambda rows, width: every) if chosen else shown_columns)
    elif rows:
        typer.echo(formats.plain_table(header, rows, right))


def _without_empty_tags(
    header: Sequence[str], rows: list[list[str]]
) -> tuple[tuple[str, ...], list[list[str]]]:
    """A table without its last column, that of the tags, where nothing has any."""
    if any(row[-1] for row in rows):
        return tuple(header), rows
    return tuple(header[:-1]), [row[:-1] for row in rows]


def chosen_cells(summary: RunSummary, chosen: Sequence[str]) -> list[str]:
    """What a run has in the columns asked for, as text."""
    from workbench.errors import clean_text
    from workbench.record.columns import key_of, value_of

    texts = []
    for name in chosen:
        value = value_of(name)(summary)
        if key_of(name) == "updated":
            texts.append(formats.moment(value or 0.0))
        elif value is None or value == "":
            texts.append(formats.ABSENT)
        elif isinstance(value, bool | str):
            texts.append(clean_text(value if isinstance(value, str) else str(value).lower(), 60))
        else:
            texts.append(
                formats.number(value, 6) if isinstance(value, float) else formats.count(value)
            )
    return texts


def _print_studies(shown: list[StudySummary], below: bool) -> None:
    """The studies' table, an empty line below the runs'."""
    header, rows = _without_empty_tags(STUDY_HEADER, [study_cells(study) for study in shown])
    if rows and below:
        typer.echo()
    if rows and formats.on_terminal():
        _print_rich(header, rows, STUDY_RIGHT, lambda rows, width: list(range(len(header))))
    elif rows:
        typer.echo(formats.plain_table(header, rows, STUDY_RIGHT))


def _fitting(text: str, status: str, keys: Collection[str]) -> Callable[[RunSummary], bool]:
    """Whether a run fits the terms and is in one of the states; raises BadInput for what makes no sense.

    `keys`: those that configurations have, none: any.
    """
    from workbench.record.filter import read_filter

    terms, mistake = read_filter(text, keys)
    if mistake:
        raise BadInput(mistake)
    states = [state.strip() for state in status.split(",") if state.strip()]
    for state in states:
        if state not in LISTED:
            raise unknown("status", state, LISTED)
    return lambda run: terms(run) and (not states or run.status in states)


def as_table(summary: RunSummary, chosen: Sequence[str] = ()) -> dict[str, Any]:
    """A run's line as JSON values, with the columns asked for; what is unknown or not finite is null."""
    from workbench.record.columns import value_of

    asked = {"columns": formats.finite({name: value_of(name)(summary) for name in chosen})}
    return {
        "run_id": summary.run_id,
        "kind": "run",
        "path": str(summary.path),
        "name": summary.name,
        "status": summary.status,
        "preset": summary.preset,
        "created": summary.created,
        "modified": summary.modified,
        "n": summary.n,
        "H": summary.H,
        "loss": summary.loss,
        "step": summary.step,
        "steps": summary.steps,
        "records": summary.records,
        "log10_risk": formats.finite(summary.log10_risk),
        "margin_normalized": formats.finite(summary.margin_normalized),
        "log_risk_trend": formats.finite([float(v) for v in summary.trend]),
        "tags": list(summary.tags),
        "note": summary.note,
        "reason": summary.reason,
        **(asked if chosen else {}),
    }


def cells(summary: RunSummary) -> list[str]:
    """A run's line as text, in the order of `HEADER`."""
    return [
        summary.run_id,
        summary.status,
        formats.count(summary.n),
        formats.count(summary.H),
        summary.loss or formats.ABSENT,
        formats.progress(summary.step, summary.steps),
        formats.number(summary.log10_risk),
        formats.number(summary.margin_normalized),
        formats.sparkline(list(summary.trend)),
        formats.moment(summary.modified),
        " ".join(summary.tags),
    ]


def study_table(study: StudySummary) -> dict[str, Any]:
    """A study's line as JSON values."""
    return {
        "study_id": study.study_id,
        "kind": "study",
        "path": str(study.path),
        "name": study.name,
        "status": study.status,
        "created": study.created,
        "modified": study.modified,
        "members": study.members,
        "ended": study.ended,
        "failed": study.failed,
        "by_status": dict(study.by_status),
        "tags": list(study.tags),
        "note": study.note,
        "reason": study.reason,
    }


def study_cells(study: StudySummary) -> list[str]:
    """A study's line as text, in the order of `STUDY_HEADER`."""
    return [
        study.study_id,
        study.status,
        study.name or formats.ABSENT,
        formats.progress(study.ended, study.members),
        formats.count(study.failed or None),
        formats.moment(study.modified),
        " ".join(study.tags),
    ]


def shown_columns(rows: list[list[str]], width: int) -> list[int]:
    """Indices of the columns that fit into `width`, the least telling ones dropped first."""
    count = len(rows[0])
    needed = [max(len(row[i]) for row in [list(HEADER), *rows]) + 3 for i in range(count)]
    shown = list(range(count))
    for index in DROPPED_FIRST:
        if sum(needed[i] for i in shown) <= width:
            break
        if index in shown:
            shown.remove(index)
    return shown


def _print_rich(
    header: Sequence[str],
    rows: list[list[str]],
    right: set[int],
    fitting: Callable[[list[list[str]], int], list[int]],
) -> None:
    """A table for a terminal, without the columns that do not fit."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    shown = fitting(rows, console.width)
    table = Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1))
    for index in shown:
        side: Literal["left", "right"] = "right" if index in right else "left"
        table.add_column(header[index], justify=side, no_wrap=index != RUN, overflow="fold")
    for row in rows:
        texts = {index: Text(row[index]) for index in shown}
        texts[STATUS].stylize(formats.status_style(row[STATUS]))
        for name, style in (("risk so far", "cyan"), ("last written", "dim")):
            index = header.index(name) if name in header else -1
            if index in texts:
                texts[index].stylize(style)
        table.add_row(*texts.values())
    console.print(table)
