"""`workbench inspect`: look into one state of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from commands import formats
from commands.options import At, Json, Run, RunsDir, Trust, runs_folder, step_of
from workbench.errors import clean_text

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.inspector.correlation import Correlation
    from workbench.inspector.inspect import Inspection
    from workbench.theory.ncf.result import Orbit

MOST_NEURONS = 20
MOST_POINTS = 20


def inspect(
    run: Run,
    at: At = "last",
    runs_dir: RunsDir = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Is a state a saddle? KKT points, and who leaves when; late in a run, how near to a KKT point of (P)."""
    from commands.notices import tell_changed
    from commands.patience import patience
    from workbench.inspector.inspect import certified, inspect_state
    from workbench.record.folder import resolve_run
    from workbench.run.stored import StoredRun

    folder = resolve_run(run, runs_folder(runs_dir))
    with StoredRun(folder) as stored:
        state = stored.state(step_of(at), trust=trust)
        tell_changed(stored)
    with patience(f"workbench: looking inside step {state.step:,}…"):
        found = certified(inspect_state(state), state)
    if as_json:
        import json

        typer.echo(json.dumps(formats.finite(found.as_json())))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=not formats.on_terminal())
    console.print(f"{clean_text(folder.name)}  step {found.step:,}", markup=False)
    show(found, console)


def show(found: Inspection, console: Console) -> None:
    """Verdict, KKT points and neurons as tables."""
    verdict, evidence = found.judgement.verdict, found.judgement.evidence
    words = "going to infinity" if verdict == "diverging" else verdict
    console.print(f"\n[bold]{words}[/bold]")
    for sentence in evidence.sentences:
        console.print(f"  {sentence}", markup=False)
    large, small = len(found.groups.large), len(found.groups.small)
    if large + small:
        console.print(
            f"  {large:,} large and {small:,} small neurons ({found.groups.reason}).", markup=False
        )
    _points(found, console)
    _neurons(found, console)
    _whole(found, console)
    _units(found, console)
    _margin(found, console)
    for sentence in found.limits:
        console.print(f"- {sentence}", markup=False)


def _points(found: Inspection, console: Console) -> None:
    from rich.table import Table

    correlation = found.correlation
    if correlation is None or not correlation.points:
        return
    heading: dict[int, int] = {}
    for neuron in found.forecast.neurons:
        if neuron.target is not None:
            heading[neuron.target] = heading.get(neuron.target, 0) + 1
    both = len(correlation.sets) > 1
    seen = "coordinate" if correlation.apart else "sign"
    table = Table(title="KKT points of the correlation function", title_justify="left", box=None)
    orbits = correlation.joint
    for name in ("#", "N", "λ", "residual", "basin", "neurons", *((seen,) if both else ())):
        table.add_column(name, justify="right")
    table.add_column("kind")
    if orbits:
        table.add_column("orbit")
    table.add_column("direction")
    for index, point in enumerate(correlation.points[:MOST_POINTS]):
        table.add_row(
            str(index),
            formats.number(point.value),
            formats.number(point.multiplier),
            f"{point.residual:.0e}",
            formats.number(point.basin, 3),
            str(heading.get(index, 0)),
            *((_seen(correlation, index),) if both else ()),
            point.kind,
            *((_orbit(point.orbit),) if orbits else ()),
            _direction(point.direction),
        )
    console.print()
    console.print(table)
    hidden = len(correlation.points) - MOST_POINTS
    if hidden > 0:
        console.print(f"  and {hidden:,} more points (--json lists all)")
    state = "complete" if correlation.complete else "not complete"
    console.print(f"  {correlation.method}, {state}")
    for line in _layers(correlation):
        console.print(f"  {line}", markup=False)


def _seen(correlation: Correlation, index: int) -> str:
    """What the neurons of a point see: a coordinate, or the sign of the residual."""
    if correlation.apart:
        return str(correlation.coordinate(index))
    return f"{correlation.sign(index):+.0f}"


def _orbit(orbit: Orbit | None) -> str:
    """The dimension of the set of points that one stands for, and how many of them were met."""
    if orbit is None:
        return formats.ABSENT
    dimension = "unknown" if orbit.dimension is None else str(orbit.dimension)
    return f"dimension {dimension}, {orbit.members:,} met"


def _layers(correlation: Correlation) -> list[str]:
    """How joint points share their norm among the layers, and how near to rank one each layer is."""

    def each(numbers: Iterable[float | None], digits: int) -> str:
        return " ".join(formats.number(number, digits) for number in numbers)

    lines = []
    for index, layers in enumerate(correlation.layers[:MOST_POINTS]):
        norms = each((layer.norm for layer in layers), 4)
        ratios = each((layer.rank_ratio for layer in layers), 5)
        lines.append(f"{index}: layers ‖W‖ {norms}; ‖W‖₂/‖W‖ {ratios}")
    shares = [layer.expected for layer in correlation.layers[0]] if correlation.layers else []
    if shares and None not in shares:
        lines.append(f"where N ≠ 0, ‖W‖ = √(k/L) by layer: {each(shares, 4)}")
    return lines


def _direction(direction: object) -> str:
    """Up to six components; in the plane u's angle as well."""
    import numpy as np

    w = np.asarray(direction)
    shown = ", ".join(f"{c:.4f}" for c in w[:6]) + (", …" if len(w) > 6 else "")
    angle = f"  {np.degrees(np.arctan2(w[-1], w[-2])):.2f}°" if len(w) in (2, 3) else ""
    return f"({shown}){angle}"


def _neurons(found: Inspection, console: Console) -> None:
    from rich.table import Table

    from workbench.inspector.forecast_words import leaves_at, made_words
    from workbench.inspector.recording import recorded_inspection

    small = [neuron for neuron in found.forecast.neurons if neuron.small]
    if not small or found.correlation is None or found.correlation.joint:
        return
    infinite = float("inf")
    small.sort(key=lambda n: infinite if n.escape_time is None else n.escape_time)
    title = "Small neurons, the first to leave on top"
    if found.forecast.radius is not None:
        title += f" (left: norm {found.forecast.radius:.3g})"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("neuron", "norm", "target", "off by", "rate", "leaves at step", "first"):
        table.add_column(name, justify="right")
    for n in small[:MOST_NEURONS]:
        table.add_row(
            str(n.index),
            formats.number(n.norm),
            formats.count(n.target),
            "" if n.angle_bound is None else f"≤ {n.angle_bound:.1f}°",
            formats.number(n.rate),
            leaves_at(found.step, n.escape_steps, n.escape_steps_low, n.escape_steps_high),
            "" if n.confidence is None else f"{n.confidence:.0%}",
        )
    console.print()
    console.print(f"  {made_words(recorded_inspection(found))}", markup=False)
    console.print()
    console.print(table)
    if len(small) > MOST_NEURONS:
        console.print(f"  and {len(small) - MOST_NEURONS:,} more of {len(small):,} small neurons")


def _whole(found: Inspection, console: Console) -> None:
    from workbench.inspector.whole_forecast import whole_words

    whole = found.forecast.whole
    if whole is not None:
        console.print()
        for sentence in whole_words(whole, found.step):
            console.print(f"  {sentence}", markup=False)


def _units(found: Inspection, console: Console) -> None:
    from rich.table import Table

    units = found.units
    if units is None or not units.found.points:
        return
    title = f"KKT points of one unit (v, u) of {units.layer}, the rest fixed"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("#", "N", "residual"):
        table.add_column(name, justify="right")
    for name in ("kind", "direction"):
        table.add_column(name)
    for index, point in enumerate(units.found.points[:MOST_POINTS]):
        shown = (formats.number(point.value), f"{point.residual:.0e}", point.kind)
        table.add_row(str(index), *shown, _direction(point.direction))
    console.print()
    console.print(table)


def _margin(found: Inspection, console: Console) -> None:
    from rich.table import Table

    margin = found.margin
    if margin is None:
        return
    title = f"KKT conditions of the max-margin problem (P), q_min {formats.number(margin.q_min)}"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("multipliers")
    for name in ("ε", "δ", "‖θ~‖²", "active"):
        table.add_column(name, justify="right")
    scaled = [("", margin.uniform)]
    scaled += [] if margin.layered is None else [(", layers apart", margin.layered)]
    for where, at in scaled:
        for name, pair in (("best", at.best), ("the paper's", at.paper)):
            active = str(int(at.best.active.sum())) if name == "best" else ""
            numbers = (pair.epsilon, pair.delta, at.norm2)
            table.add_row(name + where, *map(formats.number, numbers), active)
    bounds = (margin.epsilon_bound, margin.delta_bound)
    table.add_row("Lemma C.8's bound", *map(formats.number, bounds), "", "")
    if (own := margin.own) is not None:
        for name, multipliers in (("best", own.best), ("the paper's", own.paper)):
            active = str(int(multipliers.active.sum())) if name == "best" else ""
            shown = (multipliers.epsilon, multipliers.delta, own.norm2)
            table.add_row(f"{name} in {own.symbol}", *map(formats.number, shown), active)
    console.print()
    console.print(table)
    point = margin.polished
    if point is not None and point.outcome.converged:
        console.print(
            f"  polished: residual {point.outcome.residual:.0e}, ‖θ‖² {formats.number(point.norm2)}, "
            f"{len(point.active)} active, {point.angle:.3g} rad away; a KKT point, not called optimal"
        )
    elif reason := margin.why_unpolished or (point.outcome.why_not if point is not None else ""):
        console.print(f"  no polished point: {reason}", markup=False)
    if margin.own is not None:
        for sentence in margin.own.sentences():
            console.print(f"  {sentence}", markup=False)
    if margin.limit is not None:
        for sentence in margin.limit.sentences():
            console.print(f"  {sentence}", markup=False)
    for note in margin.notes:
        console.print(f"  {note}", markup=False)
