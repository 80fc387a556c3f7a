"""`workbench staircase`: every drop of the risk, predicted from the start alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import completion, formats
from commands.options import Json, RunsDir, Settings, Trust, runs_folder
from workbench.errors import BadInput, clean_text

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.run.stairs import Came, PredictedStairs, StairsTask
    from workbench.theory.ncf.staircase import Stair

MOST_NEURONS = 3
WITHIN = {True: "yes", False: "no", None: "?"}


def staircase(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[PRESET|FILE.toml|STUDY/MEMBER|RUN]",
            help="Whose start; a run is held against what is predicted of it.",
            autocompletion=completion.sources,
        ),
    ] = "kh24-saddle-to-saddle",
    settings: Settings = None,
    runs_dir: RunsDir = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Predict every drop of the risk from the start alone: order, level, time, and who makes it."""
    from rich.console import Console

    task = _task(source, list(settings or []), runs_folder(runs_dir), trust)
    with _line(as_json, task.pursuing.factor) as told:
        found = task.compute(told=told)
    if as_json:
        import json

        typer.echo(json.dumps(found.as_json()))
        return
    console = Console(highlight=False, soft_wrap=not formats.on_terminal())
    console.print(found.name, markup=False)
    if not found.found.stairs:
        console.print(f"  no drop: {found.found.end}", markup=False)
        return
    _table(found, console)
    console.print(f"  ended: {found.found.end}", markup=False)
    for number, stair in enumerate(found.found.stairs, 1):
        if stair.undecided:
            console.print(f"- Drop {number} is undecided, {stair.undecided}.", markup=False)
    if found.came is not None:
        console.print(f"  {score(found.came)}", markup=False)


def _task(source: str, settings: list[str], folder: Path, trust: bool) -> StairsTask:
    """What to predict: of a configuration, or of a stored run, which is then held against it."""
    from commands.pursue import is_run
    from workbench.record.folder import resolve_run
    from workbench.run.stairs import StairsTask
    from workbench.run.stored import StoredRun
    from workbench.study.member import run_source

    if is_run(source, folder):
        own = resolve_run(source, folder)
        if settings:
            raise BadInput(
                f"run '{clean_text(own.name, 80)}' is predicted as it was configured; --set goes with a "
                "preset or a file."
            )
        with StoredRun(own) as stored:
            return StairsTask.of_run(stored, trust)
    config, _ = run_source(source, settings, folder)
    return StairsTask.of(config, source)


@contextmanager
def _line(quiet: bool, factor: float) -> Iterator[Callable[[float, float], None] | None]:
    """Where the prediction is, beside a spinner, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield None
        return
    with console.status("down the stairs …") as status:

        def told(time: float, risk: float) -> None:
            at, height = formats.number(time / factor), formats.number(risk * factor)
            status.update(f"down the stairs … time {at}, risk {height}")

        yield told


def _table(found: PredictedStairs, console: Console) -> None:
    from rich.table import Table

    table = Table(title="Drops of the risk", title_justify="left", box=None)
    unit = "step" if found.step else "time"
    names = ["#", "risk", "to", unit, "between", "neurons"]
    names += ["N"] if found.came is None else ["run", "within", "order"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for number, stair in enumerate(found.found.stairs):
        came = None if found.came is None else found.came[number]
        table.add_row(*_cells(found, number + 1, stair, came))
    console.print(table)


def _cells(found: PredictedStairs, number: int, stair: Stair, came: Came | None) -> list[str]:
    """A drop's row."""

    def place(time: float) -> str:
        if time != time:
            return formats.ABSENT
        if time == float("inf"):
            return "∞"
        return f"{time / found.step:,.0f}" if found.step else formats.number(time)

    shown = ", ".join(str(k) for k in stair.leaves[:MOST_NEURONS])
    more = ", …" if len(stair.leaves) > MOST_NEURONS else ""
    cells = [
        str(number),
        formats.number(stair.before * found.factor),
        formats.number(stair.after * found.factor),
        place(found.time(stair.time)),
        f"{place(found.time(stair.low))}–{place(found.time(stair.high))}",
        (shown + more) or "active",
    ]
    if came is None:
        cells.append(
            formats.ABSENT if stair.towards is None else formats.number(stair.towards.value)
        )
    else:
        missing = came.time != came.time
        cells += [
            place(came.time),
            formats.ABSENT if missing else WITHIN[came.within],
            formats.ABSENT if came.leaves is None else "yes" if came.in_order else "no",
        ]
    return cells


def score(came: tuple[Came, ...]) -> str:
    """How many drops came, when and in which order, in a sentence."""
    there = [one for one in came if one.time == one.time]
    if not there:
        return "the run has not come to the first of them yet"
    known = [one for one in there if one.leaves is not None]
    untold = sum(one.within is None for one in there)
    coarse = f" ({untold} more may be: records are too far apart to tell)" if untold else ""
    order = f"{sum(one.in_order for one in known)} of {len(known)} by the neurons foreseen"
    return (
        f"of {len(came)} drops {len(there)} came, {sum(one.within is True for one in there)} within the "
        f"interval{coarse}, " + (order if known else "by whom is not known, as θ was not recorded")
    )
