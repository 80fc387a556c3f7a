"""One pass over a study's shards: columns over the grid, and the shapes of what stays in the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Int
from workbench.errors import StorageError
from workbench.record.lock import is_alive
from workbench.record.shard_file import OUTCOME, ShardRecord, read_shard, series_names
from workbench.record.subject import shard_subject
from workbench.study.columns import END, LAST, SADDLE_PREFIX
from workbench.study.folder import shard_path, shards_folder
from workbench.study.lazy import Cells, Rows, ShardArray
from workbench.study.outcome import MemberStatus
from workbench.study.plan import ShardPlan
from workbench.study.stored import StoredStudy

NEGATIVE_IS_NONE = ("leaver", "target", "neuron_target")
"""Of a saddle: −1 in a shard is NaN here."""
STEPS = "series/step"


class Gathered:
    """What a study's shards hold, over its grid. All shards are read once, none is kept.

    `columns`: of one number or text a member, (grid…) by name; `saddles`: of one a saddle, (grid…, K) with K
    the most that a member met; `step` (T): all steps that some shard keeps; `left_out`: sentences.
    """

    def __init__(self, study: StoredStudy) -> None:
        plan, grid = study.plan, study.grid
        self.shape = grid.shape
        self._study = study
        count = int(np.prod(self.shape, dtype=np.int64))
        indices = [grid.index(settings) for settings in plan.settings]
        self._place = np.array(
            [-1 if i is None else np.ravel_multi_index(i, self.shape) if i else 0 for i in indices],
            dtype=np.int64,
        )
        self._flat: dict[str, Array] = {}
        self._count = count
        self._met: list[tuple[Array, Array, Mapping[str, Array]]] = []
        self._tails: dict[str, tuple[int, ...]] = {}
        self._steps: list[Array] = []
        self.series: dict[str, None] = {}
        self._shard = np.full(count, -1, dtype=np.int32)
        self._row = np.full(count, -1, dtype=np.int32)
        self._paths: dict[int, Path] = {}
        self.left_out: list[str] = []
        self._begin()
        for shard in plan.shards:
            self._take(shard)
        outside = int((self._place < 0).sum())
        if outside:
            self.left_out.append(
                f"{outside:,} members are not in the grid that study.toml has now."
            )
        self.step: Int[np.ndarray, " T"] = np.unique(
            np.concatenate([*self._steps, np.empty(0, int)])
        )
        self.columns = {name: array.reshape(self.shape) for name, array in self._flat.items()}
        self.most_saddles = max((int(at.max()) + 1 for _, at, _ in self._met if len(at)), default=0)
        self.saddles = self._saddles()

    # --- what is in memory ---

    def _begin(self) -> None:
        numbers = np.flatnonzero(self._place >= 0)
        places = self._place[numbers]
        self._column("member", False)[places] = numbers
        status = self._column("status", True)
        status[:] = MemberStatus.MISSING.value
        status[places] = MemberStatus.MISSING.value
        self._column("reason", True)
        for name in ("last_step", "seconds", "saddle_count"):
            self._column(name, False)

    def _column(self, name: str, text: bool) -> Array:
        """A column over the grid's places, made of nothing where it is not there yet."""
        if name not in self._flat:
            self._flat[name] = (
                np.full(self._count, "", dtype=object) if text else np.full(self._count, np.nan)
            )
        return self._flat[name]

    def _take(self, plan: ShardPlan) -> None:
        """Everything of a shard that has one value a member or a saddle, and its shapes."""
        path = shard_path(self._study.folder, plan.number)
        claimed = is_alive(shards_folder(self._study.folder), shard_subject(plan.number))
        here = self._place[np.array(plan.members, dtype=np.int64)]
        here = here[here >= 0]
        try:
            record = _read(path, plan) if path.is_file() else None
        except StorageError as error:
            self._flat["reason"][here] = str(error)
            self.left_out.append(f"{len(here):,} members: {error}")
            return
        if record is None:
            begun = MemberStatus.RUNNING if claimed else MemberStatus.WAITING
            self._flat["status"][here] = begun.value
            return
        number = record.member["number"]
        place = self._place[number]
        kept = place >= 0
        self._paths[plan.number] = path
        self._shard[place[kept]] = plan.number
        self._row[place[kept]] = np.flatnonzero(kept)
        status = record.member["status"].astype(object)
        if not claimed:
            status[status == MemberStatus.RUNNING.value] = MemberStatus.LOST.value
        self._put("status", status, place)
        for name in ("reason", "last_step", "seconds"):
            self._put(name, record.member[name], place)
        for group, prefix in (("last", LAST), ("end", END)):
            for name, values in getattr(record, group).items():
                if values.ndim == 1:
                    self._put(f"{prefix}{name}", values, place)
                elif prefix == LAST:
                    self._reach(f"{prefix}{name}", values.shape[1:])
        self._take_saddles(record, place)
        if "step" in record.series:
            self._steps.append(record.series["step"])
            self.series |= dict.fromkeys(n for n in series_names(path) if n != "step")
        if record.theta is not None:
            self._reach("theta", record.theta.shape[1:])

    def _put(self, name: str, values: Array, place: Array) -> None:
        kept = place >= 0
        text = values.dtype.kind in "OUS"
        column = self._column(name, text)
        column[place[kept]] = values[kept].astype(object) if text else values[kept]

    def _reach(self, name: str, shape: tuple[int, ...]) -> None:
        """The longest that each axis of a quantity is in some shard."""
        known = self._tails.get(name, shape)
        if len(known) == len(shape):
            self._tails[name] = tuple(map(max, known, shape))

    def _take_saddles(self, record: ShardRecord, place: Array) -> None:
        """Saddles by the grid's place and their number from 0; of members that began, how many they met."""
        self._flat["saddle_count"][place[place >= 0]] = 0.0
        if not record.saddle or not len(record.saddle["member"]):
            return
        at = saddle_numbers(record)
        places = self._place[record.saddle["member"]]
        kept = places >= 0
        np.add.at(self._flat["saddle_count"], places[kept], 1.0)
        scalars = {n: v[kept] for n, v in record.saddle.items() if v.ndim == 1 and n != "member"}
        self._met.append((places[kept], at[kept], scalars))
        for name, values in record.saddle.items():
            if values.ndim > 1:
                self._reach(f"{SADDLE_PREFIX}{name}", (int(at.max()) + 1, *values.shape[1:]))

    def _saddles(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for places, at, columns in self._met:
            for name, values in columns.items():
                text = values.dtype.kind in "OUS"
                key = f"{SADDLE_PREFIX}{name}"
                if key not in found:
                    shape = (self._count, self.most_saddles)
                    found[key] = np.full(
                        shape, "" if text else np.nan, dtype=object if text else float
                    )
                found[key][places, at] = values if text else _known(name, values)
        return {n: array.reshape(*self.shape, self.most_saddles) for n, array in found.items()}

    # --- what stays in the files ---

    def lazy(self) -> dict[str, ShardArray]:
        """What has many numbers a member, by name: its first own axis is `step` of a series, `saddle` of a
        saddle's."""
        cells = Cells(self._shard.reshape(self.shape), self._row.reshape(self.shape), self._paths)
        found = {}
        for name in self.series:
            last = self._tails.get(f"{LAST}{name}", ())
            tail = (len(self.step), *last)
            found[name] = ShardArray(
                cells, tail, ("member/number", STEPS, f"series/{name}"), self._series(name)
            )
        for name, tail in self._tails.items():
            part, rows = _part_of(name)
            found[name] = ShardArray(cells, tail, part, rows)
        return found

    def _series(self, name: str) -> Rows:
        """(M, T, …) of a shard's series, at all steps of the study."""

        def rows(record: ShardRecord) -> Array:
            number = record.member["number"]
            if name not in record.series:
                return np.full((len(number), len(self.step)), np.nan)
            step, values = record.series["step"], np.moveaxis(record.series[name], 0, 1)
            # A shard that goes on may have come further since.
            kept = np.isin(step, self.step)
            found = np.full((len(values), len(self.step), *values.shape[2:]), np.nan)
            found[:, np.searchsorted(self.step, step[kept])] = values[:, kept]
            return found

        return rows


def _read(path: Path, plan: ShardPlan) -> ShardRecord:
    record = read_shard(path, (*OUTCOME, STEPS, "theta"))
    if tuple(record.member["number"].tolist()) != plan.members:
        raise StorageError(
            f"shard {plan.number} holds other members than the study's plan has in it."
        )
    if record.saddle and not np.isin(record.saddle["member"], plan.members).all():
        raise StorageError(f"shard {plan.number} holds saddles of members that are not in it.")
    return record


def _part_of(name: str) -> tuple[tuple[str, ...], Rows]:
    """What to read of a shard for a quantity of one array a member, and its rows."""
    if name == "theta":
        return ("theta",), lambda record: np.asarray(record.theta)
    if name.startswith(LAST):
        column = name.removeprefix(LAST)
        return (f"last/{column}",), lambda record: record.last[column]
    column = name.removeprefix(SADDLE_PREFIX)
    parts = ("member/number", "saddle/member", f"saddle/{column}")
    return parts, lambda record: _saddle_rows(record, column)


def _saddle_rows(record: ShardRecord, column: str) -> Array:
    """(M, K, …) a column of saddles by member, K the most that one of the shard met."""
    number, member = record.member["number"], record.saddle["member"]
    values, at = _known(column, record.saddle[column]), saddle_numbers(record)
    found = np.full((len(number), int(at.max(initial=-1)) + 1, *values.shape[1:]), np.nan)
    order = np.argsort(number)
    found[order[np.searchsorted(number[order], member)], at] = values
    return found


def saddle_numbers(record: ShardRecord) -> Int[np.ndarray, " S"]:
    """(S) which of its member's saddles each row is, from 0, by rising step as the file has them."""
    member = record.saddle["member"]
    order = np.argsort(member, kind="stable")
    ordered = member[order]
    first = np.searchsorted(ordered, ordered, side="left")
    found = np.empty(len(member), dtype=np.int64)
    found[order] = np.arange(len(member)) - first
    return found


def _known(name: str, values: Array) -> Array:
    """Numbers with NaN where there is none."""
    found = values.astype(np.float64)
    if name in NEGATIVE_IS_NONE:
        found[found < 0] = np.nan
    return found
