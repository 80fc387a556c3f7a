"""The saddles of a shard's members as the columns that its file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.recording import direction_width
from workbench.protocol.inspections import WHOLE, RecordedInspection
from workbench.run.members import MemberBlock
from workbench.study.leavers import Departure

MOST_POINTS = 32
"""KKT points that are kept of a saddle."""
WIDEST = 256
"""Most numbers of their directions, and most neurons whose targets are kept."""


@dataclass
class SaddleRow:
    """One saddle; see `workbench.study.outcome.Saddle`. `member`: its number in the study."""

    member: int
    step: int
    time: float
    log_risk: float
    verdict: str
    evidence: str
    leaver: int
    escape_step: float
    escape_time: float
    target: int
    target_value: float
    target_kind: str
    target_direction: Float[Array, " p"]
    neuron_target: Int[Array, " H"]


SCALARS = tuple(f.name for f in fields(SaddleRow))[:-2]


Key = tuple[int, int]
"""A member's number in the study, and the step: which saddle it is."""


class SaddleTable:
    """Grows by a row a saddle; `columns` and `points` are the file's groups `saddle` and `point`, by member
    and step, whichever was told first.

    `width`: p, 0 where directions are not kept; `neurons`: H, 0 where targets are not.
    """

    def __init__(self, width: int, neurons: int) -> None:
        self.width, self.neurons = width, neurons
        self.rows: dict[Key, SaddleRow] = {}
        self._points: dict[Key, tuple[Array, Array, tuple[str, ...]]] = {}

    @classmethod
    def of(cls, block: MemberBlock) -> SaddleTable:
        """Empty, for the members of a block."""
        data, panel = block.first.dataset, block.first.panel
        width = direction_width(block.first.structure, data.n, panel.outputs, data.x.ndim == 2) or 0
        neurons = panel.neuron_count
        return cls(width if width <= WIDEST else 0, neurons if neurons <= WIDEST else 0)

    def add(
        self,
        member: int,
        step: int,
        time: float,
        log_risk: float,
        words: str,
        found: RecordedInspection | None,
    ) -> None:
        """A new saddle; `found` None: nothing was seen in it."""
        key = member, step
        self.rows[key] = SaddleRow(
            member,
            step,
            time,
            log_risk,
            "saddle",
            words,
            -1,
            np.nan,
            np.nan,
            -1,
            np.nan,
            "",
            np.full(self.width, np.nan),
            np.full(self.neurons, -1, dtype=np.int16),
        )
        self._points[key] = np.zeros((0, self.width)), np.zeros(0), ()
        if found is not None and len(found.points.value):
            self._look(key, found)

    def left(self, key: Key, neuron: int, departure: Departure) -> None:
        """A neuron has left; what is said of a target is said of its own from here on, if it has one."""
        at = self.rows[key]
        at.leaver, at.escape_step, at.escape_time = neuron, departure.step, departure.time
        if neuron < self.neurons and at.neuron_target[neuron] >= 0:
            self._aim(key, int(at.neuron_target[neuron]))

    def count(self, member: int) -> int:
        """Saddles of a member, by its number."""
        return sum(number == member for number, _ in self.rows)

    def _look(self, key: Key, found: RecordedInspection) -> None:
        """Points, and who heads to which."""
        points, targets = found.points, found.neurons.target
        aimed = set(targets[targets >= 0].tolist())
        ranked = sorted(range(len(points.value)), key=lambda i: (i not in aimed, -points.value[i]))
        kept = sorted(ranked[:MOST_POINTS])
        place = {point: k for k, point in enumerate(kept)}
        direction = points.direction[kept]
        if direction.shape[1] != self.width:
            direction = np.full((len(kept), self.width), np.nan)
        kinds = tuple(points.kind[k] for k in kept)
        self._points[key] = direction, points.value[kept], kinds
        if self.neurons:
            at = self.rows[key]
            for index, target in zip(found.neurons.index, targets, strict=True):
                if index == WHOLE:
                    continue
                at.neuron_target[index] = place.get(int(target), -1)
        first = found.row(found.first)
        aim = -1 if first is None else place.get(int(targets[first]), -1)
        if aim >= 0:
            self._aim(key, aim)

    def _aim(self, key: Key, target: int) -> None:
        direction, value, kinds = self._points[key]
        at = self.rows[key]
        at.target, at.target_value, at.target_kind = target, float(value[target]), kinds[target]
        at.target_direction = direction[target].copy()

    # --- the file ---

    def columns(self) -> dict[str, Array]:
        """The table, a column a name, (S, …)."""
        rows = [self.rows[key] for key in sorted(self.rows)]
        found: dict[str, Array] = {
            name: np.array([getattr(row, name) for row in rows], dtype=_type_of(name))
            for name in SCALARS
        }
        count = len(rows)
        found["target_direction"] = np.array(
            [row.target_direction for row in rows], dtype=float
        ).reshape(count, self.width)
        found["neuron_target"] = np.array(
            [row.neuron_target for row in rows], dtype=np.int16
        ).reshape(count, self.neurons)
        return found

    def points(self) -> dict[str, Array]:
        """The points of all saddles, (K, …); `saddle` (K) is the row of theirs."""
        sets = [self._points[key] for key in sorted(self.rows)]
        counts = [len(value) for _, value, _ in sets]
        return {
            "saddle": np.repeat(np.arange(len(sets)), counts).astype(np.int64),
            "direction": np.concatenate([np.zeros((0, self.width)), *(d for d, _, _ in sets)]),
            "value": np.concatenate([np.zeros(0), *(value for _, value, _ in sets)]),
            "kind": np.array([kind for _, _, kinds in sets for kind in kinds], dtype=str),
        }

    def load(self, columns: Mapping[str, Array], points: Mapping[str, Array]) -> None:
        """Take over what the file has."""
        each = {name: columns[name].tolist() for name in SCALARS}
        bounds = np.searchsorted(points["saddle"], np.arange(len(each["member"]) + 1))
        for k in range(len(each["member"])):
            key = each["member"][k], each["step"][k]
            self.rows[key] = SaddleRow(
                **{name: each[name][k] for name in SCALARS},
                target_direction=columns["target_direction"][k].copy(),
                neuron_target=columns["neuron_target"][k].copy(),
            )
            mine = slice(int(bounds[k]), int(bounds[k + 1]))
            kinds = tuple(points["kind"][mine].tolist())
            self._points[key] = points["direction"][mine], points["value"][mine], kinds


def _type_of(name: str) -> type:
    if name in ("verdict", "evidence", "target_kind"):
        return str
    return np.int64 if name in ("member", "step", "leaver", "target") else float
