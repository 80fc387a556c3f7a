"""`workbench plot`: one figure of one run or study, ready for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import RunOrStudy, RunsDir, runs_folder
from commands.patience import patience

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = (
    "risk, margins, directions, ncf, field, robustness, optimality, rates, margins-ordered, contours, norms, "
    "layers or mapped"
)
STUDY_FIGURES = "phase, bands, escape or targets"
"""Those of `workbench.figures` and of `workbench.study.figures`, which take long to load."""


def plot(
    run: RunOrStudy,
    figure: Annotated[
        str,
        typer.Option(
            "--figure", metavar="NAME", help=f"Of a run: {FIGURES}. Of a study: {STUDY_FIGURES}."
        ),
    ],
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
    of: Annotated[
        str | None,
        typer.Option(
            "--of", metavar="NAME", help="Of a study: which outcome, or series for bands."
        ),
    ] = None,
    over: Annotated[
        str,
        typer.Option(
            "--over", metavar="KEY[,KEY]", help="Of a study: over which keys of its grid."
        ),
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="KEY=CHOICES", help="Of a study: members with these values."
        ),
    ] = None,
    saddle: Annotated[
        int, typer.Option("--saddle", help="Of a study: which of a member's saddles, from 1.")
    ] = 1,
    runs_dir: RunsDir = None,
) -> None:
    """Draw a figure of a run or a study."""
    from workbench.errors import BadInput
    from workbench.figures import save_figure
    from workbench.record.folder import holds_study

    folder = _folder(run, figure, runs_folder(runs_dir))
    given = {"--of": of, "--over": over, "--only": only, "--saddle": saddle != 1}
    if holds_study(folder):
        if x not in (None, "step"):
            raise BadInput(
                "--x is an option for figures of a run; those of a study are over steps."
            )
        with patience(f"reading {folder.name} …"):
            drawn = _of_study(
                folder, figure, only or [], of=of, over=over, saddle=saddle, log_x=log_x, size=size
            )
    elif any(given.values()):
        name = next(name for name, value in given.items() if value)
        raise BadInput(f"{name} is an option for figures of a study, and {folder.name} is a run.")
    else:
        drawn = _of_run(folder, figure, x, log_x, size)
    save_figure(drawn, output.expanduser())
    typer.echo(str(output))


def _folder(reference: str, figure: str, runs_dir: Path) -> Path:
    """The run or study that is meant: `last` is the newest of what the figure is of."""
    from workbench.errors import BadInput
    from workbench.figures import FIGURES as OF_RUNS
    from workbench.record.folder import find_run_or_study, find_study, holds_study, resolve_run
    from workbench.study.figures import STUDY_FIGURES as OF_STUDIES

    if reference == "last" and figure in OF_STUDIES:
        return find_study(runs_dir, reference)
    if reference == "last" and figure in OF_RUNS:
        return resolve_run(reference, runs_dir)
    folder = find_run_or_study(runs_dir, reference)
    for what, other, names in (("run", "study", OF_STUDIES), ("study", "run", OF_RUNS)):
        if figure in names and holds_study(folder) == (what == "study"):
            raise BadInput(f"'{figure}' is a figure of a {other}, and {folder.name} is a {what}.")
    return folder


def _of_run(folder: Path, figure: str, x: str | None, log_x: bool, size: str) -> Figure:
    from workbench.figures import FigureOptions, default_axis, draw_figure
    from workbench.record.reader import RunReader

    options = FigureOptions.checked(x=x or default_axis(figure), log_x=log_x, size=size)
    with RunReader(folder) as reader:
        return draw_figure(reader, figure, options)


def _of_study(
    folder: Path,
    figure: str,
    only: list[str],
    *,
    of: str | None,
    over: str,
    saddle: int,
    log_x: bool,
    size: str,
) -> Figure:
    from workbench import open_study
    from workbench.study.figures import StudyFigureOptions, draw_study_figure
    from workbench.study.part import choices_of, part_of

    options = StudyFigureOptions.checked(of=of, over=over, saddle=saddle, log_x=log_x, size=size)
    choices = choices_of(only, "--only")
    return draw_study_figure(part_of(open_study(folder), choices, "--only"), figure, options)
