"""A shard's record of which some members are stepped again: those anew, the others as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from workbench.arrays import Array, Bool, Int
from workbench.record.shard_file import ShardRecord


def merged(kept: ShardRecord, new: ShardRecord) -> ShardRecord:
    """`kept` with the members of `new` in their places; attributes and state are those of `new`."""
    numbers = kept.member["number"]
    rows = np.searchsorted(numbers, new.member["number"])
    step = np.union1d(kept.series["step"], new.series["step"])
    series: dict[str, Array] = {"step": step}
    for name in dict.fromkeys((*kept.series, *new.series)):
        if name != "step":
            series[name] = _series(name, kept, new, rows, step)
    gone = np.isin(kept.saddle["member"], new.member["number"])
    saddle, point = _saddles(kept, new, ~gone)
    theta = kept.theta
    if theta is not None and new.theta is not None:
        theta = theta.copy()
        theta[rows] = new.theta
    return replace(
        new,
        member=_columns(kept.member, new.member, rows, len(numbers)),
        series=series,
        last=_columns(kept.last, new.last, rows, len(numbers)),
        end=_columns(kept.end, new.end, rows, len(numbers)),
        theta=theta,
        saddle=saddle,
        point=point,
    )


def _columns(
    kept: Mapping[str, Array], new: Mapping[str, Array], rows: Int[Array, " k"], count: int
) -> dict[str, Array]:
    """Columns by member; NaN or an empty text where one has no value."""
    found: dict[str, Array] = {}
    for name in dict.fromkeys((*kept, *new)):
        like = kept[name] if name in kept else new[name]
        column = like.copy() if name in kept else _nothing(like, (count, *like.shape[1:]))
        if column.dtype.kind == "U":
            column = column.astype(object)
        column[rows] = new[name] if name in new else _nothing(like, (len(rows), *like.shape[1:]))
        found[name] = column.astype(str) if column.dtype.kind == "O" else column
    return found


def _nothing(like: Array, shape: tuple[int, ...]) -> Array:
    if like.dtype.kind in "UO":
        return np.full(shape, "", dtype=object)
    return np.full(shape, np.nan)


def _series(
    name: str, kept: ShardRecord, new: ShardRecord, rows: Int[Array, " k"], step: Int[Array, " T"]
) -> Array:
    """A series (T, M, …) of all members at the steps of both."""
    like = kept.series.get(name, new.series.get(name))
    assert like is not None
    found = np.full((len(step), len(kept.member["number"]), *like.shape[2:]), np.nan)
    if name in kept.series:
        found[np.searchsorted(step, kept.series["step"])] = kept.series[name]
    found[:, rows] = np.nan
    if name in new.series:
        at = np.searchsorted(step, new.series["step"])
        found[at[:, None], rows[None, :]] = new.series[name]
    return found


def _saddles(
    kept: ShardRecord, new: ShardRecord, stay: Bool[Array, " S"]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Both tables of saddles as one, by member and step, with their points."""
    if not stay.any():
        return dict(new.saddle), dict(new.point)
    if not len(new.saddle["member"]):
        of = stay[kept.point["saddle"]]
        point = {name: column[of] for name, column in kept.point.items()}
        point["saddle"] = (np.cumsum(stay) - 1)[point["saddle"]]
        return {name: column[stay] for name, column in kept.saddle.items()}, point
    both = {
        name: np.concatenate([kept.saddle[name][stay], new.saddle[name]]) for name in new.saddle
    }
    order = np.lexsort((both["step"], both["member"]))
    saddle = {name: column[order] for name, column in both.items()}
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    old, first = stay[kept.point["saddle"]], np.cumsum(stay) - 1
    owner = np.concatenate(
        [place[first[kept.point["saddle"][old]]], place[int(stay.sum()) + new.point["saddle"]]]
    )
    by = np.argsort(owner, kind="stable")
    point = {
        name: np.concatenate([kept.point[name][old], new.point[name]])[by]
        for name in new.point
        if name != "saddle"
    }
    return saddle, {"saddle": owner[by], **point}
