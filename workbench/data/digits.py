"""scikit-learn's bundled 8×8 handwritten digits."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset


def digits(classes: tuple[int, ...], n: int, seed: int) -> Dataset:
    """The digits in `classes`, inputs (n, 64) in 0..1; two classes get labels −1 and 1 in order given.

    More classes get 0..C−1 in the order given; `n` > 0 keeps a seeded random subset.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, digit = bunch.data / 16.0, bunch.target
    keep = np.flatnonzero(np.isin(digit, classes))
    if 0 < n < keep.size:
        keep = np.sort(np.random.default_rng(seed).permutation(keep)[:n])
    index = np.array([classes.index(int(t)) for t in digit[keep]], dtype=np.float64)
    y = 2.0 * index - 1.0 if len(classes) == 2 else index
    return Dataset(np.ascontiguousarray(x[keep], dtype=np.float64), y, "digits")
