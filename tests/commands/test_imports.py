"""What a command loads: help is quick, and only what trains or draws brings the heavy libraries."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

import pytest

from tests.commands.conftest import ROOT

HEAVY = ("torch", "textual", "matplotlib", "scipy", "h5py", "rich.table")


def loaded(code):
    report = f"import sys, contextlib\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", report],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def test_the_package_alone_is_light():
    assert loaded("import workbench") == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["claims", "--help"], ["plot", "--help"]])
def test_help_loads_no_heavy_library(arguments):
    code = (
        "from commands.main import main\n"
        f"sys.argv = ['workbench', *{arguments!r}]\n"
        "with contextlib.suppress(SystemExit): main()"
    )
    assert loaded(code) == "[]"


def test_list_and_show_load_no_torch():
    code = (
        "from commands.main import main\n"
        "sys.argv = ['workbench', 'list', '--runs-dir', '/nonexistent/runs']\n"
        "with contextlib.suppress(SystemExit): main()"
    )
    assert "torch" not in loaded(code)


def test_help_takes_less_than_0_4_seconds():
    def seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "commands.main", "--help"]
        subprocess.run(command, capture_output=True, cwd=ROOT, env=os.environ, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert statistics.median(seconds() for _ in range(3)) < 0.4
