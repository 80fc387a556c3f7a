"""The `workbench` command: its subcommands, and how errors become a sentence and an exit code."""

from __future__ import annotations

import os
import sys
import threading
from typing import Annotated, Never

import typer

from commands import (
    attach,
    browse,
    claims,
    doctor,
    export,
    fork,
    inspect,
    list_runs,
    model,
    notes,
    optimal,
    plot,
    plot_names,
    presets,
    pursue,
    resume,
    robustness,
    run,
    show,
    staircase,
    sweep,
    table,
)
from commands.channels import lost_output, open_channels
from workbench.errors import ExitCode, WorkbenchError, unknown
from workbench.run import signals

app = typer.Typer(
    name="workbench",
    help="Watch homogeneous neural networks learn: saddles, neuron directions, margins.",
    epilog="Without a command: browse the stored runs. Every command has -h; --debug shows tracebacks.",
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.command("resume")(resume.resume)
app.command("fork")(fork.fork)
app.command("attach")(attach.attach)
app.command("browse")(browse.browse)
app.command("list")(list_runs.list_runs)
app.command("show")(show.show)
app.command("tag", cls=notes.Tags)(notes.tag)
app.command("note")(notes.note)
app.command("inspect")(inspect.inspect)
app.command("pursue")(pursue.pursue)
app.command("staircase")(staircase.staircase)
app.command("robustness")(robustness.robustness)
app.command("table")(table.table)
app.command("optimal")(optimal.optimal)
app.command("export")(export.export)
app.command("plot", help=plot_names.HELP)(plot.plot)
app.command("presets")(presets.presets)
app.command("model")(model.model)
app.command("claims")(claims.claims)
app.command("doctor")(doctor.doctor)


def _version(value: bool) -> None:
    if value:
        from workbench import __version__

        typer.echo(f"workbench {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Watch homogeneous neural networks learn: saddles, neuron directions, margins."""
    if context.invoked_subcommand is None:
        browse.browse()


def _check_command(arguments: list[str]) -> None:
    """Refuse an unknown command with the nearest one."""
    if arguments and not arguments[0].startswith("-"):
        names = [command.name or "" for command in app.registered_commands]
        if arguments[0] not in names:
            raise unknown("command", arguments[0], names)


def main() -> None:
    """Entry point: run a command; errors for people go to stderr in one sentence."""
    open_channels()
    signals.take_over()
    debug = "--debug" in sys.argv
    # Accepted anywhere on the line: who needs it has just seen a command fail.
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        code = _run(arguments)
    except signals.Interrupted:
        code = _interrupted()
    except Exception as error:
        if debug:
            raise
        if signals.first_signal():
            # An import that was cut short raises something of its own.
            code = _interrupted()
        elif isinstance(error, WorkbenchError):
            typer.echo(f"workbench: {error}", err=True)
            code = int(error.exit_code)
        else:
            raise
    _end(code)


def _run(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    try:
        _check_command(arguments)
        app(args=arguments, prog_name="workbench")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(ExitCode.DONE)
    return int(ExitCode.DONE)


def _interrupted() -> int:
    typer.echo(f"workbench: interrupted by {signals.first_signal()}.", err=True)
    return int(ExitCode.INTERRUPTED)


def _end(code: int) -> Never:
    """End the process with its exit code, and say so if what was printed did not arrive."""
    signals.ignore()
    lost = lost_output()
    if lost:
        typer.echo(f"workbench: {lost}.", err=True)
        code = code or int(ExitCode.FAILED)
    sys.stderr.flush()
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    if signals.first_signal() or not all(thread.daemon for thread in others):
        # A look that nobody waits for would hold the process; a half-made import cannot end in order.
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
