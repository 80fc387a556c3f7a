"""Why no pilot comes to life: what Parsl hands on of the scheduler's words, as one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.study.launchers.parsl import why_no_pilot

MISSING = "\tJob is marked as MISSING since the workers failed to register to the executor.\n"
NO_PYTHON = "\tSTDERR: 0: /a/cmd_x.sh: line 1: /no/python: No such file or directory\n"
TRACE = '\tSTDERR: 0: Traceback (most recent call last):\n0:   File "x"\n0: ImportError: no zmq\n'
REFUSED = (
    "\tFailed to start block 1: Cannot launch job x: Could not read job ID from submit command standard "
    "output; recode=1, stdout=, stderr={}\n"
)


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (MISSING, "its job ends before it reports"),
        (
            MISSING + NO_PYTHON + "srun: error: vm: task 0: Exited with exit code 127\n",
            "/no/python: No such file or directory",
        ),
        (MISSING + TRACE, "ImportError: no zmq"),
        (
            REFUSED.format("sbatch: unrecognized option '--nosuch'\nTry \"sbatch --help\""),
            "sbatch: unrecognized option '--nosuch'",
        ),
        (
            REFUSED.format("sbatch: hello\nsbatch: error: Invalid account"),
            "sbatch: error: Invalid account",
        ),
    ],
)
def test_the_last_pilot_s_own_words(last: str, why: str) -> None:
    error = RuntimeError(f"Executor pilots failed due to: Error 1:\n\tfoo\nError 2:\n{last}\n")
    expected = f"no pilot comes to life: {why}; what they print is in /a/b."
    assert why_no_pilot(error, Path("/a/b")) == expected
