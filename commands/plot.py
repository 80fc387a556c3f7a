"""`workbench plot`: one figure of one run, ready for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Run, RunsDir, runs_folder

FIGURES = (
    "risk, margins, directions, ncf, field, robustness, optimality, rates, margins-ordered, contours, norms, "
    "layers or mapped"
)
"""Those of `record.figures.FIGURES`, which take long to load."""


def plot(
    run: Run,
    figure: Annotated[str, typer.Option("--figure", metavar="NAME", help=f"{FIGURES}.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="FILE.png, .pdf or .svg.")
    ],
    x: Annotated[
        str | None,
        typer.Option(
            "--x", help="step, time, or margin: ln(n/𝓛), JT20's axis, and the default of layers."
        ),
    ] = None,
    log_x: Annotated[bool, typer.Option("--log-x", help="A logarithmic horizontal axis.")] = False,
    size: Annotated[str, typer.Option("--size", help="column (3.4 in) or page (7 in).")] = "column",
    runs_dir: RunsDir = None,
) -> None:
    """Draw a figure of a run."""
    from workbench.figures import FigureOptions, default_axis, draw_figure, save_figure
    from workbench.record.folder import resolve_run
    from workbench.record.reader import RunReader

    options = FigureOptions.checked(x=x or default_axis(figure), log_x=log_x, size=size)
    folder = resolve_run(run, runs_folder(runs_dir))
    with RunReader(folder) as reader:
        drawn = draw_figure(reader, figure, options)
    save_figure(drawn, output.expanduser())
    typer.echo(str(output))
