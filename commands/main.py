"""The `workbench` command: its subcommands, and how errors become a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from commands import (
    browse,
    claims,
    doctor,
    export,
    fork,
    inspect,
    list_runs,
    model,
    optimal,
    plot,
    presets,
    resume,
    robustness,
    run,
    show,
)
from workbench.errors import ExitCode, WorkbenchError, unknown

app = typer.Typer(
    name="workbench",
    help="Watch homogeneous neural networks learn: saddles, neuron directions, margins.",
    epilog="Without a command: browse the stored runs. Every command has --help; --debug shows tracebacks.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("run")(run.run)
app.command("resume")(resume.resume)
app.command("fork")(fork.fork)
app.command("browse")(browse.browse)
app.command("list")(list_runs.list_runs)
app.command("show")(show.show)
app.command("inspect")(inspect.inspect)
app.command("robustness")(robustness.robustness)
app.command("optimal")(optimal.optimal)
app.command("export")(export.export)
app.command("plot")(plot.plot)
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
    debug = "--debug" in sys.argv
    # Accepted anywhere on the line: who needs it has just seen a command fail.
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        _check_command(arguments)
        app(args=arguments, prog_name="workbench")
    except WorkbenchError as error:
        if debug:
            raise
        typer.echo(f"workbench: {error}", err=True)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        if debug:
            raise
        typer.echo("workbench: interrupted.", err=True)
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        # The reader of our output went away (`workbench list | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitCode.DONE))


if __name__ == "__main__":
    main()
