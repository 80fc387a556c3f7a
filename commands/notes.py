"""`workbench tag` and `workbench note`: what a person writes to a run or a study, kept in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from commands import completion
from commands.options import Json, RunOrStudy, RunsDir, runs_folder
from workbench.errors import BadInput, StorageError

if TYPE_CHECKING:
    from workbench.record.notes import Notes


class Tags(TyperCommand):
    """`-bad` is a tag to take away, and no three options of a letter."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments with `-bad` as `--remove=bad`."""
        removing = [
            f"--remove={a[1:]}"
            if a.startswith("-") and a[1:2] not in ("", "-") and a != "-h"
            else a
            for a in args
        ]
        return super().parse_args(ctx, removing)


def tag(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|STUDY... [+TAG|-TAG]...",
            help="Runs, and tags to give (+good) and to take away (-bad); without, those it has.",
            autocompletion=completion.runs_and_studies,
        ),
    ],
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="TAG", help="The same as -TAG.")
    ] = None,
    runs_dir: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Give tags to runs or studies and take others away, while they train too; list tag:good finds them."""
    from workbench.record.folder import find_run_or_study
    from workbench.record.notes import change_tags, checked_tag

    added = [checked_tag(word[1:]) for word in runs if word.startswith("+")]
    removed = [checked_tag(word) for word in remove or []]
    place = runs_folder(runs_dir)
    folders = [find_run_or_study(place, word) for word in runs if not word.startswith("+")]
    if not folders:
        raise BadInput(f"'{' '.join(runs)[:80]}' names no run; give one before its tags.")
    changing = bool(added or removed)
    found = {
        folder.name: change_tags(folder, added, removed) if changing else _read(folder)
        for folder in folders
    }
    _tell({name: list(notes.tags) for name, notes in found.items()}, as_json)


def note(
    run: RunOrStudy,
    text: Annotated[
        list[str] | None,
        typer.Argument(help="The note; an empty one ('') takes it away, none shows it."),
    ] = None,
    runs_dir: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Write a note to a run or a study, while it trains too; list note:saddle finds it."""
    from workbench.record.folder import find_run_or_study
    from workbench.record.notes import change_note

    folder = find_run_or_study(runs_folder(runs_dir), run)
    notes = _read(folder) if text is None else change_note(folder, " ".join(text))
    _tell({folder.name: notes.note}, as_json)


def _read(folder: Path) -> Notes:
    """The notes of a run; a file that cannot be read is an error here."""
    from workbench.record.notes import read_notes

    notes = read_notes(folder)
    if notes.mistake:
        raise StorageError(notes.mistake)
    return notes


def _tell(found: dict[str, list[str]] | dict[str, str], as_json: bool) -> None:
    """What the runs have now: a line each on stdout, or one document."""
    import json

    from workbench.errors import clean_text

    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        said = value if isinstance(value, str) else " ".join(value)
        typer.echo(clean_text(said if len(found) == 1 else f"{name}  {said}", 2_000))
