"""Asking before a file is replaced that somebody may want to keep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import BadInput, clean_text

Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Replace a file that exists without asking.")
]


def require_leave(target: Path, yes: bool) -> None:
    """Ask on a terminal whether a file that exists may be replaced; a script's line is its own answer.

    Raises:
        BadInput: it may not.
    """
    if yes or not target.exists() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    shown = clean_text(str(target), 120)
    if not typer.confirm(f"'{shown}' exists. Replace it?", err=True):
        raise BadInput(f"'{shown}' is kept; name another file, or give --yes to replace it.")
