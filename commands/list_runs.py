"""`workbench list`: the stored runs, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands import formats
from commands.options import Json, RunsDir, runs_folder
from commands.patience import Bar
from workbench.errors import BadInput, unknown
from workbench.protocol.status import RunStatus

if TYPE_CHECKING:
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
)
RUN, STATUS, N, WIDTH, LOSS, STEP, RISK, MARGIN, TREND, WRITTEN = range(10)
RIGHT = {N, WIDTH, STEP, RISK, MARGIN}
LISTED = tuple(status.value for status in RunStatus if status is not RunStatus.REPLAYED)
"""What a stored run can be."""
DROPPED_FIRST = (WRITTEN, TREND, LOSS, N, WIDTH, MARGIN, STEP)
"""What gives way on a narrow terminal; run, status and risk always stay."""
NEWEST = 50
"""Runs that a terminal shows unless more are asked for."""


def list_runs(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILTER]...", help="Words of the name, or terms like H>=20 'risk<-3' name=a*."
        ),
    ] = None,
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
    """List the stored runs, newest first."""
    from workbench.record.folder import summaries

    fits = _fitting(wanted or [], status)
    if everything and limit is not None:
        raise BadInput("--all and --limit exclude each other; give one of them.")
    folder = runs_folder(runs_dir)
    with Bar("reading runs") as bar:
        stored = summaries(folder, bar.update)
    found = [summary for summary in stored if fits(summary)]
    if limit is None and formats.on_terminal() and not everything and not as_json:
        limit = NEWEST
    shown = found[:limit]
    if as_json:
        import json

        typer.echo(json.dumps({"runs": [as_table(summary) for summary in shown]}))
    elif not stored:
        typer.echo(f"no runs in '{folder}' yet; start one with: workbench run", err=True)
    elif not found:
        typer.echo(f"none of the {len(stored):,} runs in '{folder}' fits.", err=True)
    elif formats.on_terminal():
        _print_rich([cells(summary) for summary in shown])
    else:
        typer.echo(formats.plain_table(HEADER, [cells(s) for s in shown], RIGHT))
    if len(shown) < len(found):
        typer.echo(f"… {len(found) - len(shown):,} more: --all", err=True)


def _fitting(wanted: list[str], status: str) -> Callable[[RunSummary], bool]:
    """Whether a run fits the terms and is in one of the states; raises BadInput for what makes no sense."""
    from workbench.record.filter import read_filter

    terms, mistake = read_filter(" ".join(wanted))
    if mistake:
        raise BadInput(mistake)
    states = [state.strip() for state in status.split(",") if state.strip()]
    for state in states:
        if state not in LISTED:
            raise unknown("status", state, LISTED)
    return lambda run: terms(run) and (not states or run.status in states)


def as_table(summary: RunSummary) -> dict[str, Any]:
    """A run's line as JSON values; what is unknown or not finite is null."""
    return {
        "run_id": summary.run_id,
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
        "reason": summary.reason,
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
    ]


def shown_columns(rows: list[list[str]], width: int) -> list[int]:
    """Indices of the columns that fit into `width`, the least telling ones dropped first."""
    needed = [max(len(row[i]) for row in [list(HEADER), *rows]) + 3 for i in range(len(HEADER))]
    shown = list(range(len(HEADER)))
    for index in DROPPED_FIRST:
        if sum(needed[i] for i in shown) <= width:
            break
        shown.remove(index)
    return shown


def _print_rich(rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    shown = shown_columns(rows, console.width)
    table = Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1))
    for index in shown:
        side: Literal["left", "right"] = "right" if index in RIGHT else "left"
        table.add_column(HEADER[index], justify=side, no_wrap=index != RUN, overflow="fold")
    for row in rows:
        texts = {index: Text(row[index]) for index in shown}
        texts[STATUS].stylize(formats.status_style(row[STATUS]))
        for index, style in ((TREND, "cyan"), (WRITTEN, "dim")):
            if index in texts:
                texts[index].stylize(style)
        table.add_row(*texts.values())
    console.print(table)
