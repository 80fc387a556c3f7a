"""`workbench optimal`: is the KKT point that a run goes to an optimum of the max-margin problem?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from commands import formats
from commands.options import At, Json, Run, RunsDir, Trust, runs_folder, step_of
from workbench.errors import clean_text

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.arrays import Array, Float
    from workbench.inspector.state import InspectedState
    from workbench.theory.optimality.verdict import Better, Optimality

WORDS = {
    "global": "a global optimum of the max-margin problem (P)",
    "local": "a local optimum of the max-margin problem (P)",
    "not local": "no local optimum of the max-margin problem (P)",
    "undecided": "undecided: neither proved nor disproved",
}
STYLES = {"global": "green", "local": "green", "not local": "red", "undecided": "yellow"}
MOST_POINTS = 12
DIGITS = 10


def optimal(
    run: Run,
    at: At = "last",
    runs_dir: RunsDir = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Is the KKT point of max-margin that a run goes to an optimum: global, local, or not even local?"""
    from commands.notices import tell_changed
    from commands.patience import patience
    from workbench.inspector.optimality import optimality_verdict
    from workbench.record.folder import resolve_run
    from workbench.run.stored import StoredRun

    folder = resolve_run(run, runs_folder(runs_dir))
    with StoredRun(folder) as stored:
        state = stored.state(step_of(at), trust=trust)
        tell_changed(stored)
    with patience(f"workbench: looking for shorter points near step {state.step:,}…"):
        found = optimality_verdict(state)
    if as_json:
        import json

        document = {"step": state.step, **found.as_json(), "theta": named(state, found.theta)}
        typer.echo(json.dumps(formats.finite(document)))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=not formats.on_terminal())
    console.print(f"{clean_text(folder.name)}  step {state.step:,}", markup=False)
    show(found, console)


def named(state: InspectedState, theta: Float[Array, " P"]) -> dict[str, Any]:
    """θ by parameter, in its order and shapes."""
    structure = state.structure
    return {p.name: structure.view(theta, p.name).tolist() for p in structure.parameters}


def show(found: Optimality, console: Console) -> None:
    """The verdict in words, what it rests on, and the layers by themselves."""
    style = STYLES[found.verdict]
    console.print(f"\n[bold {style}]{found.verdict}[/bold {style}]  {WORDS[found.verdict]}")
    console.print(f"  {found.reason}", markup=False)
    _numbers(found, console)
    if found.better is not None:
        _family(found.better, found.norm2, console)
    _layers(found, console)
    for note in found.notes:
        console.print(f"- {note}", markup=False)


def _numbers(found: Optimality, console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("more")
    more = f"KKT residual {found.residual:.0e}"
    table.add_row("‖θ~‖²", formats.number(found.norm2, DIGITS), more)
    known = found.far or found.better
    if known is not None:
        shortest = float(min(known.norm2))
        more = f"feasible; ‖θ~‖ is {formats.number(found.ratio, 6)} times as long"
        table.add_row("shortest ‖θ'‖² known", formats.number(shortest, DIGITS), more)
    bound = formats.number(found.bound, DIGITS) if found.bound > 0 else formats.ABSENT
    table.add_row(
        "lower bound", bound, "of ‖θ‖² over all feasible points" if found.bound > 0 else ""
    )
    console.print()
    console.print(table)


def _family(better: Better, norm2: float, console: Console) -> None:
    from rich.table import Table

    table = Table(title="Feasible points of smaller norm", title_justify="left", box=None)
    for name in ("distance to θ~", "‖θ'‖²", "‖θ~‖² − ‖θ'‖²"):
        table.add_column(name, justify="right")
    for distance, shorter in zip(better.distances[:MOST_POINTS], better.norm2, strict=False):
        numbers = (f"{distance:.3g}", formats.number(float(shorter), DIGITS))
        table.add_row(*numbers, f"{norm2 - shorter:.3g}")
    console.print()
    console.print(table)
    hidden = len(better.norm2) - MOST_POINTS
    if hidden > 0:
        console.print(f"  and {hidden} more (--json lists all)")
    console.print(f"  {better.family}", markup=False)


def _layers(found: Optimality, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found.layers:
        return
    title = "Each layer by itself, the others held"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("layer")
    table.add_column("verdict")
    for name in ("‖u‖²", "lower bound", "shorter by"):
        table.add_column(name, justify="right")
    table.add_column("why")
    for layer in found.layers:
        style = STYLES[layer.verdict]
        gain = None if layer.better is None else found.norm2 - float(min(layer.better.norm2))
        table.add_row(
            Text(layer.name),
            Text(layer.verdict, style),
            formats.number(layer.norm2, 8),
            formats.number(layer.bound if layer.bound > 0 else None, 8),
            formats.number(gain, 3),
            Text(layer.reason),
        )
    console.print()
    console.print(table)
