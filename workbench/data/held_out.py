"""The held-out part of a dataset: a share drawn from it, or samples of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.arrays import Float, Int
from workbench.data.dataset import Dataset
from workbench.errors import BadInput


def split_off(data: Dataset, share: float, seed: int) -> Dataset:
    """The samples without a share of them, which is held out; both parts keep the order of the set.

    Of labels that are classes, each with two samples or more, the same share of every class is held out, to
    the nearest whole numbers, and never all of one; else the draw is from all samples. Raises BadInput where
    a part would have no sample.
    """
    rng = np.random.default_rng(seed)
    values, kind, counts = np.unique(data.y, return_inverse=True, return_counts=True)
    if data.labels == "real" or counts.min() < 2 or values.size < 2:
        kind, counts = np.zeros(data.n, dtype=np.int64), np.array([data.n])
    wanted = _apportioned(counts, share)
    held = np.zeros(data.n, dtype=bool)
    for k, count in enumerate(wanted):
        held[rng.permutation(np.flatnonzero(kind == k))[:count]] = True
    if not 0 < held.sum() < data.n:
        raise BadInput(
            f"data.test.split = {share:g} of the {data.n:,} samples of {data.name} holds {held.sum():,} out; "
            "both parts need one at least."
        )
    return replace(_part(data, ~held), test=_part(data, held))


def with_held_out(data: Dataset, test: Dataset) -> Dataset:
    """The samples with others as their held-out part; raises BadInput where these have another shape."""
    shape, needed = test.x.shape[1:], data.x.shape[1:]
    if shape != needed:
        raise BadInput(
            f"data.test: inputs have the shape {_shown(shape)}, and those of the training set "
            f"{_shown(needed)}; they must be the same."
        )
    if test.targets != data.targets:
        raise BadInput(
            f"data.test: y holds {test.targets} numbers a sample, and that of the training set "
            f"{data.targets}; they must be as many."
        )
    return replace(data, test=test)


def _apportioned(counts: Int[np.ndarray, " C"], share: float) -> Int[np.ndarray, " C"]:
    """`share` of every count in whole numbers, none of them all: rounded down, and what then lacks of the
    share of all is given by the largest remainders."""
    exact: Float[np.ndarray, " C"] = counts * share
    found = np.floor(exact).astype(np.int64)
    lacking = round(float(exact.sum())) - int(found.sum())
    found[np.argsort(found - exact, kind="stable")[:lacking]] += 1
    return np.minimum(found, counts - 1)


def _part(data: Dataset, chosen: np.ndarray) -> Dataset:
    return Dataset(np.ascontiguousarray(data.x[chosen]), data.y[chosen], data.name)


def _shown(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
