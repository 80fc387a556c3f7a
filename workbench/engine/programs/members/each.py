"""Members that are each stepped by a step program of their own, in a pool of threads.

Member k is stepped by the very code of a single run, on its own state: it is that run, to the last bit,
whatever the number of threads. Programs that hold the interpreter only now and then, as compiled ones do,
keep all threads busy; for others one thread is as fast as several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from workbench.arrays import Bool
from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import StepProgram, StopFlag

SHARES = 8
"""Parts that each thread's members come in, so that none waits long for the others."""


class EachMember:
    """Steps M members by M step programs of one kind; `threads` of them at a time.

    A program is asked of `programs` for every chunk, and may be made then, so that the room of those who are
    not being stepped need not be held.
    """

    def __init__(self, programs: Sequence[StepProgram], threads: int = 1) -> None:
        self.programs = programs
        self.name, self.series = programs[0].name, programs[0].series
        self.count = len(programs)
        self.threads = max(1, min(threads, self.count))
        self._pool: ThreadPoolExecutor | None = None

    def run_chunk(
        self,
        members: Members,
        step0: int,
        records: int,
        every: int,
        buffer: MemberBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See MemberProgram. A chunk that has begun is ended by all, as nobody may stay behind: whoever asks
        for it chooses its length by how soon it must stop."""
        states = {int(k): members.state(int(k)) for k in np.flatnonzero(members.going)}
        if stop_flag.raised or not states:
            return 0
        flag, endings = StopFlag(), {}

        def step(k: int) -> None:
            program, rows = self.programs[k], None if buffer is None else buffer.of(k)
            program.run_chunk(states[k], step0, records, every, rows, flag)
            if rows is not None and buffer is not None:
                buffer.written[k] += rows.count
            if (found := program.ended(states[k])) is not None:
                endings[k] = found[0]

        self._for_each(step, list(states))
        members.step = step0 + records * every
        members.take_back(states)
        for k, ending in endings.items():
            members.rest(k, states[k].step, ending)
        return records * every

    def evaluate(
        self, members: Members, buffer: MemberBuffer, which: Bool[np.ndarray, " M"] | None = None
    ) -> None:
        """See MemberProgram."""

        def look(k: int) -> None:
            rows = buffer.of(k)
            self.programs[k].evaluate(members.state(k), rows)
            buffer.written[k] += rows.count

        self._for_each(
            look, range(self.count) if which is None else [int(k) for k in np.flatnonzero(which)]
        )

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
