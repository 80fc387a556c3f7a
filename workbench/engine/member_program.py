"""The one interface of every way to step many members at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from workbench.arrays import Bool
from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import StopFlag


class MemberProgram(Protocol):
    """A way to take steps of all members; how they were cut into chunks changes no bit of any of them."""

    name: str
    count: int

    @property
    def series(self) -> tuple[str, ...]:
        """The series that their step rule records besides those of every run."""
        ...

    def run_chunk(
        self,
        members: Members,
        step0: int,
        records: int,
        every: int,
        buffer: MemberBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """Take records × every steps from step0 and write a row of each member after each `every`; return
        the steps taken, the same of all who go on.

        Members that rest are left alone and have no row. One that its own rule ends is put to rest at that
        step, with the row that was due there. A raised stop flag ends the chunk early, all members at one
        step; without a buffer no row is written.
        """
        ...

    def evaluate(
        self, members: Members, buffer: MemberBuffer, which: Bool[np.ndarray, " M"] | None = None
    ) -> None:
        """Write a row of those members as they are, None: all, those at rest too, without stepping."""
        ...
