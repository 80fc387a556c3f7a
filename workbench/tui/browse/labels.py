"""Asking for tags and for a note, of the run under the cursor or of all that are marked."""

from __future__ import annotations

import asyncio

from textual.screen import Screen

from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.notes import LONGEST_NOTE, change_note, change_tags, checked_tag
from workbench.record.summary import RunSummary
from workbench.tui.browse.columns import run_title
from workbench.tui.dialogs import Ask

MOST_SAID = 200


async def ask_tags(screen: Screen[None], runs: list[RunSummary]) -> bool:
    """Give tags to runs and take others away; whether something was written."""
    if not runs:
        return False
    whose = f"'{run_title(runs[0])}'" if len(runs) == 1 else f"the {len(runs):,} marked"
    has = sorted({tag for run in runs for tag in run.tags})
    answer = await screen.app.push_screen_wait(
        Ask(
            f"Tags of {whose}: which to give, and to take away with a - before them?",
            hint=clean_text(
                f"has {' '.join(has)}" if has else "has none; as in: good -bad", MOST_SAID
            ),
            check=_check_tags,
        )
    )
    if answer is None or not answer.split():
        return False
    add, remove = _split(answer)
    try:
        for run in runs:
            await asyncio.to_thread(change_tags, run.path, add, remove)
    except (BadInput, StorageError) as error:
        screen.notify(str(error), severity="error", timeout=8, markup=False)
    return True


async def ask_note(screen: Screen[None], run: RunSummary | None) -> bool:
    """Write a run's note; whether something was written."""
    if run is None:
        return False
    answer = await screen.app.push_screen_wait(
        Ask(f"The note of '{run_title(run)}'", value=run.note, check=_check_note)
    )
    if answer is None:
        return False
    try:
        await asyncio.to_thread(change_note, run.path, answer)
    except (BadInput, StorageError) as error:
        screen.notify(str(error), severity="error", timeout=8, markup=False)
    return True


def _split(text: str) -> tuple[list[str], list[str]]:
    """The tags to give and those to take away."""
    words = text.replace(",", " ").split()
    add = [word.removeprefix("+") for word in words if not word.startswith("-")]
    return add, [word[1:] for word in words if word.startswith("-")]


def _check_tags(text: str) -> str | None:
    for tag in (tag for tags in _split(text) for tag in tags):
        try:
            checked_tag(tag)
        except BadInput as error:
            return str(error)
    return None


def _check_note(text: str) -> str | None:
    return f"a note has up to {LONGEST_NOTE:,} characters." if len(text) > LONGEST_NOTE else None
