"""What a scheduler is asked before anything is submitted, so that a wrong word is refused at once."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from workbench.config.launcher import (
    LONGEST_GRACE,
    BatchTable,
    ClusterTable,
    KubernetesTable,
    LsfTable,
    PbsTable,
    SlurmTable,
    seconds_of,
)
from workbench.errors import BadInput, clean_text, unknown

PATIENCE = 30.0
"""Seconds to wait for a scheduler's answer."""


def require_scheduler(table: ClusterTable, *, detached: bool = False) -> None:
    """Refuse what the scheduler here could not take; `detached`: the driver is to be a job, too.

    Raises:
        BadInput: its commands are not here or do not answer; the partition or queue is unknown, or
            gives no job that much time.
    """
    match table:
        case SlurmTable():
            _require_commands(table.kind, "sbatch", "squeue", "scancel", "sinfo")
            limit = _limit_of_partition(table)
            for key in ("walltime", "driver_walltime") if detached else ("walltime",):
                _require_within(limit, key, getattr(table, key), table.partition)
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


def _limit_of_partition(table: SlurmTable) -> str:
    """The time that the partition, or the default one, gives a job; refuses one that sinfo does not name."""
    limits: dict[str, str] = {}
    default = ""
    for line in _answer(("sinfo", "--noheader", "--format", "%P %l")):
        name, _, limit = line.strip().partition(" ")
        default = name.rstrip("*") if name.endswith("*") else default
        limits[name.rstrip("*")] = limit.strip()
    partition = table.partition or default
    if not partition:
        raise BadInput(
            "this Slurm has no default partition; launcher.partition is needed: "
            f"{clean_text(', '.join(limits))}."
        )
    if partition not in limits:
        raise unknown("launcher.partition", partition, limits, "this Slurm")
    return limits[partition]


def _require_within(limit: str, key: str, walltime: str, partition: str) -> None:
    most = slurm_seconds(limit)
    if most is not None and seconds_of(walltime) > most:
        where = f"partition '{partition}'" if partition else "the default partition"
        raise BadInput(
            f"launcher.{key} = '{walltime}' is more than {where} gives a job; "
            f"allowed: up to {clean_text(limit, 40)}."
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


def submit_driver(table: BatchTable, command: str, name: str, log: str) -> str:
    """Hand a driver's command to the scheduler as a job of its own; returns the job's number.

    The job has one core and `driver_walltime`, starts in this process's folder, is warned before its end, and
    writes what it prints to `log`.

    Raises:
        BadInput: the scheduler does not take it, with what it says.
    """
    here = f"cd {shlex.quote(os.getcwd())}"
    lines = (
        "#!/bin/bash",
        *_asked(table, name, log),
        _FORGET,
        here,
        *table.init,
        f"exec {command}",
    )
    submit = {"slurm": ("sbatch", "--parsable"), "pbs": ("qsub",), "lsf": ("bsub",)}[table.kind]
    try:
        done = subprocess.run(
            submit, input="\n".join((*lines, "")), capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"{submit[0]} does not answer: {clean_text(str(error), 160)}.") from error
    words = done.stdout.split()
    if done.returncode != 0 or not words:
        said = clean_text((done.stderr or done.stdout).strip(), 300)
        raise BadInput(f"{submit[0]} does not take the job: {said}")
    number = words[1].strip("<>") if table.kind == "lsf" and len(words) > 1 else words[0]
    return number.partition(";")[0]


# The pilots' jobs are to know nothing of the driver's: what it was given is not theirs.
_FORGET = 'for name in "${!SLURM_@}"; do [ "$name" = SLURM_CONF ] || unset "$name"; done'


def _asked(table: BatchTable, name: str, log: str) -> list[str]:
    """The lines of a batch script that say what its job is to have."""
    time = table.driver_walltime
    match table:
        case SlurmTable():
            given = {"partition": table.partition, "account": table.account, "qos": table.qos}
            return [
                *(f"#SBATCH --job-name={name}", f"#SBATCH --output={log}"),
                *("#SBATCH --open-mode=append", "#SBATCH --ntasks=1", f"#SBATCH --time={time}"),
                f"#SBATCH --signal=B:USR1@{LONGEST_GRACE}",
                *(f"#SBATCH --{key}={value}" for key, value in given.items() if value),
                *table.options,
            ]
        case PbsTable():
            given = {"q": table.queue, "A": table.account}
            return [
                *(f"#PBS -N {name}", f"#PBS -o {log}", "#PBS -j oe", f"#PBS -l walltime={time}"),
                *(f"#PBS -{key} {value}" for key, value in given.items() if value),
                *table.options,
            ]
        case LsfTable():
            given = {"q": table.queue, "G": table.account}
            limit = time.rpartition(":")[0]
            return [
                *(f"#BSUB -J {name}", f"#BSUB -o {log}", f"#BSUB -W {limit}"),
                f"#BSUB -wa USR1 -wt {LONGEST_GRACE // 60}",
                *(f"#BSUB -{key} {value}" for key, value in given.items() if value),
                *table.options,
            ]
