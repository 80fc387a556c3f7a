"""A real Slurm on 127.0.0.1: munged, slurmctld and slurmd, run as root from a configuration of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from e2e.sshd import free_port
from e2e.terminal import wait_until

DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def _found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=SBIN)


def why_not() -> str:
    """Why there can be no Slurm here, in a sentence; empty where there can be one."""
    if os.getuid() != 0:
        return "Slurm's daemons are started as root, and this is not root"
    missing = [name for name in (*DAEMONS, "sbatch") if _found(name) is None]
    return f"not installed: {', '.join(missing)} (.ci/run installs them)" if missing else ""


CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its first credential is no longer valid.
AuthInfo=socket={place}/munge.sock,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=5
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait={kill_wait}
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=local Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """One node, one partition `local`; a context manager that ends its jobs and its daemons.

    Args:
        kill_wait: seconds between the signals TERM and KILL for a job that is ended.
    """

    def __init__(self, kill_wait: int = 15) -> None:
        # Not in pytest's folder: a socket's path is short, and munge wants to reach it.
        self.place = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.place.chmod(0o755)
        self.configuration = self.place / "slurm.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                host=os.uname().nodename.partition(".")[0],
                place=self.place,
                kill_wait=kill_wait,
                controller=free_port(),
                node=free_port(),
                cpus=os.cpu_count(),
            )
        )
        (self.place / "munge.key").write_bytes(os.urandom(64))
        (self.place / "munge.key").chmod(0o400)
        for name in ("state", "spool"):
            (self.place / name).mkdir()
        self.environment = {"SLURM_CONF": str(self.configuration)}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Slurm:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        place = self.place
        self._daemon(
            "munged",
            *("--foreground", "--force", f"--key-file={place}/munge.key"),
            *(f"--socket={place}/munge.sock", f"--pid-file={place}/munged.pid"),
            *(f"--log-file={place}/munged.log", f"--seed-file={place}/munge.seed"),
        )
        wait_until((place / "munge.sock").exists, 20.0, "for munged")
        self._daemon("slurmctld", "-D", "-f", str(self.configuration))
        self._daemon("slurmd", "-D", "-f", str(self.configuration))
        wait_until(
            lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), 40.0, "for Slurm\n" + self.logs()
        )

    def _daemon(self, name: str, *arguments: str) -> None:
        with (self.place / f"{name}.out").open("wb") as output:
            self._daemons.append(
                subprocess.Popen(
                    [str(_found(name)), *arguments],
                    env={**os.environ, **self.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints; nothing where it fails."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True
        )
        return done.stdout if done.returncode == 0 else ""

    def jobs(self, *states: str) -> Mapping[str, str]:
        """State by number of the jobs that are not over, or that are in one of some states."""
        wanted = ("-t", ",".join(states)) if states else ()
        lines = self.ask("squeue", "-h", "-o", "%i %T", *wanted).splitlines()
        return dict(line.split() for line in lines)

    def logs(self) -> str:
        """The last of what the daemons wrote."""
        paths = sorted([*self.place.glob("*.log"), *self.place.glob("*.out")])
        return "\n".join(f"{p.name}: {p.read_text(errors='replace')[-1500:]}" for p in paths)

    def __exit__(self, *exception: object) -> None:
        if len(self._daemons) == 3 and self.jobs():
            self.ask("scancel", "--full", *self.jobs())
            deadline = time.monotonic() + 40.0
            while self.jobs() and time.monotonic() < deadline:
                time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait(5)
        shutil.rmtree(self.place, ignore_errors=True)
