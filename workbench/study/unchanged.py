"""What of a study may change once it has begun: its grid, its launcher, what leaves every step as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.config.later import leaves
from workbench.config.study import StudyConfig, parse_study
from workbench.errors import BadInput, clean_text

MAY_CHANGE = (
    "name",
    "description",
    "checkpoint.every",
    "checkpoint.keep",
    "pause.at_saddle",
    "pause.at",
    "pause.risk_below",
    "device.threads",
    "study.members",
)
"""Beside [grid], [zip] and [launcher]."""


def require_unchanged(base: Mapping[str, Any], kept: Mapping[str, Any], study: StudyConfig) -> None:
    """Refuse a base or a [study] that is another than the one that members of before were run with.

    `base`, `kept`: the tables as they were when the study began.

    Raises:
        BadInput: with the first key that differs, then and now.
    """
    # Keys that a later workbench has got stand at their defaults in both.
    begun = parse_study({**base, "study": kept}, "the plan of the study")
    then = dict(leaves({**begun.table, "study": begun.study.model_dump(mode="json")}))
    now = dict(leaves({**study.table, "study": study.study.model_dump(mode="json")}))
    # Absent, it follows from a rule that members choose.
    rate = "train.lr"
    for key in dict.fromkeys((*then, *now)):
        one, other = then.get(key), now.get(key)
        if key in MAY_CHANGE or one == other or (key == rate and other is None):
            continue
        raise BadInput(
            f"study.toml: {key} is {_shown(other)}, and was {_shown(one)} when the study began; members of "
            "one study share it. Put it back, or make it a key of [grid], or sweep anew."
        )


def _shown(value: object) -> str:
    return "absent" if value is None else clean_text(repr(value), 60)
