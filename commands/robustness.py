"""`workbench robustness`: how far a run's samples are from being misclassified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands import formats
from commands.options import At, Json, Run, RunsDir, Trust, runs_folder, step_of
from workbench.errors import clean_text

if TYPE_CHECKING:
    from workbench.inspector.robustness import Robustness

ROWS = 9
QUANTILES = (("least", 0.0), ("5 %", 0.05), ("median", 0.5), ("95 %", 0.95), ("most", 1.0))


def robustness(
    run: Run,
    at: At = "last",
    samples: Annotated[
        int,
        typer.Option("--samples", min=1, help="How many samples, evenly spread over the run's."),
    ] = 200,
    on: Annotated[
        Literal["train", "test"],
        typer.Option("--on", help="The samples of the training, or those held out by [data.test]."),
    ] = "train",
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Pictures may leave the values 0 to 1.")
    ] = False,
    runs_dir: RunsDir = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """L2-robustness: an attack's upper and a certified lower bound, and the robust accuracy between them.

    Misclassified is a margin of 0 or less (so is an input that no neuron sees). Of two-layer networks of
    some tens of neurons the distances are exact.

    What is found is kept with the run: workbench plot RUN --figure robustness draws it for every step
    looked at.
    """
    from commands.notices import tell_changed
    from workbench.record.folder import resolve_run
    from workbench.record.robustness_file import keep_robustness
    from workbench.run.robustness import robustness_of
    from workbench.run.stored import StoredRun

    folder = resolve_run(run, runs_folder(runs_dir))
    with _progress() as report, StoredRun(folder) as stored:
        found = robustness_of(
            stored,
            step_of(at),
            samples=samples,
            on=on,
            anywhere=anywhere,
            trust=trust,
            report=report,
        )
        tell_changed(stored)
    table: dict[str, Any] = formats.finite(found.as_json())
    if as_json:
        import json

        typer.echo(json.dumps({"run": folder.name, **table}))
    else:
        typer.echo(f"{clean_text(folder.name)}  step {found.step:,}")
        typer.echo("\n".join(as_lines(found)))
    keep_robustness(folder, table)


def as_lines(found: Robustness) -> list[str]:
    """The bounds' quantiles, and the robust accuracy at a few radii."""
    import numpy as np

    held_out = "held-out " if found.on == "test" else ""
    lines = [
        f"{len(found.index):,} {held_out}samples, "
        f"{100 * np.mean(found.margin > 0):.1f} % classified as labelled, "
        f"log10 of the risk {formats.number(found.log10_risk)}"
    ]
    columns = [("attack (at most)", found.attack)]
    if found.certified:
        columns.append(("certified (at least)", found.bound))
    head = ["distance in L2", *(name for name, _ in QUANTILES)]
    rows = []
    for name, values in columns:
        found_at = np.quantile(values, [share for _, share in QUANTILES], method="lower")
        rows.append([name, *(formats.number(float(v)) for v in found_at)])
    lines += ["", formats.plain_table(head, rows, set(range(1, len(head))))]
    if found.certified:
        lines.append(f"{found.exact.sum():,} distances are exact: both bounds meet.")
    radii = found.radii()[:: (len(found.radii()) - 1) // (ROWS - 1)]
    curves = [found.accuracy(radii)]
    head = ["radius", "robust accuracy ≤"]
    if found.certified:
        curves.append(found.certified_accuracy(radii))
        head.append("≥")
    rows = [
        [formats.number(float(r)), *(f"{100 * curve[k]:.1f} %" for curve in curves)]
        for k, r in enumerate(radii)
    ]
    lines += ["", formats.plain_table(head, rows, {0, 1, 2})]
    if found.why_no_bound:
        lines.append(found.why_no_bound)
    return lines


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """A bar on stderr where it is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("robustness", total=1.0)
        yield lambda done: progress.update(task, completed=done)
