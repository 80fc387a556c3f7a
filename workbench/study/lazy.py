"""Arrays over a study's grid that stay in the shards until a part of them is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core.indexing import IndexingSupport, explicit_indexing_adapter

from workbench.arrays import Array, Int
from workbench.record.shard_file import ShardRecord, read_shard

Rows = Callable[[ShardRecord], Array]
"""From a record with the parts that were asked for to (M, …), a row a member in the record's order."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Where the members of a grid are kept.

    `shard`: over the grid, the shard of the member there, −1 for none that can be read. `row`: its row in
    that shard's file. `paths`: of the shards' files by number.
    """

    shard: Int[np.ndarray, " ..."]
    row: Int[np.ndarray, " ..."]
    paths: Mapping[int, Path]


class ShardArray(BackendArray):
    """One quantity over the grid and its own axes `tail`, NaN where a member has none.

    `parts`: what to read of a shard; `rows` makes the members' rows of it, axes up to as long as in `tail`.
    An index reads the shards of the members that it takes, one after another; a file that is damaged raises
    StorageError.
    """

    def __init__(
        self, cells: Cells, tail: tuple[int, ...], parts: tuple[str, ...], rows: Rows
    ) -> None:
        self._cells, self._tail, self._parts, self._rows = cells, tail, parts, rows
        self.shape = (*cells.shard.shape, *tail)
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key: Any) -> Any:
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> Array:
        """The part that whole numbers and slices, one an axis, take."""
        count = self._cells.shard.ndim
        shard = np.asarray(self._cells.shard[key[:count]])
        row = np.asarray(self._cells.row[key[:count]])
        inner = key[count:]
        tail = np.empty(self._tail, dtype=bool)[inner].shape
        found = np.full((*shard.shape, *tail), np.nan)
        for number in np.unique(shard):
            if number >= 0:
                here = shard == number
                taken = self._padded(int(number))[(slice(None), *inner)]
                found[here] = taken[row[here]]
        return found

    def _padded(self, number: int) -> Array:
        """The rows of a shard's members, (M, …) with all of `tail`."""
        rows = self._rows(read_shard(self._cells.paths[number], self._parts))
        if rows.shape[1:] == self._tail:
            return rows
        padded = np.full((len(rows), *self._tail), np.nan)
        padded[tuple(slice(length) for length in rows.shape)] = rows
        return padded
