"""Which series of its members a shard keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from workbench.errors import unknown
from workbench.measures.registry import MEASURES


def kept_series(keep: Sequence[str], have: Collection[str]) -> tuple[str, ...]:
    """Of the names in `study.keep` those that the members' runs have.

    A series of the workbench that does not apply, as a margin where labels are no classes, is left out.

    Raises:
        BadInput: a name is neither the workbench's nor one of a measure of the members' own.
    """
    known = {series.name for measure in MEASURES for series in measure.series}
    for name in keep:
        if name not in known and name not in have:
            raise unknown("series", name, {*known, *have}, "study.keep")
    return tuple(dict.fromkeys(name for name in keep if name in have))
