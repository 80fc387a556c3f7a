"""Driving a study: what is left of it is handed out to a launcher, and what came of that is kept.

One process at a time drives a study. All that it knows lies in the folder: whatever ends it, `drive` goes on
from there.

- A shard is given out, runs in some process, and its file says what its members came to.
- Where that process dies, the shard goes on in another one; at the second death its members are marked lost,
  with the reason, and the rest of the study goes on. Which member it was that killed it is not looked for.
- Members that failed before are tried again, once what else is in their shard is done.
- A disk that is full stops the study as a signal does: what is running is written as far as it fits.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.config.study import StudyConfig, parse_study
from workbench.config.toml import read_toml
from workbench.engine.program import StopFlag
from workbench.errors import ExitCode, WorkbenchError, clean_text
from workbench.record.lock import RunLock
from workbench.record.logfile import LogFile
from workbench.record.schema import STUDY_FILE
from workbench.record.subject import STUDY
from workbench.study.grid import grid_of
from workbench.study.launchers.choose import launcher_of
from workbench.study.launchers.launcher import (
    Died,
    Ended,
    Launcher,
    Progressed,
    Raised,
    Report,
    Trouble,
)
from workbench.study.marks import OVER, mark
from workbench.study.outcome import MemberStatus, status_of
from workbench.study.plan import Plan, extended, read_plan, write_plan
from workbench.study.todo import AGAIN, shard_state

POLL = 0.2
"""Seconds between looks at the stop flag."""
BUSY_AGAIN = 1.0
"""Seconds before a shard that another process has is given out again."""
DEATHS = 2
"""Processes that a shard may cost."""


@dataclass(frozen=True)
class DriveProgress:
    """How far a study has come, while it is driven.

    `member_steps`: steps that are done, of all members together, of `member_steps_total`; those that ended
    early count as done. `seconds_left`: by the pace since this drive began, None while there is none.
    """

    members_over: int
    members_failed: int
    members: int
    member_steps: int
    member_steps_total: int
    shards_open: int
    seconds_left: float | None


@dataclass(frozen=True)
class StudyEnd:
    """How a drive ended. `members`: how many by status; `by_signal`: whether it was asked to stop;
    `problem`: why it could not go on, in a sentence, else empty."""

    members: Mapping[MemberStatus, int]
    by_signal: bool = False
    problem: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """0 where all members ended; else 130 where it was asked to stop, and 1 where it was not."""
        over = sum(n for status, n in self.members.items() if status.ended)
        if over == sum(self.members.values()):
            return ExitCode.DONE
        return ExitCode.INTERRUPTED if self.by_signal and not self.problem else ExitCode.FAILED


def drive(
    folder: Path,
    *,
    jobs: int = 0,
    launcher: Launcher | None = None,
    on_progress: Callable[[DriveProgress], None] | None = None,
    stop: StopFlag | None = None,
    tell: Callable[[str], None] | None = None,
) -> StudyEnd:
    """Run all that is failed, lost, missing or new in a study, until it is done or `stop` is raised.

    Args:
        folder: the study's.
        jobs: shards at a time; 0: as its [launcher] says.
        launcher: what runs the shards; None: what its [launcher] names.
        on_progress: told a few times a second.
        tell: told sentences for people, as of a shard whose process died.

    Raises:
        RunBusy: another process drives it; it is named.
        BadInput: study.toml cannot be used, or says something else than what the study began with.
        StorageError: the plan cannot be read or written.
        WorkbenchError: the launcher cannot run anything.
    """
    folder = Path(folder)
    flag, told = stop or StopFlag(), tell or (lambda sentence: None)
    with RunLock(folder, subject=STUDY, tell=told) as claim:
        path = folder / STUDY_FILE
        config = parse_study(read_toml(path), str(path))
        plan = read_plan(folder)
        grown = extended(plan, config, grid_of(config))
        if grown.count > plan.count:
            write_plan(folder, grown)
            plan = grown
        launcher = launcher or launcher_of(config.launcher, folder, jobs)
        return _Drive(folder, config, plan, launcher, claim, told).run(on_progress, flag)


class _Drive:
    """One drive of a study, by the process that has its claim."""

    def __init__(
        self,
        folder: Path,
        config: StudyConfig,
        plan: Plan,
        launcher: Launcher,
        claim: RunLock,
        tell: Callable[[str], None],
    ) -> None:
        self.folder, self.config, self.plan = folder, config, plan
        self.launcher, self.claim = launcher, claim
        self._tell, self._log = tell, LogFile(folder)
        self.shards = {shard.number: shard for shard in plan.shards}
        self.states = {shard.number: shard_state(folder, shard) for shard in plan.shards}
        self.steps: dict[int, int] = {}
        self.counts: dict[int, Counter[MemberStatus]] = {}
        self.deaths: Counter[int] = Counter()
        self.busy: dict[int, float] = {}
        self.again: set[int] = set()
        self.problem = ""
        self.cancelled = False
        for number in self.shards:
            self._count(number)
        self.done_before = sum(self.steps.values())
        self.first: tuple[int, float] | None = None

    def run(self, on_progress: Callable[[DriveProgress], None] | None, stop: StopFlag) -> StudyEnd:
        """Until nothing is left to do, or nothing can be."""
        todo = list(self._left_to_do())
        left = f"{len(todo)} of {len(self.shards)} shards to run"
        self._log.line(None, "driven", f"{left}, by pid {os.getpid()}")
        try:
            if todo:
                self.launcher.start()
            for number in todo:
                self.launcher.submit(number)
            while self.launcher.open or (self.busy and not self.cancelled):
                self._stop_if_asked(stop)
                for report in self.launcher.poll(POLL):
                    self._take(report)
                self._give_out_again()
                if on_progress is not None:
                    on_progress(self.progress())
        finally:
            self.launcher.close()
        end = StudyEnd(self.members(), stop.raised, self.problem)
        counted = ", ".join(f"{n} {status}" for status, n in end.members.items())
        self._log.line(None, "ended", counted)
        return end

    # --- what is to do ---

    def _left_to_do(self) -> Iterator[int]:
        """The shards that are to be given out: not done, or with members that failed."""
        for number, state in self.states.items():
            if state.damaged:
                self._say("damaged", f"shard {number} begins anew: {state.damaged}")
            if not state.done:
                self.again.update(state.having((MemberStatus.FAILED,)))
            if not state.done or state.having(AGAIN):
                yield number

    # --- what came of it ---

    def _take(self, report: Report) -> None:
        number = report.number
        match report:
            case Progressed():
                self.steps[number] = max(self.steps[number], report.member_steps)
                return
            case Ended():
                self._look(number)
                if self.states[number].done:
                    self._try_again(number)
                elif not self.cancelled:
                    self._died(number, "its process came back before it was done")
            case Died():
                self._look(number)
                if not self.cancelled:
                    self._died(number, report.reason)
            case Raised(trouble=Trouble.BUSY):
                self.busy[number] = time.monotonic() + BUSY_AGAIN
            case Raised(trouble=Trouble.STORAGE):
                self._stuck(report.sentence)
            case Raised():
                self._mark(number, MemberStatus.FAILED, report.sentence)

    def _try_again(self, number: int) -> None:
        """Members that had failed before this drive, while their shard was not done, get their second try."""
        failed = self.again.intersection(self.states[number].having(AGAIN))
        self.again -= failed
        if failed and not self.cancelled:
            self.launcher.submit(number)

    def _died(self, number: int, reason: str) -> None:
        self.deaths[number] += 1
        if self.deaths[number] < DEATHS:
            self._say("died", f"shard {number}: {reason}; it goes on in another one")
            self.launcher.submit(number)
        else:
            self._mark(number, MemberStatus.LOST, reason)

    def _mark(self, number: int, status: MemberStatus, reason: str) -> None:
        """Say in a shard's file what became of its members, and to whoever watches."""
        self._say(status.value, f"shard {number}: {reason}")
        try:
            mark(self.folder, self.plan, self.shards[number], status, reason)
        except WorkbenchError as error:
            self._stuck(str(error))
        self._look(number)

    def _stuck(self, problem: str) -> None:
        """Nothing can be written any more: what runs is asked to stop."""
        if not self.problem:
            self.problem = problem
            self._log.line(None, "stopped", problem)
        self._cancel()

    def _stop_if_asked(self, stop: StopFlag) -> None:
        if self.claim.lost and not self.problem:
            self._stuck(self.claim.lost)
        if stop.raised and not self.cancelled:
            self._log.line(None, "stopped", "asked")
            self._cancel()

    def _cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self.launcher.cancel()

    def _give_out_again(self) -> None:
        now = time.monotonic()
        for number, due in list(self.busy.items()):
            if now >= due and not self.cancelled:
                del self.busy[number]
                self.launcher.submit(number)

    # --- what is known ---

    def _look(self, number: int) -> None:
        """Read again what a shard's file says."""
        self.states[number] = shard_state(self.folder, self.shards[number])
        self._count(number)

    def _count(self, number: int) -> None:
        """The member-steps of a shard that are done by its file, and what its members are."""
        state, each = self.states[number], self._steps_of(number)
        said = (
            state.statuses.get(k, MemberStatus.WAITING.value) for k in self.shards[number].members
        )
        self.counts[number] = Counter(status_of(word) for word in said)
        self.steps[number] = sum(
            each if state.statuses[k] in OVER else min(each, step)
            for k, step in state.last_steps.items()
        )

    def _steps_of(self, number: int) -> int:
        settings = self.plan.settings[self.shards[number].members[0]]
        return int(settings.get("train.steps", self.config.base.train.steps))

    def members(self) -> Mapping[MemberStatus, int]:
        """How many members have each status, by the shards' files."""
        return sum(self.counts.values(), Counter[MemberStatus]())

    def progress(self) -> DriveProgress:
        """For who watches."""
        total = sum(self._steps_of(n) * len(s.members) for n, s in self.shards.items())
        done, now = sum(self.steps.values()), time.monotonic()
        if self.first is None and done > self.done_before:
            # From here on: workers that import what they need take no steps.
            self.first = done, now
        gained, passed = (done - self.first[0], now - self.first[1]) if self.first else (0, 0.0)
        found = self.members()
        return DriveProgress(
            members_over=sum(n for status, n in found.items() if status.ended),
            members_failed=found.get(MemberStatus.FAILED, 0) + found.get(MemberStatus.LOST, 0),
            members=self.plan.count,
            member_steps=done,
            member_steps_total=total,
            shards_open=self.launcher.open,
            seconds_left=(total - done) * passed / gained if gained > 0 else None,
        )

    def _say(self, kind: str, text: str) -> None:
        self._log.line(None, kind, text)
        self._tell(clean_text(text))
