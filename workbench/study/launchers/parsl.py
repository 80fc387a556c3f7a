"""Shards on the nodes of a cluster: Parsl's HighThroughputExecutor on Slurm, PBS, LSF or Kubernetes.

A pilot is a job that starts workers on its nodes; they report to an interchange beside the driver, over an
encrypted connection to one address of this machine, and take shards from it. The study's folder is the
truth and all of them share it: a shard is claimed by who runs it, goes on from its file, and says there
what came of it. So all that is lost with a pilot is what its shards have not written yet:

- a pilot whose time is over, or that the scheduler takes away, leaves its shards (`pilot`); they are handed
  out again here, and nobody else hears of it unless they never come further;
- a worker that dies is its shard's death, and is reported;
- pilots of which none comes to life end it all with what the scheduler says.
"""

from __future__ import annotations

import logging
import queue
import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.config.launcher import ClusterTable, KubernetesTable
from workbench.errors import BadInput, WorkbenchError, clean_text
from workbench.record.lock import is_alive
from workbench.record.subject import shard_subject
from workbench.study.launchers.launcher import Died, Ended, Raised, Report, Trouble
from workbench.study.launchers.providers import provider_of
from workbench.study.launchers.schedulers import require_scheduler
from workbench.study.launchers.worker import Left, run_here

PLACE = "pilots"
"""The folder, in the study's, of all that Parsl and the pilots write; also the name of Parsl's executor."""
BEAT = 5
"""Seconds between signs of life of a pilot, and between its looks at its workers."""
SILENCE = 30
"""Seconds without a sign of life after which a pilot is lost."""
IDLE = 20.0
"""Seconds without a shard after which a pilot is ended."""
MOST_LEFT = 3
"""How often a shard may come back from pilots, one time after the other, without having come further."""
AGAIN = 2.0
"""Seconds before a shard that was left is handed out again: the pilot that left it is about to end."""
LATE = 5.0
"""Seconds in which a worker that has left its shard tells it; after `cancel` nobody waits longer."""
INSTALL = "pip install ncf-workbench[cluster]"


class PilotsFailed(WorkbenchError):
    """No pilot came to life, or what they report to has ended."""


@dataclass
class _Shard:
    """A shard that was handed out. `stand`: what its file was like then; `left`: how often it came back so.

    `again`: when it is to be handed out again, None while it is out. `seen`: when it was last seen claimed.
    """

    stand: tuple[int, int]
    left: int = 0
    again: float | None = None
    seen: float = 0.0


class ParslLauncher:
    """A `launcher.Launcher` whose processes are the workers of pilots.

    Args:
        folder: the study's.
        task: called in a worker with the folder and a shard's number, importable there; gives a report.
    """

    def __init__(
        self,
        folder: Path,
        table: ClusterTable,
        task: Callable[[str, int], Report | Left] = run_here,
    ) -> None:
        self.folder, self.table, self.task = Path(folder).resolve(), table, task
        self._shards: dict[int, _Shard] = {}
        self._done: queue.SimpleQueue[tuple[int, Future[Report | Left]]] = queue.SimpleQueue()
        self._kernel: Any = None
        self._cancelled = False

    @property
    def open(self) -> int:
        """How many shards were submitted and have not come back."""
        return len(self._shards)

    def start(self) -> None:
        """Ask the scheduler whether it can take the pilots, and start what they report to.

        Raises:
            BadInput: Parsl is not installed; the scheduler is not here, or does not know the partition.
            PilotsFailed: the interchange does not start.
        """
        require_parsl(self.table.kind)
        require_scheduler(self.table)
        from parsl import Config
        from parsl.dataflow.dflow import DataFlowKernel
        from parsl.logconfigs.file import FileLogging

        logging.getLogger("parsl").propagate = False
        place = self.folder / PLACE
        place.mkdir(mode=0o700, exist_ok=True)  # the connections' keys lie in there
        config = Config(
            executors=[self._executor(place)],
            run_dir=str(place),
            strategy="htex_auto_scale",
            strategy_period=3,
            max_idletime=IDLE,
            initialize_logging=FileLogging(level=logging.INFO),
        )
        try:
            self._kernel = DataFlowKernel(config)
        except Exception as error:
            raise PilotsFailed(
                f"what the pilots report to does not start: {error}; see {place}."
            ) from error

    def _executor(self, place: Path) -> Any:
        from parsl.executors import HighThroughputExecutor
        from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
        from parsl.jobs.error_handlers import windowed_error_handler

        table = self.table
        python = table.python or sys.executable
        life = 0 if isinstance(table, KubernetesTable) else table.life
        arguments = DEFAULT_LAUNCH_CMD.partition(" ")[2]
        return HighThroughputExecutor(
            label=PLACE,
            provider=provider_of(table),
            address=_address(table.address),
            launch_cmd=f"exec {python} -m workbench.study.launchers.pilot --life {life} -- "
            f"{python} -m parsl.executors.high_throughput.process_worker_pool {arguments}",
            interchange_launch_cmd=[
                *(sys.executable, "-m", "workbench.study.launchers.interchange"),
                str(place / "interchange.out"),
            ],
            max_workers_per_node=table.worker_count,
            cores_per_worker=1e-6,  # the table says how many workers, not the node's cores
            available_accelerators=table.gpus,
            heartbeat_period=BEAT,
            heartbeat_threshold=SILENCE,
            block_error_handler=windowed_error_handler,
        )

    def submit(self, number: int) -> None:
        """Give out a shard; waits for nothing."""
        self._shards[number] = _Shard(self._stand(number))
        self._hand_out(number)

    def _hand_out(self, number: int) -> None:
        future = self._kernel.submit(
            self.task,
            app_args=(str(self.folder), number),
            executors=[PLACE],
            cache=False,
            ignore_for_cache=None,
            app_kwargs={},
        )
        future.add_done_callback(lambda done: self._done.put((number, done)))

    def _stand(self, number: int) -> tuple[int, int]:
        """What tells how far a shard has come: its file's time and size."""
        try:
            found = (self.folder / "shards" / f"{number:04d}.h5").stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def _is_run(self, number: int) -> bool:
        return is_alive(self.folder / "shards", shard_subject(number))

    def poll(self, seconds: float) -> Sequence[Report]:
        """What has happened since, after waiting for at most so long for something to happen.

        Raises:
            PilotsFailed: no shard will ever run, as no pilot comes to life.
        """
        reports: list[Report] = []
        until = time.monotonic() + seconds
        while True:
            wait = 0.0 if reports else max(0.0, min(until - time.monotonic(), 0.5))
            try:
                number, done = self._done.get(timeout=wait) if wait else self._done.get_nowait()
            except queue.Empty:
                self._look_after()
                if reports or time.monotonic() >= until or not self._shards:
                    return reports
                continue
            report = self._report(number, done)
            if report is not None and self._shards.pop(number, None) is not None:
                reports.append(report)

    def _look_after(self) -> None:
        """Hand out again what was left, forget what `cancel` dropped, and see that anything still goes."""
        now = time.monotonic()
        for number, shard in list(self._shards.items()):
            if self._cancelled:
                if self._is_run(number):
                    shard.seen = now
                elif now - shard.seen > LATE:
                    del self._shards[number]
            elif shard.again is not None and now >= shard.again:
                shard.again = None
                self._hand_out(number)
        interchange = self._kernel.executors[PLACE].interchange_proc
        if self._shards and not self._cancelled and interchange.poll() is not None:
            raise PilotsFailed(
                "what the pilots report to has ended by itself; "
                f"see {self.folder / PLACE / 'interchange.out'}."
            )

    def _report(self, number: int, done: Future[Report | Left]) -> Report | None:
        """What came of a shard, None where it is to be handed out again."""
        from parsl.executors.errors import BadStateException
        from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

        error = done.exception()
        if error is None:
            report = done.result()
            return self._left(report) if isinstance(report, Left) else report
        if isinstance(error, WorkerLost):
            return Died(
                number, f"its worker process on {clean_text(error.hostname, 80)} was killed"
            )
        if isinstance(error, ManagerLost):
            return self._lost(number, f"its pilot on {clean_text(error.hostname, 80)} was lost")
        if isinstance(error, BadStateException):
            raise PilotsFailed(why_no_pilot(error, self.folder / PLACE)) from error
        sentence = clean_text(f"shard {number}: {type(error).__name__}: {error}", 400)
        return Raised(number, Trouble.ERROR, sentence)

    def _left(self, left: Left) -> Report | None:
        """A pilot that leaves its shards is given no more: it would do nothing with them."""
        if self._cancelled:
            return Ended(left.number, stopped=True)
        executor = self._kernel.executors[PLACE]
        if executor.interchange_proc.poll() is None:
            executor._hold_manager(left.pilot)
        return self._again(left.number, "its pilot's time was over", left.steps)

    def _lost(self, number: int, how: str) -> Report | None:
        """Nobody says how far it came; its file does."""
        shard, stand = self._shards.get(number), self._stand(number)
        further = shard is not None and shard.stand != stand
        if shard is not None:
            shard.stand = stand
        return self._again(number, how, int(further))

    def _again(self, number: int, how: str, steps: int | None) -> Report | None:
        """Hand a shard out again soon, unless it came back so a few times and came no further; `steps`: how
        far it came, None where it was not begun."""
        if self._cancelled:
            return Died(number, how)
        shard = self._shards.get(number)
        if shard is None:
            return None
        if steps is not None:
            shard.left = 0 if steps else shard.left + 1
        if shard.left >= MOST_LEFT:
            return Died(number, f"{how} {shard.left} times before it had come any further")
        shard.again = time.monotonic() + AGAIN
        return None

    def cancel(self) -> None:
        """End the pilots: their workers write the shards that they have; those that wait are dropped."""
        if self._kernel is None or self._cancelled:
            return
        self._cancelled = True
        running = {number: shard for number, shard in self._shards.items() if self._is_run(number)}
        for shard in running.values():
            shard.seen = time.monotonic()
        self._shards = running
        executor = self._kernel.executors[PLACE]
        _stop_scaling(self._kernel)
        known = executor.status_facade
        jobs = [
            job
            for block, job in executor.blocks_to_job_id.items()
            if block not in known or not known[block].terminal
        ]
        if jobs:
            executor.provider.cancel(jobs)

    def close(self) -> None:
        """End the pilots and what they report to. Twice is once."""
        if self._kernel is None:
            return
        self.cancel()
        kernel, self._kernel = self._kernel, None
        executor = kernel.executors[PLACE]
        if not executor.bad_state_is_set:
            # The pilots' jobs are cancelled already, and an interchange that is gone would not answer.
            executor._executor_bad_state.set()
        kernel.cleanup()


def require_parsl(kind: str) -> None:
    """Refuse a cluster where Parsl is not installed."""
    try:
        import parsl  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f"launcher.kind '{kind}' needs Parsl, which is not installed: {INSTALL}."
        ) from error


def _address(given: str) -> str:
    """The IP address at which the nodes are to reach this machine."""
    host = given or socket.gethostname()
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise BadInput(
            f"launcher.address: '{clean_text(host, 80)}' is no address of this machine; needed is the "
            "name or the IPv4 address at which the nodes of the cluster reach it."
        ) from error


def _stop_scaling(kernel: Any) -> None:
    """No more pilots are asked for or ended from here on."""
    from parsl.utils import Timer

    Timer.close(kernel.job_status_poller)


def why_no_pilot(error: Exception, place: Path) -> str:
    """Why no pilot comes to life, in a sentence: what the scheduler says of the last one, or what it said."""
    last = re.split(r"^Error \d+:", str(error), flags=re.MULTILINE)[-1]
    _, refused, words = last.rpartition("stderr=")
    if not refused:
        _, _, words = last.partition("STDERR:")
    # srun puts the task's number before a line, and bash its script's path.
    lines = [
        re.sub(r"^(\d+: )?(\S+\.sh: line \d+: )?", "", line.strip()) for line in words.splitlines()
    ]
    lines = [line for line in lines if line and not line.startswith("srun: ")]
    telling = [line for line in lines if "rror" in line] or (lines[:1] if refused else lines)
    why = clean_text(telling[-1], 300).rstrip(".") if telling else "its job ends before it reports"
    return f"no pilot comes to life: {why}; what they print is in {place}."
