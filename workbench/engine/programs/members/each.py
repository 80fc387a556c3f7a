"""Members that are each stepped by a step program of their own, in a pool of threads.

Member k is stepped by the very code of a single run, on its own state: it is that run, to the last bit,
whatever the number of threads. Programs that hold the interpreter only now and then, as compiled ones do,
keep all threads busy; for others one thread is as fast as several.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import StepProgram, StopFlag
from workbench.engine.state import EngineState

SLICE_SECONDS = 0.1
"""How long all members are stepped between two looks at the stop flag."""
CALL_SECONDS = 1e-3
"""How long one member is stepped at least, times the members a thread has: a call costs some 1e−4 s."""
SHARES = 8
"""Parts that each thread's members come in, so that none waits long for the others."""


class EachMember:
    """Steps M members by M step programs of one kind; `threads` of them at a time."""

    def __init__(self, programs: Sequence[StepProgram], threads: int = 1) -> None:
        self.programs = tuple(programs)
        self.name = self.programs[0].name
        self.count = len(self.programs)
        self.threads = max(1, min(threads, self.count))
        self._pool: ThreadPoolExecutor | None = None
        self._seconds_a_step = 0.0

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rules say."""
        return self.programs[0].series

    def run_chunk(
        self,
        members: Members,
        step0: int,
        records: int,
        every: int,
        buffer: MemberBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See MemberProgram. How many steps are taken in one go follows the clock, and changes no bit."""
        states = {int(k): members.state(int(k)) for k in np.flatnonzero(members.going)}
        taken, total = 0, records * every
        while taken < total and states and not stop_flag.raised:
            part = self._part(total - taken, every - taken % every, every)
            self._steps(members, states, step0 + taken, part, buffer)
            taken += part[0] * part[1]
        members.step = step0 + taken
        members.take_back(states)
        return taken

    def _part(self, left: int, gap: int, every: int) -> tuple[int, int, bool]:
        """(records, every, recorded) of the next part of a chunk, `gap` steps before its next record."""
        if self._seconds_a_step == 0.0:
            most = 8
        else:
            seconds = max(SLICE_SECONDS, CALL_SECONDS * self.count / self.threads)
            most = max(1, int(seconds / self._seconds_a_step))
        if gap > most:
            return 1, most, False
        return (1, gap, True) if gap < every else (max(1, min(most, left) // every), every, True)

    def _steps(
        self,
        members: Members,
        states: dict[int, EngineState],
        step0: int,
        part: tuple[int, int, bool],
        buffer: MemberBuffer | None,
    ) -> None:
        """A part of a chunk for all who go on; those whose rule ends them leave `states`."""
        records, every, recorded = part
        flag = StopFlag()

        def step(k: int) -> None:
            rows = buffer.of(k) if buffer is not None and recorded else None
            self.programs[k].run_chunk(states[k], step0, records, every, rows, flag)
            if rows is not None and buffer is not None:
                buffer.written[k] += rows.count

        began = time.perf_counter()
        self._for_each(step, list(states))
        self._seconds_a_step = (time.perf_counter() - began) / (records * every)
        for k, state in list(states.items()):
            found = self.programs[k].ended(state)
            if found is not None:
                members.rest(k, state.step, found[0])
                members.take_back({k: states.pop(k)})

    def evaluate(self, members: Members, buffer: MemberBuffer) -> None:
        """See MemberProgram."""

        def look(k: int) -> None:
            rows = buffer.of(k)
            self.programs[k].evaluate(members.state(k), rows)
            buffer.written[k] += rows.count

        self._for_each(look, range(self.count))

    def _for_each(self, call: Callable[[int], None], members: Sequence[int]) -> None:
        """The call for every one of these members; the first failure is raised once all threads are done."""
        if self.threads == 1:
            for k in members:
                call(k)
            return

        def several(share: Sequence[int]) -> None:
            for k in share:
                call(k)

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="members")
        size = -(-len(members) // (SHARES * self.threads))
        futures = [
            self._pool.submit(several, members[at : at + size])
            for at in range(0, len(members), size)
        ]
        errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error
