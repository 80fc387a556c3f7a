"""`workbench resume`: go on with a stored run."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import Headless, Json, Run, RunsDir, Trust, runs_folder, screen_wanted


def resume(
    run: Run,
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
    as_json: Json = False,
) -> None:
    """Go on with a run from its last checkpoint, to the last bit as if it had never stopped."""
    from workbench.record.folder import resolve_run

    folder = resolve_run(run, runs_folder(runs_dir))
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
