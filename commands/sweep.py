"""`workbench sweep`: one configuration with many choices for some of its keys, run as a study."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import completion
from commands.options import Json, RunsDir, Settings, runs_folder
from workbench.errors import BadInput

if TYPE_CHECKING:
    from workbench.config.study import StudyConfig
    from workbench.study.cost import Cost
    from workbench.study.grid import Grid

UNASKED = 100_000
"""Members of a study that nobody has to say yes to."""


def sweep(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PRESET|FILE.toml",
            help="A run, or a study with [grid].",
            autocompletion=completion.sources,
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=CHOICES]...",
            help="Choices for a key: 'init.scale=1e-1,1e-2', 'init.seed=range(0,1000)' (the end "
            "excluded), 'model.widths=[8,8],[16,16]'.",
        ),
    ] = None,
    together: Annotated[
        list[str] | None,
        typer.Option("--zip", metavar="KEY=CHOICES", help="Keys whose choices go together."),
    ] = None,
    settings: Settings = None,
    name: Annotated[str, typer.Option("--name", help="Name of the study.")] = "",
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Shards at a time on this machine.")
    ] = None,
    launcher: Annotated[
        str,
        typer.Option(
            "--on",
            help="local, slurm, pbs, lsf, kubernetes, or a name in ~/.config/workbench/launchers.toml.",
        ),
    ] = "",
    keep: Annotated[
        str | None, typer.Option("--keep", help="Series kept of every member, with commas.")
    ] = None,
    finish: Annotated[
        str | None, typer.Option("--finish", help="Asked of every end: inspect, optimal.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will cost, and run nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help=f"Also more than {UNASKED:,} members.")
    ] = False,
    detached: Annotated[
        bool,
        typer.Option(
            "--detach", help="Drive it in a session or job of its own, and come back at once."
        ),
    ] = False,
    runs_dir: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Run one configuration with many choices for some of its keys; it says first what that will cost."""
    from commands.patience import patience, wait_for
    from workbench.engine.programs.first_use import shown_by
    from workbench.study.cost import cost_of
    from workbench.study.grid import grid_of
    from workbench.study.plan import plan_of
    from workbench.study.source import load_study

    changes = list(settings or [])
    for key, given in (("study.keep", keep), ("study.finish", finish)):
        if given is not None:
            changes.append(f"{key}={json.dumps(_names(given))}")
    if name:
        from workbench.record.folder import validate_name

        validate_name(name)
        changes.append(f"name={json.dumps(name, ensure_ascii=False)}")
    study = _with_jobs(load_study(source, words or [], together or [], changes, launcher), jobs)
    grid = grid_of(study)
    if not grid.dimensions:
        raise BadInput(
            f"there is nothing to choose from in {source}; name a key and its choices, as "
            "'init.seed=range(0,100)', or give the file a [grid]."
        )
    _require_yes(grid, yes)
    if not dry_run:
        from workbench.study.launchers.choose import require_launcher

        require_launcher(study.launcher, detached=detached)
    with patience(f"workbench: checking {grid.count:,} members"):
        plan = plan_of(study, grid)
    with shown_by(wait_for):
        cost = cost_of(study, plan)
    if dry_run:
        typer.echo(json.dumps(as_table(study, grid, cost)) if as_json else cost.sentence)
        return
    typer.echo(f"workbench: {cost.sentence}", err=True)
    from commands.drive_study import detach, drive_headless
    from workbench.study.create import create_study

    folder = create_study(study, runs_folder(runs_dir), plan)
    if detached:
        detach(folder)
    else:
        drive_headless(folder, as_json)


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _with_jobs(study: StudyConfig, jobs: int | None) -> StudyConfig:
    if jobs is None:
        return study
    kind = study.launcher.kind
    if kind != "local":
        raise BadInput(
            f"--jobs is for worker processes of this machine, and launcher.kind is '{kind}'; how much it "
            "runs at a time say launcher.pilots, launcher.nodes and launcher.workers, set with --set."
        )
    return replace(study, launcher=study.launcher.model_copy(update={"jobs": jobs}))


def _require_yes(grid: Grid, yes: bool) -> None:
    if grid.count > UNASKED and not yes:
        product = " × ".join(f"{length:,}" for length in grid.shape)
        raise BadInput(
            f"the grid has {product} = {grid.count:,} members; more than {UNASKED:,} are run with --yes."
        )


def as_table(study: StudyConfig, grid: Grid, cost: Cost) -> dict[str, Any]:
    """What `--dry-run --json` prints; seconds and bytes are estimates."""
    return {
        "name": study.name,
        "dimensions": {dimension.name: len(dimension) for dimension in grid.dimensions},
        "members": cost.members,
        "shards": cost.shards,
        "jobs": cost.jobs,
        "seconds": float(f"{cost.seconds:.3g}"),
        "core_seconds": float(f"{cost.core_seconds:.3g}"),
        "bytes": cost.file_bytes,
    }
