"""`workbench plot`: one figure of a run, of several over one another, or of a study, ready for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import completion, plot_names
from commands.options import RunsDir, runs_folder
from commands.patience import patience

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RUNS = typer.Argument(
    metavar="RUN|STUDY",
    help="Id, a unique prefix, a name, a path, or 'last' (the newest run or study); runs may be several.",
    autocompletion=completion.runs_and_studies,
)
FIGURE = typer.Option(
    "--figure",
    metavar="NAME",
    help="One of those above.",
    autocompletion=plot_names.beginning,
)
X = typer.Option(
    "--x",
    help="step, epoch, time, or margin: ln(n/𝓛), JT20's axis, and the default of layers and predictor.",
)
X_RANGE = typer.Option(
    "--x-range", metavar="LOW:HIGH", help="The part of the horizontal axis that is drawn."
)
Y_RANGE = typer.Option(
    "--y-range",
    metavar="LOW:HIGH",
    help="Of the first panel's vertical axis, as its labels count; --y-range=-3:0 where LOW is negative.",
)
OF = typer.Option("--of", metavar="NAME", help="Of a study: which outcome, or series for bands.")
OVER = typer.Option("--over", metavar="KEY[,KEY]", help="Of a study: over which keys of its grid.")
ONLY = typer.Option("--only", metavar="KEY=CHOICES", help="Of a study: members with these values.")
SADDLE = typer.Option("--saddle", help="Of a study: which of a member's saddles, from 1.")


@dataclass(frozen=True)
class _OfStudy:
    """What is asked of a study's figure alone."""

    of: str | None
    over: str
    only: list[str]
    saddle: int

    @property
    def given(self) -> str:
        """The first option that was given, empty without one."""
        asked = {"--of": self.of, "--over": self.over, "--only": self.only}
        return next((name for name, value in asked.items() if value), "") or (
            "--saddle" if self.saddle != 1 else ""
        )


def plot(
    runs: Annotated[list[str], RUNS],
    figure: Annotated[str, FIGURE],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="FILE.png, .pdf or .svg.")
    ],
    x: Annotated[str | None, X] = None,
    log_x: Annotated[bool, typer.Option("--log-x", help="A logarithmic horizontal axis.")] = False,
    x_range: Annotated[str | None, X_RANGE] = None,
    y_range: Annotated[str | None, Y_RANGE] = None,
    size: Annotated[str, typer.Option("--size", help="column (3.4 in) or page (7 in).")] = "column",
    of: Annotated[str | None, OF] = None,
    over: Annotated[str, OVER] = "",
    only: Annotated[list[str] | None, ONLY] = None,
    saddle: Annotated[int, SADDLE] = 1,
    runs_dir: RunsDir = None,
) -> None:
    """Draw a figure of a run or a study, or of several runs over one another."""
    from workbench.figures import save_figure
    from workbench.record.folder import holds_study

    _require_one_study(runs, figure)
    folders = [_folder(reference, figure, runs_folder(runs_dir)) for reference in runs]
    asked = _OfStudy(of, over, only or [], saddle)
    if len(folders) == 1 and holds_study(folders[0]):
        drawn = _of_study(folders[0], figure, asked, (x, x_range, y_range), log_x, size)
    else:
        view = {"log_x": log_x, "size": size, "x_range": x_range, "y_range": y_range}
        drawn = _of_runs(folders, figure, asked, x, view)
    save_figure(drawn, output.expanduser())
    typer.echo(str(output))


def _require_one_study(references: Sequence[str], figure: str) -> None:
    """Several are runs: refuse them where the figure is a study's."""
    from workbench.errors import BadInput
    from workbench.study.figures import STUDY_FIGURES

    if len(references) > 1 and figure in STUDY_FIGURES:
        raise BadInput(f"'{figure}' is a figure of one study, and {len(references)} were given.")


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


def _of_runs(
    folders: Sequence[Path],
    figure: str,
    asked: _OfStudy,
    x: str | None,
    view: Mapping[str, Any],
) -> Figure:
    from workbench.errors import BadInput
    from workbench.figures import FigureOptions, default_axis, draw_figure
    from workbench.record.reader import RunReader

    if asked.given:
        raise BadInput(
            f"{asked.given} is an option for figures of a study, and {folders[0].name} is a run."
        )
    twice = next((one for k, one in enumerate(folders) if one in folders[:k]), None)
    if twice is not None:
        raise BadInput(f"{twice.name} was given twice; every run has one colour.")
    options = FigureOptions.checked(x=x or default_axis(figure), **view)
    with ExitStack() as opened:
        readers = [opened.enter_context(RunReader(folder)) for folder in folders]
        opened.enter_context(patience(f"drawing {figure} …"))
        return draw_figure(readers, figure, options)


def _of_study(
    folder: Path,
    figure: str,
    asked: _OfStudy,
    of_runs: tuple[str | None, str | None, str | None],
    log_x: bool,
    size: str,
) -> Figure:
    from workbench import open_study
    from workbench.errors import BadInput
    from workbench.study.figures import StudyFigureOptions, draw_study_figure
    from workbench.study.part import choices_of, part_of

    x, *ranges = of_runs
    if x not in (None, "step"):
        raise BadInput("--x is an option for figures of a run; those of a study are over steps.")
    for option, given in zip(("--x-range", "--y-range"), ranges, strict=True):
        if given is not None:
            raise BadInput(
                f"{option} is an option for figures of a run, and {folder.name} is a study."
            )
    options = StudyFigureOptions.checked(
        of=asked.of, over=asked.over, saddle=asked.saddle, log_x=log_x, size=size
    )
    with patience(f"reading {folder.name} …"):
        choices = choices_of(asked.only, "--only")
        return draw_study_figure(part_of(open_study(folder), choices, "--only"), figure, options)
