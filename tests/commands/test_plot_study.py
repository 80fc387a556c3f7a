"""`plot` and `export` take a study where they take a run, and say which is which."""

from __future__ import annotations

import csv
import re

import pytest

from commands.plot import plot
from commands.plot_names import OF_STUDIES as TOLD
from tests.commands.conftest import GOOD
from tests.record import sample_run
from tests.study.written import written_study
from workbench.errors import BadInput
from workbench.study.figures import STUDY_FIGURES

STUDY = "20260102-000000-small-1a2b"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A run, and a younger study."""
    folder = tmp_path_factory.mktemp("both")
    sample_run.finished(folder / GOOD)
    written_study(folder, name=STUDY)
    return folder


def test_a_figure_of_the_newest_study(cli, both, tmp_path):
    target = tmp_path / "phase.png"
    done = cli("plot", "last", "--figure", "phase", "--of", "status", "-o", target, runs=both)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{target}\n", "")
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_table_of_a_study(cli, both, tmp_path):
    target = tmp_path / "phase.csv"
    done = cli("export", STUDY, "--to", target, runs=both)
    assert (done.returncode, done.stdout) == (0, f"{target}\n")
    assert "left out: series 'log_risk'" in done.stderr
    with open(target, newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 12


def test_a_wrong_key_is_bad_input(cli, both, tmp_path):
    options = ["--figure", "phase", "--over", "init.sede", "-o", tmp_path / "x.png"]
    done = cli("plot", STUDY, *options, runs=both)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'init.seed'" in done.stderr


REFUSALS = [
    ([STUDY, "--figure", "risk"], "'risk' is a figure of a run, and 20260102-000000-small-1a2b is"),
    ([GOOD, "--figure", "phase"], "'phase' is a figure of a study, and"),
    (
        [GOOD, "--figure", "risk", "--over", "init.seed"],
        "--over is an option for figures of a study",
    ),
    ([STUDY, "--figure", "bands", "--x", "time"], "--x is an option for figures of a run"),
    ([STUDY, "--figure", "phaze"], "Did you mean 'phase'"),
    (
        [STUDY, "--figure", "phase", "--only", "init.seed=9"],
        "unknown value of init.seed '9' in --only",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), REFUSALS)
def test_refusals(both, tmp_path, arguments, text):
    reference, _, figure, *options = arguments
    given = dict(zip(options[::2], options[1::2], strict=True))
    with pytest.raises(BadInput, match=re.escape(text)):
        plot(
            [reference],
            figure,
            tmp_path / "x.png",
            x=given.get("--x"),
            over=given.get("--over", ""),
            only=[given["--only"]] if "--only" in given else None,
            runs_dir=both,
        )
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_figure_of_a_study():
    assert TOLD.split(", ") == list(STUDY_FIGURES)
