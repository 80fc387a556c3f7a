"""The settings of many members, a column a key instead of a table a member."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from workbench.arrays import Int
from workbench.config.study import frozen


@dataclass(frozen=True, eq=False)
class Settings(Sequence[dict[str, Any]]):
    """What every member sets, by number.

    `values`: of each key all that members have; `places` (M, K): which of them, a column a key, −1 where a
    member does not set it.
    """

    values: Mapping[str, tuple[Any, ...]]
    places: Int[np.ndarray, "M K"]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, member: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, member: slice) -> Settings: ...

    def __getitem__(self, member: int | slice) -> dict[str, Any] | Settings:
        if isinstance(member, slice):
            return Settings(self.values, self.places[member])
        row = zip(self.values.items(), self.places[member].tolist(), strict=True)
        return {key: values[place] for (key, values), place in row if place >= 0}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[member] for member in range(len(self)))


def settings_of(rows: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> Settings:
    """Members' settings, one after the other, as columns of those keys."""
    columns: dict[str, dict[Any, int]] = {key: {} for key in keys}
    values: dict[str, list[Any]] = {key: [] for key in columns}
    places: list[list[int]] = []
    for settings in rows:
        row = []
        for key, known in columns.items():
            if key not in settings:
                row.append(-1)
                continue
            value = settings[key]
            place = known.setdefault(frozen(value), len(known))
            if place == len(values[key]):
                values[key].append(value)
            row.append(place)
        places.append(row)
    table = np.array(places, dtype=np.int32).reshape(len(places), len(columns))
    return Settings({key: tuple(each) for key, each in values.items()}, table)
