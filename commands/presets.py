"""`workbench presets`: what can be run by name."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import completion


def presets(
    name: Annotated[
        str | None,
        typer.Argument(help="Print this preset's TOML.", autocompletion=completion.presets),
    ] = None,
) -> None:
    """List the presets with what to look for, or print one as TOML to start a file of your own."""
    from workbench.presets import preset_names, preset_text, read_preset, study_names

    if name is not None:
        typer.echo(preset_text(name), nl=False)
        return
    runs, studies = preset_names(), study_names()
    width = max(len(n) for n in (*runs, *studies))
    for preset in runs:
        typer.echo(f"{preset:<{width}}  {read_preset(preset).get('description', '')}")
    typer.echo("\nstudies, many runs each: workbench sweep NAME")
    for preset in studies:
        typer.echo(f"{preset:<{width}}  {read_preset(preset).get('description', '')}")
