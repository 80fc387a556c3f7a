"""A file that exists is replaced only when somebody who can be asked says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer

from commands.replacing import require_leave
from workbench.errors import BadInput


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Questions that were put on a terminal, all answered with no."""
    questions = list[str]()

    def confirm(text: str, **_: object) -> bool:
        questions.append(text)
        return False

    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", confirm)
    return questions


def test_on_a_terminal_it_is_asked_and_kept(tmp_path: Path, asked: list[str]) -> None:
    target = tmp_path / "a.csv"
    require_leave(target, yes=False)
    target.touch()
    require_leave(target, yes=True)
    assert asked == []
    with pytest.raises(BadInput, match=r"a\.csv' is kept; name another file, or give --yes"):
        require_leave(target, yes=False)
    assert len(asked) == 1


def test_a_script_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typer, "confirm", lambda *a, **k: pytest.fail("asked"))
    target = tmp_path / "a.csv"
    target.touch()
    with open(target) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        require_leave(target, yes=False)
