"""What can be asked of every member: a number, or a word, each, by which pictures colour and tables sort."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from workbench.arrays import Array
from workbench.protocol.status import status_of
from workbench.tui.study.look import StudyLook
from workbench.tui.study.targets import Targets
from workbench.tui.widgets.numbers import short
from workbench.tui.widgets.palette import SERIES
from workbench.tui.widgets.statusline import log_risk_text, number_text

LN10 = math.log(10.0)
DECADES = 2.0
"""Positive numbers that span more decades are coloured by their logarithm."""
_WORD_COLORS = (*SERIES, "bright", "bar_text")


@dataclass(frozen=True, eq=False)
class Measured:
    """One answer a member: `values` (M), NaN where there is none yet. Of words, places in `words`, which are
    (word, colour name) pairs."""

    key: str
    title: str
    values: Array
    words: tuple[tuple[str, str], ...] = ()
    text: Callable[[float], str] = short

    @property
    def log(self) -> bool:
        """Whether colours are to go with the logarithm."""
        known = self.values[np.isfinite(self.values)]
        if self.words or not known.size or float(known.min()) <= 0:
            return False
        return math.log10(float(known.max()) / float(known.min())) > DECADES

    def said(self, value: float) -> str:
        """A value in words."""
        if np.isnan(value):
            return "–"
        return self.words[int(value)][0] if self.words else self.text(value)


def measured(look: StudyLook, targets: Targets) -> dict[str, Measured]:
    """All there is, by name, what says most first; what no member has is left out."""
    found = [
        _first(look, "escape step", "escape step of the first saddle", look.saddles.escape_step),
        _saddles(look),
        _words("target", "where the first saddle leads", *_target_words(look, targets)),
        _first(look, "saddle step", "step of the first saddle", look.saddles.step),
        _state(look),
    ]
    if (risk := look.last.get("log_risk")) is not None and risk.dtype != object:
        found.append(Measured("risk", "risk  log₁₀ L", risk / LN10, text=log_risk_text))
    if (margin := look.last.get("margin_normalized")) is not None and margin.dtype != object:
        text = partial(number_text, pattern="+.3f")
        found.append(Measured("margin", "normalized margin", margin, text=text))
    found.append(Measured("step", "last step", look.step))
    for name, values in {**look.end, **look.last}.items():
        if name in ("log_risk", "margin_normalized"):
            continue
        if values.dtype == object:
            found.append(_words(name, name, values))
        else:
            found.append(Measured(name, name, values, text=_number))
    return {one.key: one for one in found if one.key == "state" or np.isfinite(one.values).any()}


def first_asked(found: dict[str, Measured]) -> str:
    """The outcome to begin with: the first in which members differ."""
    for key, one in found.items():
        known = one.values[np.isfinite(one.values)]
        if key != "state" and known.size and np.unique(known).size > 1:
            return key
    return "state" if "state" in found else next(iter(found))


def _number(value: float) -> str:
    return number_text(value, ".3g")


def _saddles(look: StudyLook) -> Measured:
    count = np.bincount(look.saddles.member, minlength=look.count).astype(np.float64)
    # A member that is not through may pass one yet.
    count[~look.over & (count == 0)] = np.nan
    return Measured("saddles", "saddles passed", count)


def _first(look: StudyLook, key: str, title: str, of: Array) -> Measured:
    values = np.full(look.count, np.nan)
    rows = look.saddles.order == 0
    values[look.saddles.member[rows]] = of[rows]
    return Measured(key, title, values)


def _target_words(look: StudyLook, targets: Targets) -> tuple[Array, tuple[str, ...]]:
    words = tuple(target.word for target in targets.points)
    place = targets.of_members(0, look.count)
    values = np.array([words[k] if k >= 0 else "" for k in place], dtype=object)
    return values, tuple(target.color for target in targets.points)


def _state(look: StudyLook) -> Measured:
    words = [str(word) for word in dict.fromkeys(look.status.tolist())]
    inks = {"finished": "cyan", "waiting": "faint", "missing": "faint"}
    colors = tuple(inks.get(word, status_of(word).ink) for word in words)
    return _words("state", "state", look.status, colors)


def _words(key: str, title: str, values: Array, colors: tuple[str, ...] = ()) -> Measured:
    """Words as places among those that there are; an empty one is none."""
    kinds = [word for word in dict.fromkeys(values.tolist()) if word]
    if colors and key == "target":
        kinds.sort(key=_target_number)
        colors = tuple(colors[_target_number(word) - 1] for word in kinds)
    place = {word: float(k) for k, word in enumerate(kinds)}
    found = np.array([place.get(word, np.nan) for word in values.tolist()])
    inks = colors or tuple(_WORD_COLORS[k % len(_WORD_COLORS)] for k in range(len(kinds)))
    return Measured(key, title, found, tuple(zip(kinds, inks, strict=False)))


def _target_number(word: str) -> int:
    return int(word.split()[0].removeprefix("#"))
