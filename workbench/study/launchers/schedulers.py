"""What a scheduler is asked before anything is submitted, so that a wrong word is refused at once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from workbench.config.launcher import (
    BatchTable,
    ClusterTable,
    KubernetesTable,
    LsfTable,
    PbsTable,
    SlurmTable,
)
from workbench.errors import BadInput, clean_text, unknown

PATIENCE = 30.0
"""Seconds to wait for a scheduler's answer."""


def require_scheduler(table: ClusterTable) -> None:
    """Refuse what the scheduler here could not take.

    Raises:
        BadInput: its commands are not here or do not answer; the partition or queue is unknown, or
            gives no job that much time.
    """
    match table:
        case SlurmTable():
            _require_commands(table.kind, "sbatch", "squeue", "scancel", "sinfo")
            _require_partition(table)
        case PbsTable():
            _require_commands(table.kind, "qsub", "qstat", "qdel")
            _require_queue(table.queue, ("qstat", "-Q"), skip=2)
        case LsfTable():
            _require_commands(table.kind, "bsub", "bjobs", "bkill", "bqueues")
            _require_queue(table.queue, ("bqueues",), skip=1)
        case KubernetesTable():
            pass  # its client answers when the first pod is asked for


def _require_commands(kind: str, *names: str) -> None:
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise BadInput(
            f"launcher.kind '{kind}': {missing[0]} is not on the PATH here; needed are "
            f"{', '.join(names)}, which the login nodes of such a cluster have."
        )


def _answer(command: Sequence[str]) -> list[str]:
    """The lines that a command prints."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"{command[0]} does not answer: {clean_text(str(error), 160)}.") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        reason = clean_text(said[-1], 200) if said else f"exit status {done.returncode}"
        raise BadInput(f"{command[0]} does not answer: {reason}")
    return done.stdout.splitlines()


def _require_partition(table: SlurmTable) -> None:
    """One of the partitions that sinfo names, or the default, whose limit the walltime keeps."""
    limits: dict[str, str] = {}
    default = ""
    for line in _answer(("sinfo", "--noheader", "--format", "%P %l")):
        name, _, limit = line.strip().partition(" ")
        default = name.rstrip("*") if name.endswith("*") else default
        limits[name.rstrip("*")] = limit.strip()
    partition = table.partition or default
    if partition not in limits:
        if not partition:
            raise BadInput(
                "this Slurm has no default partition; launcher.partition is needed: "
                f"{clean_text(', '.join(limits))}."
            )
        raise unknown("launcher.partition", partition, limits, "this Slurm")
    most = slurm_seconds(limits[partition])
    if most is not None and table.seconds > most:
        raise BadInput(
            f"launcher.walltime = '{table.walltime}' is more than partition '{partition}' gives a job; "
            f"allowed: up to {clean_text(limits[partition], 40)}."
        )


def slurm_seconds(text: str) -> int | None:
    """A time of Slurm's, days-hours:minutes:seconds with the front left out, in seconds; None: no limit."""
    days, _, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in (*parts, days or "0")):
        return None
    if days:  # after days come hours first, otherwise seconds are last
        parts += ["0"] * (3 - len(parts))
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return 86_400 * int(days or 0) + seconds


def _require_queue(queue: str, command: Sequence[str], skip: int) -> None:
    """One of the queues that a command lists, one a line after some lines of heading."""
    lines = _answer(command)
    if not queue:
        return
    queues = [line.split()[0] for line in lines[skip:] if line.strip()]
    if queue not in queues:
        raise unknown("launcher.queue", queue, queues, "this cluster")


def submit_job(table: BatchTable, command: str, name: str, log: str) -> str:
    """Hand one command to the scheduler as a job of its own; returns the job's number.

    The job has one core and the walltime of a pilot, and writes what it prints to `log`.

    Raises:
        BadInput: the scheduler does not take it, with what it says.
    """
    shell = "\n".join(
        ("#!/bin/bash", *_lines(table, name, log), *table.init, f"exec {command}", "")
    )
    submit = {"slurm": ("sbatch", "--parsable"), "pbs": ("qsub",), "lsf": ("bsub",)}[table.kind]
    done = subprocess.run(
        submit, input=shell, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    said = clean_text((done.stderr or done.stdout).strip(), 300)
    if done.returncode != 0:
        raise BadInput(f"{submit[0]} does not take the job: {said}")
    words = done.stdout.split()
    number = words[1].strip("<>") if table.kind == "lsf" and len(words) > 1 else words[0]
    return number.partition(";")[0]


def _lines(table: BatchTable, name: str, log: str) -> list[str]:
    match table:
        case SlurmTable():
            asked = {"partition": table.partition, "account": table.account, "qos": table.qos}
            return [
                f"#SBATCH --job-name={name}",
                f"#SBATCH --output={log}",
                "#SBATCH --open-mode=append",
                "#SBATCH --ntasks=1",
                f"#SBATCH --time={table.walltime}",
                *(f"#SBATCH --{key}={value}" for key, value in asked.items() if value),
                *table.options,
            ]
        case PbsTable():
            asked = {"q": table.queue, "A": table.account}
            return [
                f"#PBS -N {name[:200]}",
                f"#PBS -o {log}",
                "#PBS -j oe",
                f"#PBS -l walltime={table.walltime}",
                *(f"#PBS -{key} {value}" for key, value in asked.items() if value),
                *table.options,
            ]
        case LsfTable():
            asked = {"q": table.queue, "G": table.account}
            hours, minutes, _ = table.walltime.split(":")
            return [
                f"#BSUB -J {name}",
                f"#BSUB -o {log}",
                f"#BSUB -W {hours}:{minutes}",
                *(f"#BSUB -{key} {value}" for key, value in asked.items() if value),
                *table.options,
            ]
