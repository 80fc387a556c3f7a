"""Room for the records of M members, and the rows that come out of it for the panel to take stacked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array, Float, Int
from workbench.measures.rows import Rows

PARTS = ("theta", "outputs", "gradient")
"""What a row may leave out: with 10,000 members each takes as much room as all of their weights."""


@dataclass(frozen=True, eq=False)
class MemberRows:
    """T rows of several members, stacked as if they were of one run: record by record, in it by member.

    `member` and `record` (T) say whose a row is, and of which of the `records` of the buffer it is; a member
    that came to rest has fewer rows than the others.
    """

    rows: Rows
    member: Int[np.ndarray, " T"]
    record: Int[np.ndarray, " T"]
    members: int
    records: int

    def table(self, values: Float[np.ndarray, "T ..."]) -> Float[np.ndarray, "R M ..."]:
        """A series of the rows by record and member, NaN where a member has no row."""
        found = np.full((self.records, self.members, *values.shape[1:]), np.nan)
        found[self.record, self.member] = values
        return found


class MemberBuffer:
    """Preallocated room for `capacity` records of each of M members, on the device of θ.

    The first axis is the member, the second its record, so that one member's records lie together: `theta`
    (M, R, P), `outputs` (M, R, n, …) and `gradient` (M, R, P), None where `parts` leaves them out;
    `gradient_log_scale` (M, R) beside them; `step`, `time`, `time_log`, `path_length`, `rate_log` (M, R) in
    NumPy arrays. `written` (M) is how many rows of each member stand, always the first ones.
    """

    def __init__(
        self,
        capacity: int,
        theta: Tensor,
        output_shape: tuple[int, ...],
        parts: Collection[str] = PARTS,
    ) -> None:
        count, size = theta.shape
        self.capacity, self.count = capacity, count
        self.output_shape = output_shape
        shapes = {"theta": (size,), "outputs": output_shape, "gradient": (size,)}
        room = {
            name: theta.new_empty(count, capacity, *shape) if name in parts else None
            for name, shape in shapes.items()
        }
        self.theta, self.outputs, self.gradient = (room[name] for name in PARTS)
        self._shapes = shapes
        self.gradient_log_scale = theta.new_empty(count, capacity)
        self.step = np.zeros((count, capacity), dtype=np.int64)
        self.time = np.zeros((count, capacity))
        self.time_log = np.zeros((count, capacity))
        self.path_length = np.zeros((count, capacity))
        self.rate_log = np.zeros((count, capacity))
        self.written = np.zeros(count, dtype=np.int64)

    def take(self) -> MemberRows:
        """The rows written so far as float64 arrays of their own, and the buffer empty again.

        A part that was left out is NaN in every row, and takes no room.
        """
        written = self.written.copy()
        self.written[:] = 0
        records = int(written.max(initial=0))
        record, member = np.nonzero(np.arange(records)[:, None] < written[None, :])
        count = len(record)

        def placed(array: Array) -> Array:
            return np.asarray(array[member, record])

        parts = {
            name: self._part(getattr(self, name), shape, member, record)
            for name, shape in self._shapes.items()
        }
        scale = placed(_host(self.gradient_log_scale[:, :records]))
        known = {"time_log": placed(self.time_log), "learning_rate_log": placed(self.rate_log)}
        rows = Rows(
            step=placed(self.step),
            time=placed(self.time),
            path_length=placed(self.path_length),
            gradient_log_scale=scale,
            rule_series=known,
            memory=({},) * count,
            **parts,
        )
        return MemberRows(rows, member, record, self.count, records)

    def _part(
        self,
        held: Tensor | None,
        shape: tuple[int, ...],
        member: Int[np.ndarray, " T"],
        record: Int[np.ndarray, " T"],
    ) -> Float[np.ndarray, "T ..."]:
        """The rows of one part, gathered where they lie and brought here at once."""
        if held is None:
            return np.broadcast_to(np.array(np.nan), (len(member), *shape))
        place = torch.from_numpy(member * self.capacity + record).to(held.device)
        return _host(held.flatten(0, 1)[place])


def _host(tensor: Tensor) -> Array:
    return tensor.to(device="cpu", dtype=torch.float64).numpy()
