"""Room for the records of M members, and the rows that come out of it for the panel to take stacked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array, Bool, Float, Int
from workbench.engine.members import Members
from workbench.engine.program import RowBuffer
from workbench.measures.rows import Rows

PARTS = ("theta", "outputs", "gradient")
"""What a row may leave out: with 10,000 members each takes as much room as all of their weights."""

ROW_ARRAYS = ("step", "time", "time_log", "path_length", "rate_log", "gradient_log_scale")


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

    def rows_of(self, member: int) -> Rows:
        """Those of one member."""
        return self._chosen(self.member == member)

    def only(self, which: Bool[np.ndarray, " T"]) -> MemberRows:
        """Some of the rows, in the same table."""
        return MemberRows(
            self._chosen(which), self.member[which], self.record[which], self.members, self.records
        )

    def _chosen(self, mine: Bool[np.ndarray, " T"]) -> Rows:
        rows = self.rows
        return Rows(
            step=rows.step[mine],
            time=rows.time[mine],
            path_length=rows.path_length[mine],
            theta=rows.theta[mine],
            outputs=rows.outputs[mine],
            gradient=rows.gradient[mine],
            gradient_log_scale=rows.gradient_log_scale[mine],
            rule_series={name: values[mine] for name, values in rows.rule_series.items()},
        )


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
        self.shapes = shapes
        self.gradient_log_scale = theta.new_empty(count, capacity)
        self.step = np.zeros((count, capacity), dtype=np.int64)
        self.time = np.zeros((count, capacity))
        self.time_log = np.zeros((count, capacity))
        self.path_length = np.zeros((count, capacity))
        self.rate_log = np.zeros((count, capacity))
        self.written = np.zeros(count, dtype=np.int64)

    def of(self, member: int) -> RowBuffer:
        """The room that is left for one member as the empty buffer of a single run.

        What is left out here has room of its own there, to be written and forgotten. Its `count` is to be
        added to `written`.
        """
        return _OneMember(self, member)

    def write(
        self,
        members: Members,
        which: Bool[np.ndarray, " M"],
        parts: Mapping[str, Tensor],
        log_scale: Tensor,
    ) -> None:
        """The next row of those members, from `PARTS` (M, …) and the gradient's log scale (M)."""
        chosen = np.flatnonzero(which)
        row = self.written[chosen]
        place = (
            torch.from_numpy(chosen).to(log_scale.device),
            torch.from_numpy(row).to(log_scale.device),
        )
        for name, values in parts.items():
            held = getattr(self, name)
            if held is not None:
                held[place] = values[place[0]]
        self.gradient_log_scale[place] = log_scale[place[0]]
        path = members.travelled()
        self.step[chosen, row] = [members.at(int(k)) for k in chosen]
        self.path_length[chosen, row] = path[chosen]
        for name in ("time", "time_log", "rate_log"):
            getattr(self, name)[chosen, row] = getattr(members, name)[chosen]
        self.written[chosen] += 1

    def take(self) -> MemberRows:
        """The rows written so far as float64 arrays of their own, and the buffer empty again.

        A part that was left out is NaN in every row, and takes no room.
        """
        written = self.written.copy()
        self.written[:] = 0
        records = int(written.max(initial=0))
        record, member = np.nonzero(np.arange(records)[:, None] < written[None, :])

        def placed(array: Array) -> Array:
            return np.asarray(array[member, record])

        theta, outputs, gradient = (
            self._part(getattr(self, name), self.shapes[name], member, record) for name in PARTS
        )
        scale = placed(_host(self.gradient_log_scale[:, :records]))
        known = {"time_log": placed(self.time_log), "learning_rate_log": placed(self.rate_log)}
        rows = Rows(
            step=placed(self.step),
            time=placed(self.time),
            path_length=placed(self.path_length),
            gradient_log_scale=scale,
            rule_series=known,
            theta=theta,
            outputs=outputs,
            gradient=gradient,
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


class _OneMember(RowBuffer):
    """A single run's buffer whose rows lie in those of many members."""

    def __init__(self, all_of: MemberBuffer, member: int) -> None:
        super().__init__(0, all_of.gradient_log_scale[:0, 0], all_of.output_shape)
        first = int(all_of.written[member])
        self.capacity = all_of.capacity - first
        for name in ROW_ARRAYS:
            setattr(self, name, getattr(all_of, name)[member, first:])
        for name, shape in all_of.shapes.items():
            held, like = getattr(all_of, name), all_of.gradient_log_scale
            left_out = held is None
            rows = like.new_empty(self.capacity, *shape) if left_out else held[member, first:]
            setattr(self, name, rows)


def _host(tensor: Tensor) -> Array:
    return tensor.to(device="cpu", dtype=torch.float64).numpy()
