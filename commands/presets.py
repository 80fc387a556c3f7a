"""`workbench presets`: what can be run by name."""

from __future__ import annotations

from typing import Annotated

import typer


def presets(
    name: Annotated[str | None, typer.Argument(help="Print this preset's TOML.")] = None,
) -> None:
    """List the presets with what to look for, or print one as TOML to start a file of your own."""
    from workbench.presets import preset_names, preset_text, read_preset

    if name is not None:
        read_preset(name)
        typer.echo(preset_text(name), nl=False)
        return
    width = max(len(n) for n in preset_names())
    for preset in preset_names():
        typer.echo(f"{preset:<{width}}  {read_preset(preset).get('description', '')}")
