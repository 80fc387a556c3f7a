"""`workbench resume`: go on with a stored run, or with a study."""

from __future__ import annotations

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
) -> None:
    """Go on with a run from its last checkpoint, to the last bit as if it had never stopped; or with a study:
    what is failed, lost or missing, and what its [grid] has gained."""
    from workbench.record.folder import find_run_or_study, holds_study

    folder = find_run_or_study(runs_folder(runs_dir), run)
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


def _require_none_of(given: dict[str, bool], what: str, name: str) -> None:
    """Refuse options that belong to the other kind."""
    for option, is_given in given.items():
        if is_given:
            raise BadInput(f"'{clean_text(name, 120)}' is {what}, which takes no {option}.")
