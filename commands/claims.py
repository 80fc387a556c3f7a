"""`workbench claims`: the papers' statements as checks that run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import formats
from commands.options import Json, RunsDir, runs_folder
from workbench.errors import ExitCode

if TYPE_CHECKING:
    from workbench.claims.claim import Check, Claim, Result

STYLES = {
    "holds": "green",
    "holds corrected": "green",
    "fails": "bold red",
    "not testable here": "yellow",
}
WIDTH = 100


def claims(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PAPER|ID]...", help="Which; all without.")
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List them, run nothing.")] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick/--full", help="A small size, or the paper's own, which is the default."
        ),
    ] = False,
    runs_dir: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Run the papers' claims: what was measured, the bound, the verdict; exit code 3 if one fails."""
    from workbench.claims.registry import select

    chosen = select(names or [])
    if only_list:
        _list(chosen, as_json)
        return
    results = _run(chosen, runs_folder(runs_dir), quick, quiet=as_json)
    if as_json:
        import json

        typer.echo(json.dumps({"claims": [as_table(r, figure) for r, figure in results]}))
    elif len(results) > 1:
        typer.echo("\n".join(summary([result for result, _ in results])))
    if any(result.failed for result, _ in results):
        raise typer.Exit(int(ExitCode.CLAIM_FAILED))


def _list(chosen: list[Claim], as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps({"claims": [described(claim) for claim in chosen]}))
        return
    import textwrap

    for claim in chosen:
        head = f"{claim.id}  {claim.place}"
        text = textwrap.fill(claim.statement, WIDTH, initial_indent="  ", subsequent_indent="  ")
        typer.echo(f"{head}\n{text}")


def _run(
    chosen: list[Claim], runs_dir: Path, quick: bool, *, quiet: bool
) -> list[tuple[Result, Path | None]]:
    """Run one after the other; each is printed when it is done unless `quiet`."""
    from workbench.claims.sessions import run_claim, save_claim_figure

    results: list[tuple[Result, Path | None]] = []
    for claim in chosen:
        with _progress(claim.id) as report:
            result = run_claim(claim, runs_dir, "quick" if quick else "full", report)
            figure = save_claim_figure(result)
        results.append((result, figure))
        if not quiet:
            _print(result, figure)
    return results


def summary(results: list[Result]) -> list[str]:
    """A line a claim: its verdict and how long it took; and the whole."""
    rows = [[r.claim.id, r.verdict, f"{r.seconds:,.1f}"] for r in results]
    failed = sum(result.failed for result in results)
    total = sum(result.seconds for result in results)
    rows.append([f"{len(results)} claims", f"{failed} fail", f"{total:,.1f}"])
    return [formats.plain_table(["claim", "verdict", "seconds"], rows, {2})]


def described(claim: Claim) -> dict[str, Any]:
    """A claim as JSON values, before it is run."""
    return {
        "id": claim.id,
        "paper": claim.paper,
        "place": claim.place,
        "statement": claim.statement,
        "method": claim.method,
    }


def as_table(result: Result, figure: Path | None) -> dict[str, Any]:
    """A claim as JSON values, after it was run."""
    table = {
        **described(result.claim),
        "verdict": result.verdict,
        "measured": {check.quantity: check.measured for check in result.checks},
        "bound": {check.quantity: f"{check.relation} {check.bound:g}" for check in result.checks},
        "holds": {check.quantity: check.holds for check in result.checks},
        "observed": dict(result.observed),
        "note": result.note,
        "seconds": round(result.seconds, 3),
        "run": None if result.run is None else str(result.run),
        "figure": None if figure is None else str(figure),
    }
    finite: dict[str, Any] = formats.finite(table)
    return finite


def _print(result: Result, figure: Path | None) -> None:
    """The claim's verdict, its checks as a table, and what it left behind."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(width=None if formats.on_terminal() else WIDTH, highlight=False)
    claim = result.claim
    head = Text.assemble(
        (claim.id, "bold"),
        "  ",
        (result.verdict, STYLES[result.verdict]),
        "  ",
        claim.place,
        (f"  {result.seconds:,.1f} s", "dim"),
    )
    console.print(head)
    console.print(Padding(Text(claim.statement), (0, 0, 0, 2)))
    if result.checks:
        console.print(_checks(result))
    if result.note:
        title = "not testable: " if result.verdict == "not testable here" else "erratum: "
        console.print(Padding(Text(title + result.note, style="italic"), (0, 0, 0, 2)))
    for name, path in (("run", result.run), ("figure", figure)):
        if path is not None:
            console.print(f"  {name}  {path}", soft_wrap=True, markup=False)
    console.print()


def _checks(result: Result) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=True, header_style="dim", padding=(0, 1))
    for title, side in (("", "left"), ("measured", "right"), ("bound", "left"), ("", "left")):
        table.add_column(title, justify="right" if side == "right" else "left")
    for check in result.checks:
        mark = Text("holds", "green") if check.holds else Text("fails", "bold red")
        table.add_row(f" {check.quantity}", _value(check), _bound(check), mark)
    for name, value in result.observed.items():
        table.add_row(Text(f" {name}", "dim"), Text(formats.number(value), "dim"), "", "")
    return table


def _value(check: Check) -> str:
    return f"{formats.number(check.measured, 3)}{check.unit}"


def _bound(check: Check) -> str:
    return f"{check.relation} {check.bound:.3g}{check.unit}"


@contextmanager
def _progress(name: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr for the run in training; a line a run where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda run, done: typer.echo(f"{name}: {run} done", err=True) if done >= 1.0 else None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        yield lambda run, done: progress.update(task, description=run, completed=done)
