"""`workbench resume`: go on with a stored run, or with a study."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from commands.options import Headless, Json, RunOrStudy, RunsDir, Trust, runs_folder, screen_wanted
from workbench.errors import BadInput, clean_text


def resume(
    run: RunOrStudy,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Move the run's end to this step.")
    ] = None,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Begin again at step 0; what the run has is set aside in its folder."
        ),
    ] = False,
    trust: Trust = False,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Of a study: shards at a time; 0: as it says.")
    ] = 0,
    detached: Annotated[
        bool, typer.Option("--detach", help="Of a study: drive it in a session of its own.")
    ] = False,
    as_json: Json = False,
    settings: Annotated[list[str] | None, typer.Option("--set", hidden=True)] = None,
) -> None:
    """Go on with a run from its last checkpoint, to the last bit as if it had never stopped; or with a study:
    what is failed, lost or missing, and what its [grid] has gained."""
    from workbench.record.folder import find_run_or_study, holds_study

    folder = find_run_or_study(runs_folder(runs_dir), run)
    if settings:
        raise _others(folder, settings, holds_study(folder))
    if holds_study(folder):
        given = {"--steps": steps is not None, "--restart": restart, "--trust": trust}
        _require_none_of(given, "a study", folder.name)
        from commands.drive_study import detach, drive_headless

        if detached:
            detach(folder, jobs)
        else:
            drive_headless(folder, as_json, jobs)
        return
    _require_none_of({"--jobs": jobs > 0, "--detach": detached}, "a run", folder.name)
    if screen_wanted(headless or as_json):
        from workbench.tui.app import WorkbenchApp, run_app

        run_app(WorkbenchApp.to_resume(folder, steps, trust, restart))
        return
    from commands.headless import train_headless
    from workbench.run.session import Session

    train_headless(
        lambda: Session.resume(
            folder,
            steps=steps,
            trust=trust,
            restart=restart,
            tell=lambda text: typer.echo(f"workbench: {text}", err=True),
        ),
        as_json,
    )


def _others(folder: Path, settings: list[str], study: bool) -> BadInput:
    """A run and a study keep their settings; what takes others."""
    from workbench.record.schema import STUDY_FILE

    name = clean_text(folder.name, 120)
    given = " ".join(f"--set {shlex.quote(clean_text(setting, 120))}" for setting in settings)
    if study:
        again = f"workbench sweep {shlex.quote(clean_text(str(folder / STUDY_FILE)))} {given}"
        return BadInput(
            f"study {name} goes on with its own settings; a new one with others: {again}"
        )
    if all(setting.partition("=")[0].strip() == "train.steps" for setting in settings):
        return BadInput(
            f"--steps moves the end of a run: workbench resume {shlex.quote(name)} --steps N"
        )
    return BadInput(
        f"run {name} goes on with its own settings; a new one from its last state with others: "
        f"workbench fork {shlex.quote(name)} --at last {given}"
    )


def _require_none_of(given: dict[str, bool], what: str, name: str) -> None:
    """Refuse options that belong to the other kind."""
    for option, is_given in given.items():
        if is_given:
            raise BadInput(f"'{clean_text(name, 120)}' is {what}, which takes no {option}.")
