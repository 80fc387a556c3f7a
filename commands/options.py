"""Options that several commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from commands import completion

RunsDir = Annotated[
    Path | None,
    typer.Option("--runs-dir", help="Folder of the runs; else $WORKBENCH_RUNS, else ./runs."),
]
Run = Annotated[
    str,
    typer.Argument(
        help="Run id, a unique prefix, a name, a path, or 'last' (the newest run).",
        autocompletion=completion.runs,
    ),
]
RunOrStudy = Annotated[
    str,
    typer.Argument(
        metavar="RUN|STUDY",
        help="Id, a unique prefix, a name, a path, or 'last' (the newest run or study).",
        autocompletion=completion.runs_and_studies,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, e.g. --set train.lr=1e-3.",
        autocompletion=completion.settings,
    ),
]
Headless = Annotated[
    bool, typer.Option("--headless", help="No screen: progress on stderr, results on stdout.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Allow classes that a stored run names to be imported.")
]

At = Annotated[str, typer.Option("--at", metavar="STEP|last", help="A step whose state is stored.")]


def step_of(at: str) -> int | None:
    """The step that --at names, None for the last."""
    from workbench.errors import BadInput

    if at != "last" and not at.isdecimal():
        raise BadInput(f"--at '{at[:40]}' is no step; allowed: a whole number from 0, or 'last'.")
    return None if at == "last" else int(at)


def runs_folder(given: Path | None) -> Path:
    """The runs folder: the option, else the environment, else ./runs."""
    from workbench.record.folder import default_runs_dir

    return default_runs_dir() if given is None else given


def screen_wanted(headless: bool) -> bool:
    """Whether there is a terminal to draw on: Textual itself never refuses one that is not."""
    return not headless and sys.stdin.isatty() and sys.stderr.isatty() and sys.stdout.isatty()
