"""What stderr says beside an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from workbench.run.stored import StoredRun


def tell_changed(run: StoredRun) -> None:
    """Say which class of the user's is not what the run began with, once its network has been made."""
    for clause in run.changed:
        typer.echo(f"workbench: {clause}; what is said here is of the new code.", err=True)
