"""The KKT points that first leavers of saddles head for, and how many members go to each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from workbench.arrays import Array
from workbench.study.points import SAME_DEGREES, points_of
from workbench.tui.study.look import Saddles
from workbench.tui.widgets.bars import Bar, BarsModel
from workbench.tui.widgets.compass import CompassModel
from workbench.tui.widgets.marks import KKT_GLYPHS, KktKind, KktPoint
from workbench.tui.widgets.numbers import short
from workbench.tui.widgets.palette import SERIES


@dataclass(frozen=True, eq=False)
class Target:
    """A KKT point: its number from 1, unit direction (p), kind, and the value N there."""

    number: int
    direction: Array
    kind: str
    value: float

    @property
    def angle(self) -> float:
        """In the plane; NaN elsewhere."""
        if self.direction.size != 2:
            return math.nan
        return math.atan2(self.direction[1], self.direction[0])

    @property
    def word(self) -> str:
        """Its number, and where it is in the plane, elsewhere its kind."""
        planar = math.isfinite(self.angle)
        return f"#{self.number} {f'{round(math.degrees(self.angle))}°' if planar else self.kind}"

    @property
    def label(self) -> str:
        """The same, and N there."""
        return f"{self.word}  N={self.value:.3g}"

    @property
    def color(self) -> str:
        """Of its bar and tiles."""
        return SERIES[(self.number - 1) % len(SERIES)]

    @property
    def glyph(self) -> str:
        """As in the compass of a run."""
        return KKT_GLYPHS.get(self.kind, "◆")


@dataclass(frozen=True, eq=False)
class Targets:
    """Points, most gone to first, and of every saddle (S) the place of its point, −1 for none."""

    points: tuple[Target, ...]
    place: Array
    saddles: Saddles

    @property
    def planar(self) -> bool:
        """Whether they lie on a circle."""
        return bool(self.points) and self.points[0].direction.size == 2

    def of_members(self, which: int, count: int) -> Array:
        """Where each of `count` members' saddle number `which` (−1: its last) leads, −1: nowhere."""
        found = np.full(count, -1, dtype=np.int64)
        # Saddles of a member stand in order: the last one written stays.
        rows = np.ones(self.place.size, dtype=bool) if which < 0 else self.saddles.order == which
        found[self.saddles.member[rows]] = self.place[rows]
        return found


def targets_of(saddles: Saddles) -> Targets:
    """Saddles' targets as points, those of most saddles first."""
    place = np.full(saddles.member.size, -1, dtype=np.int64)
    points = []
    for number, point in enumerate(
        points_of(saddles.direction, saddles.target_kind, saddles.target_value)
    ):
        place[point.own] = number
        points.append(Target(number + 1, point.direction, point.kind, point.value))
    return Targets(tuple(points), place, saddles)


def last_directions(targets: Targets, angles: Array, norms: Array | None) -> CompassModel:
    """All neurons of some members at their ends, (M, H), against the KKT points."""
    flat = angles.ravel()
    return CompassModel(
        title="last directions",
        directions=np.stack([np.cos(flat), np.sin(flat)], axis=1),
        norms=None if norms is None else norms.ravel(),
        kkt=_marks(targets),
        scale="relative" if norms is None else "log",
        note="all neurons" if norms is None else "log norm",
    )


def rose(targets: Targets, members: Sequence[int] | Array, count: int, which: int) -> CompassModel:
    """Rays as long as the shares of members that go there; all KKT points around."""
    shares = _shares(targets, members, count, which)
    title = f"where the {_which(which)} saddle leads"
    if not targets.planar:
        return CompassModel(title=title, empty="")
    return CompassModel(
        title=title,
        directions=np.stack([target.direction for target in targets.points]),
        norms=shares.astype(np.float64),
        kkt=_marks(targets),
        note="∝ members",
    )


def _marks(targets: Targets) -> tuple[KktPoint, ...]:
    """The KKT points in the plane: those that nobody went to, then the others."""
    if not targets.planar:
        return ()
    saddles, near = targets.saddles, 2 * math.sin(math.radians(SAME_DEGREES) / 2)
    around = [
        KktPoint(math.atan2(y, x), "point", float(value))
        for (x, y), value in zip(saddles.point_direction, saddles.point_value, strict=True)
        if all(math.hypot(x - t.direction[0], y - t.direction[1]) > near for t in targets.points)
    ]
    return (*around, *(KktPoint(t.angle, _kind(t.kind), t.value) for t in targets.points))


def shares_of(
    targets: Targets, members: Sequence[int] | Array, over: Array, which: int
) -> BarsModel:
    """How many of the members go to each point, then those of whom it is not known, or who passed no saddle.

    `over` (M) of all members: whether it has ended, as before that there may be a saddle yet.
    """
    shares = _shares(targets, members, over.size, which)
    total = len(members)
    bars = [
        Bar(t.glyph, t.label, t.color, int(n)) for t, n in zip(targets.points, shares, strict=True)
    ]
    bars = sorted((bar for bar in bars if bar.count), key=lambda bar: -bar.count)
    chosen = np.asarray(members, dtype=np.int64)
    passed = np.isin(chosen, targets.saddles.member)
    none = int((~passed & over[chosen]).sum())
    for label, many in (("not known", total - none - int(shares.sum())), ("no saddle", none)):
        if many and bars:
            bars.append(Bar("·", label, "dim", many))
    return BarsModel(
        title="" if targets.planar else f"where the {_which(which)} saddle leads",
        bars=tuple(bars),
        total=total,
        note=f"of {short(total)} members",
        empty="no member has left a saddle for a KKT point",
    )


def _which(which: int) -> str:
    return "last" if which < 0 else "first"


def _kind(kind: str) -> KktKind:
    return cast(KktKind, kind) if kind in KKT_GLYPHS else "point"


def _shares(targets: Targets, members: Sequence[int] | Array, count: int, which: int) -> Array:
    place = targets.of_members(which, count)[np.asarray(members, dtype=np.int64)]
    return np.bincount(place[place >= 0], minlength=len(targets.points))
