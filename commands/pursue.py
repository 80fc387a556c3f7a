"""`workbench pursue`: the saddles that gradient flow from tiny weights visits, one neuron after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import completion, formats
from commands.options import (
    Headless,
    Json,
    RunsDir,
    Settings,
    Trust,
    runs_folder,
    screen_wanted,
)
from commands.replacing import Yes, require_leave
from workbench.errors import BadInput, clean_text

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.record.pursuit_file import KeptPursuit, RunBeside
    from workbench.run.pursued import Options, PursuitTask
    from workbench.theory.ncf.pursuit import Added, Stage

DELTA, WITHIN, FITTED = 1e-6, 0.01, 1e-6
MOST_DIRECTION = 4


def pursue(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[PRESET|FILE.toml|STUDY/MEMBER|RUN|PURSUIT.json]",
            help="Whose network and data; a run is put beside the stages. PURSUIT.json: one kept before.",
            autocompletion=completion.sources,
        ),
    ] = "kh24-saddle-to-saddle",
    settings: Settings = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RUN",
            help="Put this run's nearest approach to every stage beside it.",
            autocompletion=completion.runs,
        ),
    ] = None,
    delta: Annotated[
        float, typer.Option("--delta", min=1e-100, max=0.1, help="Norm of an added neuron.")
    ] = DELTA,
    within: Annotated[
        float,
        typer.Option(
            "--within", min=0.0, max=1.0, help="Share of N below the best to add as well."
        ),
    ] = WITHIN,
    fitted: Annotated[
        float,
        typer.Option("--fitted", min=0.0, max=1.0, help="Share of the risk at 0 that is fitted."),
    ] = FITTED,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.json", help="Keep the stages in a file."),
    ] = None,
    yes: Yes = False,
    runs_dir: RunsDir = None,
    trust: Trust = False,
    headless: Headless = False,
    as_json: Json = False,
) -> None:
    """Neuron pursuit: from saddle to saddle along the residual's best KKT point, without the waiting."""
    if output is not None:
        if output.suffix != ".json":
            shown = clean_text(str(output), 80)
            raise BadInput(f"--output '{shown}' does not end in .json; allowed: a name that does.")
        require_leave(output, yes)
    if source.endswith(".json"):
        from workbench.record.pursuit_file import read_pursuit

        if settings or against or output:
            raise BadInput(
                f"'{clean_text(source, 80)}' is shown as it was kept; --set, --against and --output do not "
                "go with it."
            )
        _open(read_pursuit(Path(source).expanduser()), headless, as_json)
        return
    from workbench.run.pursued import Options

    how = Options(delta, within, fitted, trust)
    task = _task(source, list(settings or []), runs_folder(runs_dir), against, how)
    if screen_wanted(headless or as_json):
        from workbench.tui.app import WorkbenchApp, run_app

        run_app(WorkbenchApp.to_pursue(task, output, runs_folder(runs_dir)))
        return
    with _line(as_json, task.pursuing.factor) as told:
        kept = task.compute(told=told)
    if output is not None:
        from workbench.record.pursuit_file import write_pursuit

        write_pursuit(output, kept)
    _show(kept, as_json)


def _open(kept: KeptPursuit, headless: bool, as_json: bool) -> None:
    """A pursuit that was kept, on the screen or as tables."""
    if screen_wanted(headless or as_json):
        from workbench.record.folder import default_runs_dir
        from workbench.tui.app import WorkbenchApp, run_app

        run_app(WorkbenchApp.to_pursue(kept, None, default_runs_dir()))
        return
    _show(kept, as_json)


def _task(
    source: str,
    settings: list[str],
    runs_dir: Path,
    against: str | None,
    how: Options,
) -> PursuitTask:
    """What to pursue: a configuration, or that of a stored run, which is then put beside the stages."""
    from workbench.record.folder import resolve_run
    from workbench.run.pursued import PursuitTask
    from workbench.run.pursuing import Pursuing
    from workbench.run.stored import StoredRun, require_trust

    run = None if against is None else resolve_run(against, runs_dir)
    if is_run(source, runs_dir):
        own = resolve_run(source, runs_dir)
        if settings:
            raise BadInput(
                f"run '{clean_text(own.name, 80)}' is pursued as it was configured; --set goes with a preset "
                "or a file."
            )
        with StoredRun(own) as stored:
            require_trust(stored.config.own_classes, how.trust, own.name)
            pursuing = Pursuing.of(stored.config.for_looking(), own.name, stored.dataset)
        return PursuitTask(pursuing, how, run or own)
    from workbench.study.member import run_source

    config, _ = run_source(source, settings, runs_dir)
    return PursuitTask(Pursuing.of(config, source), how, run)


def is_run(source: str, runs_dir: Path) -> bool:
    """Whether a word names a stored run and neither a preset nor a file."""
    from workbench.presets import preset_names, study_names
    from workbench.record.folder import resolve_run

    if source.endswith(".toml") or source in preset_names() or source in study_names():
        return False
    try:
        resolve_run(source, runs_dir)
    except BadInput:
        return False
    return True


@contextmanager
def _line(quiet: bool, factor: float) -> Iterator[Callable[[Stage], None] | None]:
    """Every stage as a line on stderr once it is known, beside a spinner where that is a terminal."""
    if quiet:
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    count = 0

    def told(stage: Stage) -> None:
        nonlocal count
        leaves = "the last"
        if stage.added:
            leaves = f"N {formats.number(stage.highest)}, {len(stage.added)} leave"
        risk = formats.number(stage.risk * factor)
        console.print(
            f"stage {count}: risk {risk}, {len(stage.weights)} neurons; {leaves}", markup=False
        )
        count += 1

    if not console.is_terminal:
        yield told
        return
    with console.status("to the next stationary point …"):
        yield told


def _show(kept: KeptPursuit, as_json: bool) -> None:
    """The document, or tables of the stages and of the run beside them."""
    if as_json:
        import json

        typer.echo(json.dumps(kept.as_json()))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=not formats.on_terminal())
    console.print(kept.name, markup=False)
    _stages(kept, console)
    console.print(f"  ended: {kept.end}", markup=False)
    lacking = [stage for stage in kept.stages if not stage.complete]
    if lacking:
        console.print(f"- A better neuron may have been missed: {lacking[0].reason}.", markup=False)
    else:
        console.print("  every search was complete: no neuron climbs faster than those added")
    if kept.beside is not None:
        _beside(kept, kept.beside, console)


def _stages(kept: KeptPursuit, console: Console) -> None:
    from rich.table import Table

    table = Table(title="Stationary points, and who leaves them", title_justify="left", box=None)
    for name in ("#", "log10 risk", "neurons", "rest", "N", "residual", "leave"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("complete", no_wrap=True)
    table.add_column("direction")
    for index, stage in enumerate(kept.stages):
        first = stage.added[0] if stage.added else None
        table.add_row(
            str(index),
            formats.number(kept.log10_risk(stage)),
            str(len(stage.weights)),
            f"{stage.slope:.0e}",
            formats.number(first.value if first else stage.highest),
            f"{first.residual:.0e}" if first else formats.ABSENT,
            str(len(stage.added)),
            "yes" if stage.complete else "no",
            direction(kept.kind, first) if first else formats.ABSENT,
        )
    console.print()
    console.print(table)


def direction(kind: str, added: Added) -> str:
    """The output's sign, and u: its angle in the plane, else its first components."""
    import numpy as np

    w = added.direction
    two_layer = kind == "two-layer-relu"
    sign = "−" if (w[0] if two_layer else added.sign) < 0 else "+"
    u = (w[1:] if two_layer else w) / max(float(np.linalg.norm(w[1:] if two_layer else w)), 1e-300)
    if len(u) == 2:
        return f"{sign} {np.degrees(np.arctan2(u[1], u[0])):.2f}°"
    shown = ", ".join(f"{c:.3f}" for c in u[:MOST_DIRECTION])
    return f"{sign} ({shown}{', …' if len(u) > MOST_DIRECTION else ''})"


def _beside(kept: KeptPursuit, beside: RunBeside, console: Console) -> None:
    """The run's nearest approach to every stage."""
    from rich.table import Table

    title = f"Nearest approach of run {clean_text(beside.run, 80)}"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("#", "step", "log10 risk", "stage's", "‖Φ − Φ_stage‖/‖y‖", "off by", "lacks"):
        table.add_column(name, justify="right")
    rows = zip(kept.stages, beside.visits, beside.step, strict=True)
    for index, (stage, visit, step) in enumerate(rows):
        risk = log10_of(visit.risk * kept.factor)
        table.add_row(
            str(index),
            f"{step:,}",
            formats.number(risk),
            formats.number(kept.log10_risk(stage)),
            f"{visit.distance:.2g}",
            _degrees(visit.angle),
            _degrees(visit.lacking),
        )
    console.print()
    console.print(table)
    order = "in their order" if beside.in_order else "not in their order"
    found = ", ".join(f"{step:,}" for step in beside.saddles) or "none"
    console.print(f"  passed {order}; saddles that the run found itself: {found}")


def log10_of(value: float) -> float:
    """log₁₀, −∞ for 0."""
    from math import inf, log10

    return log10(value) if value > 0.0 else -inf


def _degrees(angle: float) -> str:
    """An angle, a dash where there is none."""
    return formats.ABSENT if angle != angle else f"{angle:.1f}°"
