"""`workbench table`: runs at chosen points of their training, LL20's Table 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands import formats
from commands.options import Json, RunsDir, runs_folder
from workbench.errors import clean_text

if TYPE_CHECKING:
    from workbench.run.milestones import Milestone

HEAD = ("at", "epochs", "train loss", "margin", "train acc", "test acc")
MARGINS = {
    "margin_multi": "margin: γ̄_m, the smallest over the product of the layers' norms",
    "margin_normalized": "margin: γ̄, the smallest over ‖θ‖^L",
}


def table(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Runs: an id, a unique prefix, a name, a path, or 'last'."
        ),
    ],
    at: Annotated[
        str,
        typer.Option(
            "--at",
            help="Where to look, with commas between: a number of epochs (38), the first time the average "
            "training loss is below a power of ten (1e-10), the end (last). Else LL20 Table 1's.",
        ),
    ] = "",
    runs_dir: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Epochs, training loss, normalized margin, training and test accuracy at chosen points of runs.

    An epoch is one pass over the samples; under the loss-based rate one that is taken back and run again
    counts each time. Test accuracy is that of the samples held out by [data.test].
    """
    from dataclasses import asdict

    from workbench.record.folder import resolve_run
    from workbench.run.milestones import DEFAULT, milestones, places
    from workbench.run.stored import StoredRun

    wanted = places(at or DEFAULT)
    folders = [resolve_run(run, runs_folder(runs_dir)) for run in runs]
    found: dict[str, list[Milestone]] = {}
    for folder in folders:
        with StoredRun(folder) as stored:
            found[folder.name] = milestones(stored, wanted)
    if as_json:
        import json

        tables = [{"run": run, "rows": [asdict(r) for r in rows]} for run, rows in found.items()]
        typer.echo(json.dumps({"tables": formats.finite(tables)}))
    else:
        typer.echo("\n\n".join("\n".join(as_lines(run, rows)) for run, rows in found.items()))


def as_lines(run: str, rows: list[Milestone]) -> list[str]:
    """The run's table as text; a dash where it never came, or recorded nothing."""
    of = next((row.margin_of for row in rows if row.margin_of), None)
    cells = [
        [
            row.place,
            formats.number(row.epochs, 6),
            formats.ABSENT if row.log10_loss is None else f"10^{row.log10_loss:.2f}",
            formats.number(row.margin, 3),
            _percent(row.train_accuracy),
            _percent(row.test_accuracy),
        ]
        for row in rows
    ]
    text = formats.plain_table(HEAD, cells, set(range(1, len(HEAD))))
    return [clean_text(run), text, *([MARGINS[of]] if of else [])]


def _percent(share: float | None) -> str:
    return formats.ABSENT if share is None else f"{100 * share:.1f} %"
