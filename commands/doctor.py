"""`workbench doctor`: is everything here that a run needs?"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from commands import formats
from commands.checks import Check
from commands.doctor_folder import runs_folder_checks
from commands.doctor_kernels import kernels, warm_kernels
from commands.options import Json, RunsDir, runs_folder
from workbench.errors import ExitCode, clean_text

STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}
PACKAGES = ("torch", "numpy", "scipy", "numba", "h5py", "textual", "matplotlib", "xarray")
OLDEST_PYTHON = (3, 11)
SMALLEST_SCREEN = (80, 24)


def doctor(
    runs_dir: RunsDir = None,
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile all kernels now, so that no run waits for it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check versions, device, threads, kernels, terminal, and the file system of the runs folder."""
    if warm:
        warm_kernels()
    checks = [
        python_version(sys.version_info[:3]),
        *packages(),
        hdf5_library(),
        device(),
        threads(os.environ, os.cpu_count() or 1),
        kernels(),
        *runs_folder_checks(runs_folder(runs_dir)),
        *terminal(os.environ, sys.stdout.encoding or "", _screen_size()),
    ]
    if as_json:
        import json

        typer.echo(json.dumps({"checks": [asdict(check) for check in checks]}))
    else:
        _print(checks)
    if any(check.level == "problem" for check in checks):
        raise typer.Exit(int(ExitCode.FAILED))


def _print(checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        level = f"{check.level:<8}"
        if formats.on_terminal():
            level = typer.style(level, fg=STYLES[check.level], bold=check.level == "problem")
        typer.echo(f"{level} {check.name:<{width}}  {check.found}")
        if check.advice:
            typer.echo(f"{'':<8} {'':<{width}}  → {check.advice}")


def python_version(version: tuple[int, ...]) -> Check:
    """Whether Python is new enough."""
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return Check("python", "problem", text, "install Python 3.11 or later.")
    return Check("python", "ok", text)


def packages() -> list[Check]:
    """The versions of what the workbench builds on, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    checks = []
    for name in PACKAGES:
        try:
            checks.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            checks.append(Check(name, "problem", "not installed", f"pip install {name}"))
    return checks


def hdf5_library() -> Check:
    """The HDF5 library that reads and writes runs."""
    from importlib.util import find_spec

    if find_spec("h5py") is None:
        return Check("HDF5", "problem", "h5py is missing", "pip install h5py")
    from workbench.record.library import hdf5_version

    return Check("HDF5", "ok", hdf5_version())


def device() -> Check:
    """The GPU torch sees, if any."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return Check("device", "problem", "torch is missing", "pip install torch")
    import torch

    from workbench.run.device import PAYS

    if torch.cuda.is_available():
        name = clean_text(torch.cuda.get_device_name(0), 60)
        taken = f"device.kind = 'auto' takes it from {PAYS:.0e} operations a step"
        return Check("device", "ok", f"{name}, CUDA {torch.version.cuda}; {taken}")
    if torch.version.cuda is None:
        return Check("device", "ok", "CPU; this torch was built without CUDA")
    return Check("device", "ok", f"CPU; torch has CUDA {torch.version.cuda} but finds no GPU")


def threads(environment: os._Environ[str] | dict[str, str], cores: int) -> Check:
    """Cores, and thread settings that would fight with device.threads."""
    given = environment.get("OMP_NUM_THREADS", "")
    found = f"{cores} cores" + (f", OMP_NUM_THREADS={clean_text(given, 20)}" if given else "")
    if given and not given.isdigit():
        return Check("threads", "warning", found, "set OMP_NUM_THREADS to a number, or unset it.")
    return Check("threads", "ok", found)


def _screen_size() -> tuple[int, int] | None:
    """Columns and lines of the terminal, None where there is none."""
    if not formats.on_terminal():
        return None
    found = os.get_terminal_size(sys.stdout.fileno())
    return found.columns, found.lines


def terminal(
    environment: os._Environ[str] | dict[str, str], encoding: str, screen: tuple[int, int] | None
) -> list[Check]:
    """What the screen will have to draw with: encoding, colours, size."""
    checks = []
    if encoding.lower().replace("-", "") == "utf8":
        checks.append(Check("encoding", "ok", encoding))
    else:
        advice = "set LANG to a UTF-8 locale, such as C.UTF-8: charts are drawn in Unicode."
        checks.append(Check("encoding", "warning", encoding or "unknown", advice))
    if screen is None:
        found = "stdout is no terminal: use --headless, list, show and export"
        return [*checks, Check("terminal", "ok", found)]
    term = clean_text(environment.get("TERM", ""), 40)
    colour = clean_text(environment.get("COLORTERM", ""), 40)
    found = f"TERM={term or '?'}, COLORTERM={colour or '?'}, {screen[0]}×{screen[1]}"
    if term in ("", "dumb"):
        advice = "set TERM, for example to xterm-256color."
        return [*checks, Check("terminal", "problem", found, advice)]
    if screen[0] < SMALLEST_SCREEN[0] or screen[1] < SMALLEST_SCREEN[1]:
        return [*checks, Check("terminal", "warning", found, "enlarge it to 80×24 or more.")]
    if colour not in ("truecolor", "24bit") and "256" not in term:
        advice = "export COLORTERM=truecolor if the terminal has it: 16 colours are shown now."
        return [*checks, Check("terminal", "warning", found, advice)]
    return [*checks, Check("terminal", "ok", found)]
