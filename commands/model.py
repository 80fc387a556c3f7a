"""`workbench model`: is a network homogeneous, and of which order?"""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import Json, Settings


def model(
    source: Annotated[
        str,
        typer.Argument(metavar="CLASS|PRESET|FILE.toml", help="package.module:Class, or a run's."),
    ],
    inputs: Annotated[
        str, typer.Option("--inputs", help="Shape of one input for a CLASS, e.g. 2 or 1,8,8.")
    ] = "2",
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Measure the order L in Φ(cθ) = c^L Φ(θ), for the whole network and layer by layer."""
    import json

    from workbench.run.homogeneity import report

    found = report(source, inputs, list(settings or []))
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        typer.echo(found.as_text())
