"""`workbench fork`: a new run from a stored state of another."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import (
    Headless,
    Json,
    Run,
    RunsDir,
    Settings,
    Trust,
    runs_folder,
    screen_wanted,
)


def fork(
    run: Run,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="STEP|last|saddle[:K]",
            help="The stored state to start from: its step; the last one; the last saddle that the run told, "
            "or its K-th, from 1.",
        ),
    ],
    push: Annotated[
        int | None,
        typer.Option(
            "--push",
            metavar="K",
            min=0,
            help="Push it first along KKT point K, as `inspect --at` numbers them: the neuron that leaves "
            "first if it heads there, else the smallest, so far that by its growth e^{2Nt} along K it is out "
            "in half the time that the first one takes; of points of the whole network all of θ by its norm.",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="LENGTH [neuron N|all]",
            help="With --push: how far, and whom, as `p` on the inspector's page takes it.",
        ),
    ] = "",
    settings: Settings = None,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Start a new run from another's state at a step or a saddle, pushed out of it or with some settings
    changed."""
    from workbench.errors import BadInput
    from workbench.record.folder import resolve_run
    from workbench.run.forking import ForkPush, fork_step
    from workbench.run.stored import StoredRun

    if by and push is None:
        raise BadInput("--by says how far to --push, and no KKT point is given to push along.")
    asked = None if push is None else ForkPush(push, by)
    runs = runs_folder(runs_dir)
    folder = resolve_run(run, runs)
    with StoredRun(folder) as stored:
        step = fork_step(stored, at)
    if screen_wanted(headless or as_json):
        from workbench.tui.app import WorkbenchApp, run_app

        run_app(WorkbenchApp.to_fork(folder, step, list(settings or []), runs, trust, asked))
        return
    from commands.headless import train_headless
    from commands.patience import patience
    from workbench.run.session import Session

    def make() -> Session:
        with patience(f"workbench: looking inside step {step:,}…"):
            return Session.fork(
                folder, step, runs, settings=settings or (), push=asked, trust=trust
            )

    train_headless(make, as_json)
