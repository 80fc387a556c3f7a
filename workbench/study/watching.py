"""What is looked for in the records of a shard's members: saddles, who leaves them, when samples separate."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.engine.member_rows import MemberRows
from workbench.engine.saddle_watch import SCALARS, Answer, Candidate, seen
from workbench.inspector.forecast_ledger import MOST_AT_SADDLES
from workbench.losses.loss import MarginLoss
from workbench.measures.norms import neuron_norms
from workbench.protocol.inspections import WHOLE
from workbench.run.member_series import RISK, Fault, said
from workbench.run.members import MemberBlock
from workbench.run.step_size import RATE_LOG
from workbench.study import leavers
from workbench.study.leavers import Standing, departure
from workbench.study.questions import Questions
from workbench.study.saddle_table import SaddleTable

WATCHED = tuple(name for name in SCALARS if name != "step")
"""The series that the watch for saddles goes by."""
STANDING = "standing/"


class Watching:
    """The `observe` of a `MemberRun`. `numbers` (M): of the members in the study.

    `separated_step`, `separated_time` (M): the first record at which the summed risk is below the loss of one
    sample at margin 0, so that every margin is positive: t_0 of LL20 §2; NaN before, and for other losses.
    """

    def __init__(self, block: MemberBlock, numbers: Sequence[int]) -> None:
        self.block, self.numbers = block, tuple(numbers)
        self.questions = Questions(block)
        self.table = SaddleTable.of(block)
        self.watches = [copy.copy(block.first.state.watch) for _ in self.numbers]
        self.standing: list[Standing] = []
        self.separated_step = np.full(block.count, np.nan)
        self.separated_time = np.full(block.count, np.nan)
        panel = block.first.panel
        self._rates = RATE_LOG in panel.rule_series
        self._zeros = _risks_at_zero(block)
        for watch, zero in zip(self.watches, self._zeros, strict=True):
            watch.log_risk_zero = zero

    def observe(
        self, found: MemberRows, tables: Mapping[str, Array], upto: Int[np.ndarray, " M"]
    ) -> dict[int, Fault]:
        """Take in the records of a chunk; who cannot be looked into fails at that record."""
        row = np.full((found.records, found.members), -1)
        row[found.record, found.member] = np.arange(len(found.member))
        faults: dict[int, Fault] = {}
        for k in np.flatnonzero(upto > 0):
            count = int(upto[k])
            saddles, fault = self._saddles(found, tables, row[:count, k], int(k))
            if fault is not None:
                faults[int(k)], count = fault, fault.at
            for saddle in saddles:
                self._told(found, tables, int(row[saddle.row, k]), int(k), saddle)
            upto[k] = count
        self._separate(found, tables, row, upto)
        self._follow(found, row, upto)
        return faults

    # --- saddles ---

    def _saddles(
        self, found: MemberRows, tables: Mapping[str, Array], row: Int[Array, " R"], k: int
    ) -> tuple[list[Candidate], Fault | None]:
        """Those of one member, and where the inspector could not be asked."""
        count = len(row)
        values = {name: tables[name][:count, k] for name in WATCHED}
        values["step"] = found.rows.step[row]
        faults: list[Fault] = []

        def confirm(theta: Array, step: int) -> Answer:
            try:
                return self.questions.saddle(k, theta, step)
            except Exception as error:  # noqa: BLE001  (it must cost this member only)
                at = int(np.flatnonzero(values["step"] == step)[0])
                faults.append(Fault(at, said(error)))
                return Answer(False, "", 0.0)

        theta = _ThetaOf(found.rows.theta, row)
        saddles = seen(self.watches[k], values, count, theta, confirm, first=False)
        if not faults:
            return saddles, None
        return [saddle for saddle in saddles if saddle.row < faults[0].at], faults[0]

    def _told(
        self, found: MemberRows, tables: Mapping[str, Array], row: int, k: int, saddle: Candidate
    ) -> None:
        """A saddle: looked into, kept, and followed from here."""
        rows, look = found.rows, None
        time = float(rows.time[row])
        if self.table.count(self.numbers[k]) < MOST_AT_SADDLES:
            rate = float(rows.rule_series[RATE_LOG][row]) if self._rates else np.nan
            look = self.questions.look(k, rows.theta[row], saddle.step, time, rate)
        risk = float(tables[RISK][saddle.row, k])
        self.table.add(self.numbers[k], saddle.step, time, risk, saddle.evidence, look)
        if look is None or not np.isfinite(look.radius) or look.first == WHOLE:
            return
        small = look.neurons.index[look.neurons.small]
        watched = np.flatnonzero(np.isin(self.block.first.panel.neurons, small))
        if len(watched):
            nothing = np.full(len(watched), np.nan)
            self.standing.append(
                Standing(k, saddle.step, look.radius, time, watched, np.nan, np.nan, nothing)
            )

    # --- what follows ---

    def _follow(
        self, found: MemberRows, row: Int[Array, "R M"], upto: Int[np.ndarray, " M"]
    ) -> None:
        """Hold those who stand at a saddle against its radius."""
        if not self.standing:
            return
        rows, first = found.rows, self.block.first
        neurons = first.panel.neurons
        still: list[Standing] = []
        for at in self.standing:
            mine = row[: upto[at.member], at.member]
            mine = mine[rows.step[mine] >= at.saddle]
            norm = neuron_norms(rows.theta[mine], first.structure)[:, neurons[at.watched]]
            left = departure(at, rows.step[mine], rows.time[mine], norm)
            if left is None:
                still.append(at)
            else:
                key = self.numbers[at.member], at.saddle
                self.table.left(key, int(neurons[left.column]), left)
        self.standing = still

    def _separate(
        self,
        found: MemberRows,
        tables: Mapping[str, Array],
        row: Int[Array, "R M"],
        upto: Int[np.ndarray, " M"],
    ) -> None:
        """Note the first record at which every margin is positive by the risk alone."""
        panel = self.block.first.panel
        if not isinstance(panel.loss, MarginLoss):
            return
        below = tables[RISK] + panel.log_n < panel.loss.log_separating
        for k in np.flatnonzero(below.any(axis=0) & np.isnan(self.separated_step)):
            at = int(np.argmax(below[:, k]))
            if at < upto[k]:
                self.separated_step[k] = found.rows.step[row[at, k]]
                self.separated_time[k] = found.rows.time[row[at, k]]

    # --- going on ---

    def to_arrays(self) -> dict[str, Array]:
        """What the file does not keep besides."""
        kept = leavers.to_arrays(self.standing)
        return {
            "watch": np.stack([watch.to_array() for watch in self.watches]),
            **{f"{STANDING}{name}": array for name, array in kept.items()},
        }

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `to_arrays` gave; the table and when samples separated come from the file."""
        for watch, array in zip(self.watches, arrays["watch"], strict=True):
            watch.load(array)
        self.standing = leavers.from_arrays(
            {n.removeprefix(STANDING): a for n, a in arrays.items() if n.startswith(STANDING)}
        )


class _ThetaOf:
    """θ of a member's records, each taken when it is asked about."""

    def __init__(self, theta: Float[Array, "T P"], row: Int[Array, " R"]) -> None:
        self.theta, self.row = theta, row

    def __getitem__(self, record: int, /) -> Array:
        return np.asarray(self.theta[self.row[record]])


def _risks_at_zero(block: MemberBlock) -> list[float | None]:
    """log 𝓛 at θ = 0 of every member, as a single run's watch has it."""
    first = block.first
    if first.state.watch.log_risk_zero is None:
        return [None] * block.count
    if block.one_dataset:
        return [first.state.watch.log_risk_zero] * block.count
    panel, shape = first.panel, first.output_shape
    return [
        panel.loss.log_risk_at_zero(shape, network.dataset.y, panel.reduction)
        for network in block.networks
    ]
