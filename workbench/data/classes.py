"""A subset of a labelled image set: the classes asked for, renamed, and a seeded draw of them."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Int, Shaped
from workbench.data.dataset import Dataset
from workbench.data.reading import MOST_NUMBERS
from workbench.errors import BadInput


def chosen_classes(
    label: Int[np.ndarray, " N"],
    pixels: Shaped[np.ndarray, "N d"],
    white: float,
    classes: tuple[int, ...],
    n: int,
    seed: int,
    name: str,
) -> Dataset:
    """The samples of `classes`; two of them get labels −1 and 1, more 0..C−1, in the order given.

    `n` > 0 keeps a seeded random subset of that size. x (n, d) is what is kept of `pixels`, divided by
    `white`. Raises BadInput for a class without samples, and for more than fits.
    """
    missing = sorted(set(classes) - {int(t) for t in np.unique(label)})
    if missing:
        raise BadInput(
            f"{name}: among its {label.size:,} samples are none of class "
            f"{', '.join(map(str, missing))}; leave them out of data.classes."
        )
    keep = np.flatnonzero(np.isin(label, classes))
    if 0 < n < keep.size:
        keep = np.sort(np.random.default_rng(seed).permutation(keep)[:n])
    if keep.size * pixels.shape[1] > MOST_NUMBERS:
        raise BadInput(
            f"{name}: {keep.size:,} pictures of {pixels.shape[1]:,} numbers are kept, and at most "
            f"{MOST_NUMBERS:,} numbers are allowed; data.n keeps fewer."
        )
    index = np.array([classes.index(int(t)) for t in label[keep]], dtype=np.float64)
    y = 2.0 * index - 1.0 if len(classes) == 2 else index
    return Dataset(np.ascontiguousarray(pixels[keep] / white, dtype=np.float64), y, name)
