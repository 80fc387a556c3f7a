"""A study's members as a grid: every choice of one key with every choice of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from workbench.config.study import MOST_MEMBERS, StudyConfig, frozen, member_table, range_of
from workbench.config.toml import parse_config, setting_value
from workbench.errors import BadInput, clean_text

ABSENT = object()


@dataclass(frozen=True)
class Dimension:
    """One axis of the grid. `keys`: one key, or those that go together; `values`: a tuple a choice, with a
    value a key."""

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    @property
    def name(self) -> str:
        """The first key, by which the axis is called."""
        return self.keys[0]

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def places(self) -> dict[Any, int]:
        """Where each choice lies, by its frozen values."""
        return {frozen(choice): place for place, choice in enumerate(self.values)}


@dataclass(frozen=True)
class Grid:
    """All members: the product of the dimensions, the last one's choices changing fastest.

    `base` is the run's table that they change: what a member does not set is as there.
    """

    dimensions: tuple[Dimension, ...]
    base: Mapping[str, Any]

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key in which members differ, dimension by dimension."""
        return tuple(key for dimension in self.dimensions for key in dimension.keys)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many choices every dimension has."""
        return tuple(len(dimension) for dimension in self.dimensions)

    @property
    def count(self) -> int:
        """M, 1 without a dimension."""
        return math.prod(self.shape)

    def settings(self, member: int) -> dict[str, Any]:
        """The choices by key at a place of the grid, counted from 0 in its order."""
        places = np.unravel_index(member, self.shape) if self.dimensions else ()
        return {
            key: value
            for dimension, place in zip(self.dimensions, places, strict=True)
            for key, value in zip(dimension.keys, dimension.values[place], strict=True)
        }

    def index(self, settings: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Where a member lies, a place a dimension; None: not in the grid.

        A key that it does not set counts as what its run has; one that the grid does not have must be that.
        """
        mine = {key: value for key, value in settings.items() if key in self._keys}
        for key, value in settings.items():
            if key not in mine and frozen(value) != frozen(setting_of(self.base, mine, key)):
                return None
        found: list[int] = []
        for dimension in self.dimensions:
            choice = tuple(setting_of(self.base, settings, key) for key in dimension.keys)
            place = dimension.places.get(frozen(choice))
            if place is None:
                return None
            found.append(place)
        return tuple(found)

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(self.keys)


def setting_of(base: Mapping[str, Any], settings: Mapping[str, Any], key: str) -> Any:
    """What a member's run has under a dotted key, set by it or not; `ABSENT` where that is nothing."""
    if key in settings:
        return settings[key]
    table: Any = base
    if any(name.endswith(".kind") or name == "train.rule" for name in settings):
        # A kind brings defaults of its own.
        config = parse_config(member_table(base, settings, "a member"), "a member")
        table = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    for part in key.split("."):
        if not isinstance(table, Mapping) or part not in table:
            return ABSENT
        table = table[part]
    return table


def grid_of(study: StudyConfig) -> Grid:
    """The grid of a study: a dimension a key of [grid], and one for those of [zip].

    Raises:
        BadInput: it has more than a million members.
    """
    dimensions = [
        Dimension((key,), tuple((value,) for value in values)) for key, values in study.grid.items()
    ]
    if study.zip:
        dimensions.append(Dimension(tuple(study.zip), tuple(zip(*study.zip.values(), strict=True))))
    grid = Grid(tuple(dimensions), study.table)
    if grid.count > MOST_MEMBERS:
        product = " × ".join(f"{length:,}" for length in grid.shape)
        raise BadInput(
            f"the grid has {product} = {grid.count:,} members; a study has up to {MOST_MEMBERS:,}."
        )
    return grid


def parse_choices(text: str) -> tuple[Any, ...]:
    """The choices in `1e-1,1e-2`, `range(0,1000)` or `[10,10],[20,20]`: TOML values, bare words are texts.

    Raises:
        BadInput: there are none, one is empty, or a bracket or a quote is not closed.
    """
    found: list[Any] = []
    for part in _parts(text):
        if not part:
            raise BadInput(
                f"'{clean_text(text, 80)}' has an empty choice; commas stand between choices."
            )
        numbers = range_of(part, "the range")
        found += [setting_value(part)] if numbers is None else numbers
    return tuple(found)


def _parts(text: str) -> list[str]:
    """The text between commas that lie in no bracket and no quote."""
    parts, start, depth, quote = [], 0, 0, ""
    escaped = False
    for place, character in enumerate(text):
        if quote:
            ends = character == quote and not escaped
            escaped = character == "\\" and quote == '"' and not escaped
            quote = "" if ends else quote
        elif character in "\"'":
            quote = character
        elif character == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
        else:
            depth += (character in "([{") - (character in ")]}")
    if quote or depth:
        raise BadInput(
            f"'{clean_text(text, 80)}': a {'quote' if quote else 'bracket'} is not closed."
        )
    return [*parts, text[start:].strip()]
