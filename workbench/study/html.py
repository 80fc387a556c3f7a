"""What a notebook shows of a study: its grid, how far its members are, the saddles that they passed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.run.html import brief, page, setting, table
from workbench.study.grid import Dimension

if TYPE_CHECKING:
    from workbench.study.stored import StoredStudy

MOST_CHOICES = 8


def study_html(study: StoredStudy) -> str:
    """A study's folder; where it cannot be read, why."""
    try:
        done = study.progress()
        share = done.steps_done / max(1, done.steps_total)
        total = f"{done.steps_total:,} member-steps"
        heading = f"{study.status.word}, {study.count:,} members, {share:.0%} of {total}"
        passed = Counter(len(outcome.saddles) for outcome in study.outcomes())
        members = [(status.value, f"{n:,}") for status, n in done.members.items()]
        saddles = [(f"{n:,}", f"{count:,}") for n, count in sorted(passed.items())]
        return page(
            study.name,
            str(study.folder),
            heading,
            table("grid", [(_keys(d), f"{len(d):,}", _choices(d)) for d in study.grid.dimensions]),
            table("members", members),
            table("saddles passed", saddles, ("saddles", "members")),
            table("configuration", brief(study.config.base)),
        )
    except WorkbenchError as error:
        return page(study.study_id, str(study.folder), str(error))


def _keys(dimension: Dimension) -> str:
    return " with ".join(dimension.keys)


def _choices(dimension: Dimension) -> str:
    """The choices of its keys, the middle ones left out where they are many."""
    shown = [" with ".join(map(setting, choice)) for choice in dimension.values]
    if len(shown) > MOST_CHOICES:
        shown = [*shown[: MOST_CHOICES // 2], "…", shown[-1]]
    return ", ".join(shown)
