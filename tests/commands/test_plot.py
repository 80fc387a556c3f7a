"""`plot`: files that are pictures, refusals that are sentences."""

from __future__ import annotations

import re

import pytest

from commands.plot import plot
from commands.plot_names import OF_RUNS, OF_SEVERAL, beginning
from tests.commands.conftest import GOOD, TWIN
from workbench.errors import BadInput
from workbench.figures.registry import FIGURES

MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.parametrize("suffix", MAGIC)
def test_every_format(cli, runs, tmp_path, suffix):
    target = tmp_path / f"risk.{suffix}"
    done = cli("plot", GOOD, "--figure", "risk", "-o", target, "--size", "page", runs=runs)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{target}\n", "")
    assert target.read_bytes().startswith(MAGIC[suffix])


REFUSALS = [
    (["--figure", "riks"], 2, "Did you mean 'risk'"),
    (["--figure", "norms", "--x", "tiem"], 2, "Did you mean 'time'"),
    (["--figure", "risk", "--size", "poster"], 2, "allowed: column, page"),
]


@pytest.mark.parametrize(("options", "code", "text"), REFUSALS)
def test_unknown_names(cli, runs, tmp_path, options, code, text):
    done = cli("plot", GOOD, *options, "-o", tmp_path / "x.png", runs=runs)
    assert done.returncode == code
    assert text in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        ("x.jpg", 2, "unknown figure format"),
        ("no/x.png", 2, "there is no folder"),
        ("folder.png", 1, "cannot write"),
    ],
)
def test_targets_that_cannot_be_written(cli, runs, tmp_path, target, code, text):
    (tmp_path / "folder.png").mkdir()
    done = cli("plot", GOOD, "--figure", "risk", "-o", tmp_path / target, runs=runs)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.png"]


def test_help_names_every_figure_once_by_what_it_is_of():
    groups: dict[str, list[str]] = {}
    for name, kind in FIGURES.items():
        groups.setdefault(kind.group, []).append(name)
    assert {group.lower(): names.split(", ") for group, names in OF_RUNS.items()} == groups
    assert beginning("ma") == ["margins", "margins-ordered", "margins-norms", "mapped"]
    assert OF_SEVERAL.split(", ") == [name for name, kind in FIGURES.items() if kind.several]


def test_help_lists_the_figures(cli, runs):
    said = cli("plot", "--help", runs=runs).stdout
    for group, names in OF_RUNS.items():
        assert f"  {group:<9} {names}\n" in said


def test_several_runs_over_one_another(cli, runs, tmp_path):
    target = tmp_path / "risks.svg"
    done = cli("plot", GOOD, TWIN, "--figure", "risk", "-o", target, runs=runs)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{target}\n", "")
    for given, figure, text in (
        ([GOOD, GOOD], "risk", f"{GOOD} was given twice"),
        ([GOOD, TWIN], "ncf", "figure 'ncf' is of one run, and 2 were given"),
        ([GOOD, TWIN], "phase", "'phase' is a figure of one study, and 2 were given"),
        ([GOOD, TWIN], "mapped", "every run maps the data to planes of its own"),
    ):
        with pytest.raises(BadInput, match=re.escape(text)):
            plot(given, figure, tmp_path / "none.png", runs_dir=runs)
    assert list(tmp_path.iterdir()) == [target]
