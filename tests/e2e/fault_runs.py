"""Run by the fault tests in a process of its own: whole headless runs meet faults at their n-th call.

    python fault_runs.py [FOLDER] [--kinds …] [--faults …] [--stages …] [--most N] [--too-soon]
    python fault_runs.py --table

The process compiles and preloads `tests/shims/faults.c`, runs, resumes and reads once itself and forks, so
that a life costs a tenth of a second. For every kind of run, stage (a run from its start, a killed run's
`resume`) and fault, the calls that may meet it are counted, and at most N of them, evenly spread, are
struck, each in a run of its own. What is left is read with every reading command, the run is gone on
with to its end, and compared to the last bit with a run that nobody disturbed; what a writer had
acknowledged must be there at once. All of it happens in processes that are ended at a time limit.

Prints a JSON object for each kind, stage and fault, or with --table a table of them all. With
--too-soon every other commit is acknowledged and not made; the checks must notice.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import errno
import gc
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_lives import FOR_EVER, Shared, acknowledge, ended, forked, found_in_time

from workbench.run.socket_place import SOCKET_NAME

SHIM = Path(__file__).parent.parent / "shims" / "faults.c"

# As in faults.c.
NOTHING, KILL_BEFORE, KILL_AFTER, TORN, FAIL, SHORT, STOP, JUMP = range(8)
OPEN, WRITE, SYNC, NAME, SIZE, CLOCK = (1 << bit for bit in range(6))
ALL, ROOM = OPEN | WRITE | SYNC | NAME | SIZE, OPEN | WRITE | SIZE


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call of some kinds, once or from then on; `number`: errno or seconds."""

    action: int
    kinds: int = ALL
    number: int = 0
    lasts: bool = False


DAY = 86_400
FAULTS = {
    "killed before a call": Fault(KILL_BEFORE),
    "killed after a call": Fault(KILL_AFTER),
    "killed inside a write": Fault(TORN, WRITE),
    "EIO once": Fault(FAIL, ALL, errno.EIO),
    "EIO from then on": Fault(FAIL, ALL, errno.EIO, lasts=True),
    "ENOSPC once": Fault(FAIL, ROOM, errno.ENOSPC),
    "ENOSPC from then on": Fault(FAIL, ROOM, errno.ENOSPC, lasts=True),
    "EDQUOT once": Fault(FAIL, ROOM, errno.EDQUOT),
    "EDQUOT from then on": Fault(FAIL, ROOM, errno.EDQUOT, lasts=True),
    "half of a write": Fault(SHORT, WRITE),
    "fsync fails once": Fault(FAIL, SYNC, errno.EIO),
    "stopped for a while": Fault(STOP),
    "clock 3 days ahead": Fault(JUMP, CLOCK, 3 * DAY, lasts=True),
    "clock 3 days behind": Fault(JUMP, CLOCK, -3 * DAY, lasts=True),
}
DAMAGES = ("newest checkpoint torn", "all checkpoints torn", "no checkpoint left")
STAGES = ("run", "resume")


def preloaded(folder: Path) -> None:
    """Start this process again with the shim in it, unless it is there; exit 3 without a compiler."""
    if hasattr(ctypes.CDLL(None), "faults_arm"):
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.stderr.write("no C compiler\n")
        sys.exit(3)
    folder.mkdir(parents=True, exist_ok=True)
    shim = folder / "faults.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(SHIM), "-ldl"], check=True
    )
    # One thread each, as a process with several cannot be forked.
    more = {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **more})


class Scenario:
    """A kind of run from one stage on: how it goes when nobody disturbs it, and when somebody does."""

    def __init__(self, folder: Path, kind: str, stage: str, too_soon: bool, seconds: float) -> None:
        from fault_kinds import short_settings
        from fault_looks import Contents, begun

        self.folder, self.kind, self.stage = folder / f"{kind}-{stage}", kind, stage
        self.too_soon, self.seconds = too_soon, seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        self.toml = self.folder / "run.toml"
        self.toml.write_text(short_settings(kind))
        self.shared = Shared.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
        self.log, self.inspects = self.folder / "life.log", False
        place, self.template = self.folder / "whole", self.folder / "template"
        for folder in (place, self.template):
            shutil.rmtree(folder, ignore_errors=True)
        self.warm()
        self.before_anything()
        if (status := self.live(place)) != 0:
            raise SystemExit(f"the run that nobody disturbs ended with {status}: {self.told}")
        run = begun(place)
        assert run is not None
        self.whole = Contents(run)
        self.promised: tuple[int, list[int]] = (-1, [])
        if stage == "resume":
            self.kill_midway()

    def warm(self) -> None:
        """Run and resume once in this process, so that no life imports or loads compiled code again."""
        from fault_looks import begun, look, said

        place = self.folder / "warm"
        shutil.rmtree(place, ignore_errors=True)
        code, told = said(["run", str(self.toml), "--headless", "--runs-dir", str(place)])
        folder = begun(place)
        if code or folder is None:
            raise SystemExit(f"the first run ended with {code}: {told}")
        steps = tomllib.loads(self.toml.read_text())["train"]["steps"] + 2
        more = ["--steps", str(steps), "--headless", "--runs-dir", str(place)]
        code, told = said(["resume", folder.name, *more])
        wrong = look(place, self.folder / "out.npz", True)
        if code or wrong:
            raise SystemExit(f"its resume ended with {code}: {told} {wrong}")
        shutil.rmtree(place)
        gc.collect()
        gc.freeze()

    def kill_midway(self) -> None:
        """Make a run that was killed after its second checkpoint, to be resumed."""
        calls = self.counted(self.template, ALL)
        for percent in range(30, 100, 4):
            shutil.rmtree(self.template)
            self.before_anything()
            self.live(self.template, Fault(KILL_BEFORE), calls * percent // 100)
            if len(list(self.template.glob("*/checkpoints/ck_*.h5"))) >= 2:
                break
        self.promised = self.shared.promised, list(self.shared.kept[: self.shared.n_kept])

    @property
    def told(self) -> str:
        """The end of what the last life printed."""
        return self.log.read_text(errors="replace")[-1500:]

    def before_anything(self) -> None:
        """Forget what earlier lives acknowledged."""
        self.shared.promised, self.shared.n_kept = -1, 0

    def fresh(self, place: Path) -> None:
        """A place for a run of this stage, as it is before a fault."""
        shutil.rmtree(place, ignore_errors=True)
        self.before_anything()
        if self.stage == "resume":
            # A socket is nobody's to copy.
            shutil.copytree(self.template, place, ignore=shutil.ignore_patterns(SOCKET_NAME))
            self.shared.promised = self.promised[0]
            for number, step in enumerate(self.promised[1]):
                self.shared.kept[number] = step
            self.shared.n_kept = len(self.promised[1])

    def live(
        self, place: Path, fault: Fault | None = None, number: int = 0, *more: str
    ) -> int | None:
        """One life of a run, begun or resumed, struck at its n-th call; the wait status, None if it hung."""
        from fault_kinds import attended
        from fault_looks import begun

        import commands.main

        folder = begun(place) if place.exists() else None
        first = ["run", str(self.toml)] if folder is None else ["resume", folder.name, *more]
        fault = fault or Fault(NOTHING)
        self.shared.counted = self.shared.fired = 0
        last = FOR_EVER if fault.lasts else number
        place.mkdir(exist_ok=True)

        def work() -> None:
            acknowledge(self.shared, self.too_soon)
            values = (number, last, fault.kinds, fault.number)
            ctypes.CDLL(None).faults_arm(
                os.fsencode(place),
                fault.action,
                *map(ctypes.c_long, values),
                ctypes.byref(self.shared),
            )
            if self.kind == "paused":
                attended(self.toml, place, folder)
                return
            sys.argv = ["workbench", *first, "--headless", "--runs-dir", str(place)]
            commands.main.main()

        return ended(forked(work, self.log), lambda: self.while_stopped(place))

    def while_stopped(self, place: Path) -> None:
        """A stopped run is alive: nobody else may write it, everybody may read it."""
        from fault_looks import begun, said

        from workbench.record.lock import is_alive

        stopped = time.monotonic()
        folder = begun(place)

        def others() -> list[str]:
            code, told = said(["list", "--runs-dir", str(place)])
            wrong = [f"list ended with {code}: {told[-300:]}"] if code else []
            # Stopped before it had taken the run, it is in nobody's way.
            if folder is not None and is_alive(folder):
                words = ["resume", folder.name, "--headless", "--runs-dir", str(place)]
                code, told = said(words)
                if code == 0 or "another process" not in told:
                    wrong.append(f"a second writer ended with {code}: {told[-300:]}")
            return wrong

        self.seen_stopped = found_in_time(others, self.folder / "stopped.log")
        time.sleep(max(0.0, self.seconds - (time.monotonic() - stopped)))

    def counted(self, place: Path, kinds: int) -> int:
        """How many calls of some kinds a life makes that nobody disturbs."""
        self.live(place, Fault(NOTHING, kinds))
        return int(self.shared.counted)

    def numbers(self, fault: Fault, most: int) -> list[int]:
        """At most `most` call numbers, evenly spread over all that may meet the fault."""
        place = self.folder / "counted"
        self.fresh(place)
        if fault.action == JUMP:
            self.live(place, Fault(JUMP, CLOCK, 0, lasts=True), 1)
            total = int(self.shared.counted)
        else:
            total = self.counted(place, fault.kinds)
        take = min(most, total)
        return sorted({1 + k * (total - 1) // max(1, take - 1) for k in range(take)})

    def strike(self, fault: Fault, number: int) -> tuple[str, list[str]]:
        """One run that meets a fault: survived, refused, wrong, hung or missed; and what was wrong."""
        from fault_looks import left, look

        place = self.folder / "struck"
        self.fresh(place)
        self.seen_stopped: list[str] = []
        status = self.live(place, fault, number)
        told, refused = self.told, False
        self.met = f"{self.shared.call.decode()} {Path(self.shared.path.decode()).name}"
        if status is None:
            return "hung", [f"the life hung: {told[-300:]}"]
        if not self.shared.fired:
            return "missed", []
        wrong = list(self.seen_stopped)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
            wrong.append(f"the life crashed with signal {os.WTERMSIG(status)}: {told[-300:]}")
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
            refused, self.sentence = True, told.strip().splitlines()[-1] if told else ""
            if "workbench: " not in told or "Traceback" in told:
                wrong.append(f"the life ended with {os.WEXITSTATUS(status)}: {told[-600:]}")
        elif "Traceback" in told:
            wrong.append(f"the life said: {told[-600:]}")
        promised, kept = self.shared.promised, list(self.shared.kept[: self.shared.n_kept])
        out, log = self.folder / "out.npz", self.folder / "look.log"
        wrong += found_in_time(
            lambda: left(place, self.whole, promised, kept) + look(place, out, self.inspects), log
        )
        wrong += self.gone_on_with(place)
        if any(line.startswith("hung") for line in wrong):
            return "hung", wrong
        return ("wrong" if wrong else "refused" if refused else "survived"), wrong

    def gone_on_with(self, place: Path) -> list[str]:
        """What is wrong with the run once it was resumed to its end."""
        from fault_looks import Contents, begun

        status = self.live(place)
        if status is None:
            return [f"hung as it went on: {self.told[-300:]}"]
        # A fault in the last copy leaves a finished run, which is not resumed.
        if status != 0 and "has finished" not in self.told:
            return [f"going on ended with {status}: {self.told[-600:]}"]
        kept = set(self.shared.kept[: self.shared.n_kept])

        def compared() -> list[str]:
            folder = begun(place)
            assert folder is not None
            found = Contents(folder)
            lost = kept - set(found.inspected)
            wrong = [f"inspections of {sorted(lost)} are lost at the end"] if lost else []
            return wrong + self.whole.unlike(found, asked=self.kind == "paused")

        return found_in_time(compared, self.folder / "compared.log")

    def damage(self, how: str) -> tuple[str, list[str]]:
        """A killed run with damaged checkpoints: it goes on, or keeps its records and names --restart."""
        from fault_looks import begun, left

        place, self.met = self.folder / "struck", how
        self.fresh(place)
        folder = begun(place)
        assert folder is not None
        files = sorted((folder / "checkpoints").glob("ck_*.h5"))
        for path in files[-1:] if how.startswith("newest") else files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            if how.startswith("no "):
                path.unlink()
        status, log = self.live(place), self.folder / "look.log"
        if status == 0:
            wrong = self.gone_on_with(place)
            return ("wrong" if wrong else "survived"), wrong
        self.sentence = self.told.strip()
        wrong = [] if "--restart" in self.told else [f"resume ended with {status}: {self.told}"]
        promised, kept = self.promised
        wrong += found_in_time(lambda: left(place, self.whole, promised, kept), log)
        self.before_anything()
        if (status := self.live(place, None, 0, "--restart")) != 0:
            wrong.append(f"resume --restart ended with {status}: {self.told}")
        wrong += self.gone_on_with(place)
        return ("wrong" if wrong else "refused"), wrong

    def report(self, name: str, most: int) -> dict[str, Any]:
        """Strike at most `most` calls with a fault, or damage what there is; what came of it, counted."""
        began = time.monotonic()
        counts: collections.Counter[str] = collections.Counter()
        wrong, sentences = list[Any](), list[Any]()
        for number in self.numbers(FAULTS[name], most) if name in FAULTS else [0]:
            # The look inside costs as much as all the rest; one in eight has it.
            self.inspects = number % 8 == 0
            outcome, found = self.strike(FAULTS[name], number) if number else self.damage(name)
            while outcome == "missed" and number > 1:
                # Commits follow the clock: this life had fewer calls than were counted.
                number = number * 9 // 10
                outcome, found = self.strike(FAULTS[name], number)
            counts[outcome] += 1
            if found:
                wrong.append([number, self.met, found])
            if outcome == "refused":
                sentences.append([number, self.met, self.sentence])
        return {
            "kind": self.kind,
            "stage": self.stage,
            "fault": name,
            "tried": sum(counts.values()) - counts["missed"],
            **{key: counts[key] for key in ("survived", "refused", "wrong", "hung")},
            "what": wrong,
            "sentences": sentences,
            "seconds": round(time.monotonic() - began, 1),
        }


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    place = Path(tempfile.gettempdir()) / f"faults-{os.getpid()}"
    parser.add_argument("folder", type=Path, nargs="?", default=place)
    parser.add_argument("--kinds", help="as fault_kinds.KINDS, with commas between; all by default")
    parser.add_argument("--faults", default=",".join((*FAULTS, *DAMAGES)))
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a stopped run stays")
    parser.add_argument("--too-soon", action="store_true")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


def main(given: argparse.Namespace) -> None:
    from fault_kinds import KINDS

    reports = []
    for kind in given.kinds.split(",") if given.kinds else KINDS:
        for stage in given.stages.split(","):
            scenario = Scenario(given.folder, kind, stage, given.too_soon, given.seconds)
            # Only a killed run has checkpoints to damage; of a paused one the answers would be lost.
            whole = stage == "run" or kind == "paused"
            for name in given.faults.split(","):
                if name in DAMAGES and whole:
                    continue
                reports.append(scenario.report(name, given.most))
                line = json.dumps(reports[-1])
                (sys.stderr if given.table else sys.stdout).write(line + "\n")
                sys.stdout.flush()
    if given.table:
        sys.stdout.write(table(reports))
    if given.folder.name == f"faults-{os.getpid()}":
        shutil.rmtree(given.folder)


def table(reports: list[dict[str, Any]]) -> str:
    """The reports summed up by fault, as Markdown."""
    keys = ("tried", "survived", "refused", "wrong", "hung")
    lines = ["| fault | tried | survived | refused with a sentence | wrong | hung |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for name in dict.fromkeys(report["fault"] for report in reports):
        rows = [report for report in reports if report["fault"] == name]
        sums = [sum(report[key] for report in rows) for key in keys]
        lines.append(f"| {name} | " + " | ".join(map(str, sums)) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    line = asked()
    preloaded(line.folder)
    import workbench.inspector.inspect
    import workbench.run.session  # noqa: F401  (what every life would import)

    main(line)
