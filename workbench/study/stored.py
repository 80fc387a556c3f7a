"""A study on disk: its members and what became of them, read from its shards as far as they have come.

study = StoredStudy(Path("runs/20260101-120000-escape-1a2b"))
study.outcome(137).saddles
step, risk = study.series("log_risk")          # (T), (M, T)

Opening reads nothing but names; outcomes are read shard by shard, once for each time that its file is
replaced. Nothing here writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.config.run import RunConfig
from workbench.config.study import StudyConfig, member_config, parse_study
from workbench.config.toml import read_toml
from workbench.errors import BadInput, StorageError, clean_text
from workbench.protocol.status import RunStatus
from workbench.record.lock import is_alive
from workbench.record.schema import STUDY_FILE
from workbench.record.shard_file import OUTCOME, ShardRecord, read_shard, series_names, stamp
from workbench.record.subject import STUDY, shard_subject
from workbench.study.folder import shard_path, shards_folder
from workbench.study.grid import Grid, grid_of
from workbench.study.outcome import MemberStatus, Outcome
from workbench.study.outcomes import outcomes_of
from workbench.study.plan import PLAN_FILE, Plan, ShardPlan, read_plan


@dataclass(frozen=True)
class StudyProgress:
    """How far a study has come. `members`: how many by status, those with none left out; `steps_done` of
    `steps_total`: of all members, ended ones count as done; `shards_done` of `shards`; `seconds`: of stepping
    and looking, all shards together."""

    members: Mapping[MemberStatus, int]
    steps_done: int
    steps_total: int
    shards_done: int
    shards: int
    seconds: float


def _of(plan: ShardPlan, record: ShardRecord) -> ShardRecord:
    """The record, if it is of the members that the plan has in this shard; raises StorageError."""
    if tuple(record.member["number"].tolist()) != plan.members:
        raise StorageError(
            f"shard {plan.number} holds other members than the study's plan has in it."
        )
    return record


@dataclass(frozen=True, eq=False)
class _Shard:
    """A shard as it was read: its file's stamp, its claim, its record or why there is none."""

    stamp: tuple[int, int, int] | None
    claimed: bool
    record: ShardRecord | None
    problem: str
    outcomes: tuple[Outcome, ...]


class StoredStudy:
    """A study's folder.

    Raises:
        BadInput: the folder holds no study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.study_id = self.folder.resolve().name
        if not (self.folder / STUDY_FILE).is_file():
            raise BadInput(
                f"'{clean_text(str(folder))}' holds no study; a study's folder has a {STUDY_FILE}."
            )
        self._shards: dict[int, _Shard] = {}
        self._plan: tuple[tuple[int, int, int] | None, Plan] | None = None
        self._seen: object = None

    @cached_property
    def config(self) -> StudyConfig:
        """The study as its file says it; raises BadInput where that does not fit."""
        path = self.folder / STUDY_FILE
        return parse_study(read_toml(path), str(path))

    @property
    def name(self) -> str:
        """What it was called, else its id."""
        return self.config.name or self.study_id

    @cached_property
    def grid(self) -> Grid:
        """The grid that the file spans; members that were taken out of it lie nowhere on it."""
        return grid_of(self.config)

    @property
    def plan(self) -> Plan:
        """Which member is what, and which shard has which; raises StorageError."""
        found = stamp(self.folder / PLAN_FILE)
        if self._plan is None or self._plan[0] != found:
            self._plan = found, read_plan(self.folder)
        return self._plan[1]

    @property
    def count(self) -> int:
        """M."""
        return len(self.plan.settings)

    def _repr_html_(self) -> str:
        from workbench.study.html import study_html

        return study_html(self)

    # --- what became of it ---

    @property
    def status(self) -> RunStatus:
        """Running while it is driven or a shard is claimed; finished when every member has ended; lost where
        its driver is gone without a word; failed when all others failed or were lost; else
        stopped."""
        if self._driven() or any(self._shard(plan).claimed for plan in self.plan.shards):
            return RunStatus.RUNNING
        found = self.outcomes()
        if all(outcome.status.ended for outcome in found):
            return RunStatus.FINISHED
        if (self.folder / STUDY.heartbeat_name).exists():
            return RunStatus.LOST
        # Who is lost for good has the reason beside it.
        gone = (MemberStatus.FAILED, MemberStatus.LOST)
        over = all(o.status.ended or (o.status in gone and o.reason) for o in found)
        return RunStatus.FAILED if over else RunStatus.STOPPED

    def progress(self) -> StudyProgress:
        """How far it has come."""
        outcomes = self.outcomes()
        total = 0
        done = 0
        steps = self._steps_of_shards
        for plan in self.plan.shards:
            each = steps[plan.number]
            total += each * len(plan.members)
            done += sum(
                each if outcomes[k].status.ended else min(each, outcomes[k].last_step)
                for k in plan.members
            )
        shards = [self._shard(plan) for plan in self.plan.shards]
        return StudyProgress(
            Counter(outcome.status for outcome in outcomes),
            done,
            total,
            sum(s.record is not None and s.record.attributes["status"] == "done" for s in shards),
            len(shards),
            sum(outcome.seconds for outcome in outcomes),
        )

    def outcomes(self) -> Sequence[Outcome]:
        """What became of every member, by number."""
        settings = self.plan.settings
        found: list[Outcome | None] = [None] * len(settings)
        for plan in self.plan.shards:
            for outcome in self._shard(plan).outcomes:
                found[outcome.number] = outcome
        return tuple(
            Outcome(k, settings[k], MemberStatus.MISSING, last={}, end={}) if one is None else one
            for k, one in enumerate(found)
        )

    def outcome(self, member: int) -> Outcome:
        """What became of one member; raises BadInput where there is none of that number."""
        plan = self._plan_of(member)
        if plan is not None:
            for outcome in self._shard(plan).outcomes:
                if outcome.number == member:
                    return outcome
        return Outcome(member, self.plan.settings[member], MemberStatus.MISSING, last={}, end={})

    def problems(self) -> dict[int, str]:
        """Why shards cannot be read, in a sentence, by number."""
        found = ((plan.number, self._shard(plan).problem) for plan in self.plan.shards)
        return {number: problem for number, problem in found if problem}

    def changed(self) -> bool:
        """Whether a shard, its claim or the plan is another than at the last call; the first says yes. A
        look at names only, for who asks again and again."""
        seen = (
            stamp(self.folder / PLAN_FILE),
            self._driven(),
            [
                (stamp(shard_path(self.folder, plan.number)), self._claimed(plan.number))
                for plan in self.plan.shards
            ],
        )
        before, self._seen = self._seen, seen
        return seen != before

    # --- what is kept of members ---

    def series_names(self) -> tuple[str, ...]:
        """Every series that some shard keeps, "step" not among them."""
        found: dict[str, None] = {}
        for plan in self.plan.shards:
            if self._shard(plan).record is not None:
                found |= dict.fromkeys(series_names(shard_path(self.folder, plan.number)))
        return tuple(name for name in found if name != "step")

    def steps(self, shard: int) -> Int[np.ndarray, " T"]:
        """The steps whose records a shard keeps, as far as it has come; empty where it has not begun."""
        return self._kept(shard, "step")

    def series(self, name: str) -> tuple[Int[np.ndarray, " T"], Float[np.ndarray, "M T ..."]]:
        """(step (T), values (M, T, …)) of a series over all members, at the steps that some shard keeps; NaN
        where a member has none. Series of several numbers are of one shape for all, or refused.

        Raises:
            BadInput: no shard keeps a series of that name, or its shapes differ.
        """
        parts: list[tuple[ShardPlan, Array, Array]] = []
        for plan in self.plan.shards:
            values = self._kept(plan.number, name)
            if values.size:
                parts.append((plan, self.steps(plan.number), values))
        if not parts:
            kept = ", ".join(self.series_names()) or "none yet"
            raise BadInput(
                f"no series '{clean_text(name, 60)}' is kept of this study; kept: {kept}."
            )
        shape = self._one_shape(name, [values.shape[2:] for _, _, values in parts])
        step = np.unique(np.concatenate([steps for _, steps, _ in parts]))
        found = np.full((self.count, len(step), *shape), np.nan)
        for plan, steps, values in parts:
            rows = np.searchsorted(step, steps)
            found[np.array(plan.members)[:, None], rows[None, :]] = np.moveaxis(values, 0, 1)
        return step, found

    def last(self, name: str) -> Float[np.ndarray, "M ..."]:
        """A series' value where each member is or ended, (M, …); NaN where there is none.

        Raises:
            BadInput: no shard has one of that name, or their shapes differ.
        """
        return self._by_member(
            "last", name, {p.number: self._column(p, "last", name) for p in self.plan.shards}
        )

    def end(self, name: str) -> Array:
        """One value a member of its end, as `Outcome.end` has them; raises as `last`."""
        return self._by_member(
            "end", name, {p.number: self._column(p, "end", name) for p in self.plan.shards}
        )

    def theta(self, member: int) -> Float[np.ndarray, " P"] | None:
        """θ at a member's last step; None where the study keeps none, or it has not begun."""
        plan = self._plan_of(member)
        if plan is None or self._shard(plan).record is None:
            return None
        record = read_shard(shard_path(self.folder, plan.number), ("theta", "member/number"))
        at = np.flatnonzero(record.member["number"] == member)
        return None if record.theta is None or not at.size else record.theta[at[0]].copy()

    def member_config(self, member: int) -> RunConfig:
        """The configuration of the run that a member is; raises BadInput where there is no such member."""
        self._plan_of(member)
        settings = self.plan.settings[member]
        return member_config(self.config, settings, f"member {member}")

    # --- reading ---

    def _plan_of(self, member: int) -> ShardPlan | None:
        """The shard that has a member."""
        if not 0 <= member < self.count:
            raise BadInput(
                f"study '{self.study_id}' has no member {member}; allowed: 0 to {self.count - 1}."
            )
        plan = self.plan
        number = plan.shard_of.get(member)
        return None if number is None else next(s for s in plan.shards if s.number == number)

    @property
    def _steps_of_shards(self) -> dict[int, int]:
        """train.steps by shard: one configuration's for all of a shard."""
        plan, known = self.plan, self.__dict__.setdefault("_steps_known", {})
        for shard in plan.shards:
            if shard.number not in known:
                settings = plan.settings[shard.members[0]]
                known[shard.number] = int(settings.get("train.steps", self.config.base.train.steps))
        return known

    def _driven(self) -> bool:
        return is_alive(self.folder, STUDY)

    def _claimed(self, number: int) -> bool:
        return is_alive(shards_folder(self.folder), shard_subject(number))

    def _shard(self, plan: ShardPlan) -> _Shard:
        """A shard as it is now, read again only where its file or its claim has changed."""
        path = shard_path(self.folder, plan.number)
        known, here, claimed = (
            self._shards.get(plan.number),
            stamp(path),
            self._claimed(plan.number),
        )
        if known is not None and (known.stamp, known.claimed) == (here, claimed):
            return known
        record, problem = None, ""
        if known is not None and known.stamp == here:
            record, problem = known.record, known.problem
        elif here is not None:
            try:
                record = _of(plan, read_shard(path, OUTCOME))
            except StorageError as error:
                problem = str(error)
        made = outcomes_of(plan, self.plan.settings, record, problem, claimed)
        self._shards[plan.number] = found = _Shard(here, claimed, record, problem, made)
        return found

    def _kept(self, shard: int, name: str) -> Array:
        """A series of a shard, (T, M, …), or its steps (T); empty where it has none."""
        if stamp(path := shard_path(self.folder, shard)) is None:
            return np.empty(0)
        try:
            return read_shard(path, (f"series/{name}",)).series.get(name, np.empty(0))
        except StorageError:
            return np.empty(0)

    def _column(self, plan: ShardPlan, group: str, name: str) -> Array | None:
        record = self._shard(plan).record
        return None if record is None else getattr(record, group).get(name)

    def _by_member(self, group: str, name: str, columns: dict[int, Array | None]) -> Array:
        known = {number: column for number, column in columns.items() if column is not None}
        if not known:
            records = (self._shard(plan).record for plan in self.plan.shards)
            names = sorted({key for r in records if r is not None for key in getattr(r, group)})
            raise BadInput(
                f"this study has no '{clean_text(name, 60)}' of its members' end; "
                f"there is: {', '.join(names) or 'nothing yet'}."
            )
        shape = self._one_shape(name, [column.shape[1:] for column in known.values()])
        text = any(column.dtype.kind == "U" for column in known.values())
        found = np.full(
            (self.count, *shape), "" if text else np.nan, dtype=object if text else float
        )
        for plan in self.plan.shards:
            if plan.number in known:
                found[np.array(plan.members)] = known[plan.number]
        return found.astype(str) if text else found

    def _one_shape(self, name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        if len(set(shapes)) > 1:
            shown = ", ".join(str(shape) for shape in sorted(set(shapes)))
            raise BadInput(
                f"series '{clean_text(name, 60)}' has other shapes in other members ({shown}); "
                "look at members of one shape."
            )
        return shapes[0]
