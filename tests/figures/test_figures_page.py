"""docs/figures.md: it names every figure and no other, and its commands are ones that run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from workbench.figures import FIGURES, FigureOptions
from workbench.presets import load_config
from workbench.study.figures import STUDY_FIGURES
from workbench.study.source import load_study

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "figures.md").read_text(encoding="utf-8")
LINES = [shlex.split(line)[1:] for line in PAGE.splitlines() if line.startswith("    workbench ")]
LARGEST = 60_000


def option(arguments, name, default=None):
    return arguments[arguments.index(name) + 1] if name in arguments else default


def settings(arguments):
    return [arguments[k + 1] for k, word in enumerate(arguments) if word == "--set"]


RUNS = {option(a, "--name", a[1]): a for a in LINES if a[0] in ("run", "sweep")}


def test_the_page_names_every_figure_and_no_other():
    asked = set(re.findall(r"--figure ([a-z-]+)", PAGE))
    assert asked <= {*FIGURES, *STUDY_FIGURES}
    said = asked | set(re.findall(r"`([a-z-]+)`", PAGE))
    assert {*FIGURES, *STUDY_FIGURES} <= said


@pytest.mark.parametrize("name", RUNS)
def test_what_is_run_on_the_page_is_a_configuration(name):
    arguments = RUNS[name]
    if arguments[0] == "sweep":
        load_study(arguments[1], [arguments[2]], (), settings(arguments))
    else:
        load_config(arguments[1], settings(arguments))


def test_what_is_plotted_was_run_before_and_can_be():
    plots = [a for a in LINES if a[0] == "plot"]
    assert plots
    targets = [option(a, "-o") for a in plots]
    assert len(set(targets)) == len(targets)
    for arguments in plots:
        figure = option(arguments, "--figure")
        runs = arguments[1 : arguments.index("--figure")]
        assert set(runs) <= set(RUNS)
        of_study = any(RUNS[run][0] == "sweep" for run in runs)
        kind = STUDY_FIGURES[figure] if of_study else FIGURES[figure]
        assert len(runs) == 1 or kind.several is not None
        x = option(arguments, "--x", "step")
        FigureOptions.checked(x=x, log_x=False, size="column")


def test_pictures_are_there_and_small():
    shown = re.findall(r"\]\((figures/[^)]+)\)", PAGE)
    assert sorted(shown) == sorted(f"figures/{p.name}" for p in (DOCS / "figures").iterdir())
    for name in shown:
        assert (DOCS / name).stat().st_size < LARGEST
        assert [a for a in LINES if a[0] == "plot" and a[-1] == Path(name).name]
