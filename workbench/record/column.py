"""One growing dataset of an open recording, written through h5py's low-level calls.

The high-level `dataset[a:b] = values` costs several times what HDF5 does; with two dozen datasets
a commit, that would bound how often a run can be recorded.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from workbench.arrays import Array


class Column:
    """A dataset that grows along its first axis.

    Attributes:
        dtype: the type of its values.
        row: the shape of one row.
        length: rows allocated in the file, complete or not.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset: Any = dataset
        self._id: Any = dataset.id
        self.dtype: np.dtype[Any] = dataset.dtype
        self.row: tuple[int, ...] = tuple(dataset.shape[1:])
        self.length: int = int(dataset.shape[0])

    def write(self, start: int, values: Array) -> None:
        """Write rows from `start` on, growing the dataset where it ends before them.

        `values` has the column's dtype, is C-contiguous, and has shape (T, *row).
        """
        end = start + len(values)
        if end > self.length:
            self._id.set_extent((end, *self.row))
            self.length = end
        if not values.size:
            return
        target = self._id.get_space()
        target.select_hyperslab((start, *(0 for _ in self.row)), values.shape)
        self._id.write(h5py.h5s.create_simple(values.shape), target, values)

    def read(self, start: int, end: int) -> Array:
        """Rows `start` to `end`."""
        return np.asarray(self._dataset[start:end])
