"""`plot`: files that are pictures, refusals that are sentences."""

from __future__ import annotations

import pytest

from tests.commands.conftest import GOOD

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


def test_help_names_every_figure():
    from commands.plot import FIGURES as told
    from workbench.figures.registry import FIGURES

    assert told.replace(" or ", ", ").split(", ") == list(FIGURES)
