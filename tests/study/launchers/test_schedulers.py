"""What a scheduler is asked before anything is submitted; here they are scripts that answer alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.config.launcher import LsfTable, PbsTable, SlurmTable
from workbench.errors import BadInput, ExitCode
from workbench.study.launchers.schedulers import require_scheduler, slurm_seconds, submit_driver

SINFO = "echo 'short*  1:00:00'; echo 'long 7-00:00:00'; echo 'free  infinite'"
QSTAT = "printf 'Queue  Max\\n------ ---\\nworkq   0\\nbig     0\\n'"
BQUEUES = "printf 'QUEUE_NAME PRIO\\nnormal      30\\n'"


def slurm(**keys: Any) -> SlurmTable:
    return SlurmTable(kind="slurm", **keys)


def refused(table: Any) -> str:
    with pytest.raises(BadInput) as error:
        require_scheduler(table)
    assert error.value.exit_code == ExitCode.BAD_INPUT
    return str(error.value)


@pytest.mark.parametrize(
    ("table", "first"),
    [
        (slurm(), "sbatch"),
        (PbsTable(kind="pbs"), "qsub"),
        (LsfTable(kind="lsf"), "bsub"),
    ],
)
def test_a_scheduler_that_is_not_here_is_named(commands: Any, table: Any, first: str) -> None:
    assert f"launcher.kind '{table.kind}': {first} is not on the PATH here" in refused(table)


def test_partitions_and_their_limits(commands: Any) -> None:
    commands(sbatch="", squeue="", scancel="", sinfo=SINFO)
    for table in (
        slurm(),
        slurm(partition="long", walltime="168:00:00"),
        slurm(partition="free", walltime="999:00:00"),
    ):
        require_scheduler(table)
    message = refused(slurm(partition="lnog"))
    assert "unknown launcher.partition 'lnog' in this Slurm; allowed: free, long, short." in message
    assert "Did you mean 'long'?" in message
    message = refused(slurm(walltime="01:00:01"))
    assert "more than the default partition gives a job; allowed: up to 1:00:00." in message


def test_a_slurm_without_a_default_partition_asks_for_one(commands: Any) -> None:
    commands(sbatch="", squeue="", scancel="", sinfo="echo 'long 7-00:00:00'")
    assert "launcher.partition is needed: long" in refused(slurm())


def test_a_scheduler_that_does_not_answer_says_why(commands: Any) -> None:
    commands(
        sbatch="", squeue="", scancel="", sinfo="echo 'no socket to the controller' >&2; exit 1"
    )
    assert refused(slurm()) == "sinfo does not answer: no socket to the controller"


def test_queues(commands: Any) -> None:
    commands(qsub="", qstat=QSTAT, qdel="", bsub="", bjobs="", bkill="", bqueues=BQUEUES)
    require_scheduler(PbsTable(kind="pbs"))
    require_scheduler(PbsTable(kind="pbs", queue="big"))
    require_scheduler(LsfTable(kind="lsf", queue="normal"))
    assert "allowed: big, workq." in refused(PbsTable(kind="pbs", queue="huge"))
    assert "allowed: normal." in refused(LsfTable(kind="lsf", queue="night"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("infinite", None),
        ("30:00", 1800),
        ("1:00:00", 3600),
        ("7-00:00:00", 604800),
        ("2-12", 216000),
        ("15", 15),
    ],
)
def test_slurm_s_times(text: str, seconds: int | None) -> None:
    assert slurm_seconds(text) == seconds


@pytest.mark.parametrize(
    ("table", "command", "said", "line"),
    [
        (slurm(partition="p", account="a"), "sbatch", "17;cluster", "#SBATCH --partition=p"),
        (PbsTable(kind="pbs", queue="q"), "qsub", "17.host", "#PBS -q q"),
        (LsfTable(kind="lsf", queue="q"), "bsub", "Job <17> is submitted to q.", "#BSUB -q q"),
    ],
)
def test_a_command_as_a_job_of_its_own(
    commands: Any, tmp_path: Path, table: Any, command: str, said: str, line: str
) -> None:
    commands(**{command: f"cat > {tmp_path}/script; echo '{said}'"})
    number = submit_driver(table, "workbench resume x", "study", "/a/log")
    assert number.partition(".")[0] == "17"
    script = (tmp_path / "script").read_text().splitlines()
    assert script[0] == "#!/bin/bash"
    assert line in script
    assert script[-1] == "exec workbench resume x"


def test_a_job_that_is_not_taken_says_why(commands: Any) -> None:
    commands(sbatch="echo 'sbatch: error: Invalid account' >&2; exit 1")
    with pytest.raises(BadInput, match=r"sbatch does not take the job: .*Invalid account"):
        submit_driver(slurm(account="x"), "workbench resume x", "study", "/a/log")
