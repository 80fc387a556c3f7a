"""What of the screen failed: said once, and written with the lines it came through into the run's log."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError, clean_text

if TYPE_CHECKING:
    from workbench.run.session import Session

LONGEST = 200


class Stumbles:
    """The errors that were said already."""

    def __init__(self) -> None:
        self.said: set[tuple[str, str]] = set()

    def take(self, error: Exception, where: str, session: Session | None) -> str:
        """What to say of an error, and write it down; empty where it was said before."""
        what = _in_words(error)
        if (where, what) in self.said:
            return ""
        self.said.add((where, what))
        write_down(error, where, session)
        training = session is not None and not session.engine.ended
        return f"{where} failed: {what}" + ("; training goes on" if training else "")


def screen_failed(error: Exception) -> WorkbenchError:
    """What is said once nothing is drawn any more."""
    failed = WorkbenchError(f"the screen failed: {_in_words(error)}.")
    failed.__cause__ = error
    return failed


def write_down(error: Exception, where: str, session: Session | None) -> None:
    """The error with the lines it came through, in the run's log."""
    if session is None:
        return
    step, log = session.engine.state.step, session.log
    log.line(step, "screen", f"{where} failed: {type(error).__name__}: {error}")
    for frame in traceback.extract_tb(error.__traceback__):
        log.line(step, "screen", f"  {frame.filename}:{frame.lineno} {frame.name}")


def _in_words(error: Exception) -> str:
    return clean_text(f"{type(error).__name__}: {error}", LONGEST)
