"""`workbench run`: train a preset or a configuration, on the screen or headless."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from commands import completion
from commands.options import Headless, Json, RunsDir, Settings, runs_folder, screen_wanted
from workbench.errors import BadInput

DEFAULT_PRESET = "first-look"


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[PRESET|FILE.toml|STUDY/MEMBER]",
            help="What to train; see `presets`. STUDY/137: member 137 of a study, step for step.",
            autocompletion=completion.sources,
        ),
    ] = DEFAULT_PRESET,
    settings: Settings = None,
    name: Annotated[str, typer.Option("--name", help="Name of the run.")] = "",
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the start.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Step at which to finish.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")] = None,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    detached: Annotated[
        bool,
        typer.Option("--detach", help="Train headless in the background; `attach` watches it."),
    ] = False,
    pause_at_saddle: Annotated[
        bool | None,
        typer.Option("--pause-at-saddle/--no-pause-at-saddle", help="Pause near saddles."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a preset, a configuration file or a study's member and watch it; without a terminal, headless."""
    changes = list(settings or [])
    for key, value in (
        ("init.seed", seed),
        ("train.steps", steps),
        ("device.kind", device),
        ("pause.at_saddle", None if pause_at_saddle is None else str(pause_at_saddle).lower()),
    ):
        if value is not None:
            changes.append(f"{key}={value}")
    if name:
        from workbench.record.folder import validate_name

        validate_name(name)
        # JSON's escapes of quotes and backslashes are TOML's.
        changes.append(f"name={json.dumps(name, ensure_ascii=False)}")
    folder = runs_folder(runs_dir)
    if detached:
        if as_json:
            raise BadInput("--json prints a run's end, which --detach does not wait for.")
        from commands.detached import send_off

        options = [f"--set={change}" for change in changes]
        send_off(["run", "--headless", f"--runs-dir={folder}", *options, "--", source], folder)
        return
    if as_json and not headless:
        raise BadInput("--json needs --headless: with a screen there is no stdout to print on.")
    if screen_wanted(headless):
        from workbench.tui.app import WorkbenchApp, run_app

        run_app(WorkbenchApp.to_run(source, changes, folder))
        return
    from commands.headless import train_headless
    from workbench.run.session import Session
    from workbench.study.member import run_source

    config, preset = run_source(source, changes, folder)
    train_headless(lambda: Session.create(config, folder, preset=preset), as_json)
