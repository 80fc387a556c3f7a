"""What the slow tests run in processes of their own can be imported: else only a slow test would say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_every_script_of_the_slow_tests_finds_what_it_imports() -> None:
    names = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_"))
    assert {"fault_runs", "kill_runs", "read_actions", "read_runs"} <= set(names)
    paths = [str(HERE), str(ROOT), str(ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(names)}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
