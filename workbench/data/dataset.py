"""A dataset in memory, checked once: finite, matching shapes, labels or targets that fit the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float, Shaped
from workbench.errors import BadInput
from workbench.losses.loss import Labels, Loss
from workbench.losses.registry import names_where


@dataclass(frozen=True)
class Dataset:
    """Inputs x (n, …) and labels y (n), or k ≥ 2 targets a sample (n, k), both float64; `name` is what
    messages call it.

    `test`: the held-out part, inputs of the same shape that nothing is trained on; None without one.
    """

    x: Float[np.ndarray, "n ..."]
    y: Float[np.ndarray, "n ..."]
    name: str
    test: Dataset | None = None

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.y.shape[0])

    @property
    def d(self) -> int:
        """Numbers in one input."""
        return int(np.prod(self.x.shape[1:]))

    @property
    def targets(self) -> int:
        """Numbers that y holds for a sample: 1, or k."""
        return int(self.y.shape[1]) if self.y.ndim == 2 else 1

    @property
    def labels(self) -> Labels:
        """What the labels can serve as: ±1 (binary), 0..C−1 with C ≥ 2 (classes), else real, as several
        targets a sample are."""
        if self.y.ndim == 2:
            return "real"
        values = np.unique(self.y)
        if values.size <= 2 and np.all(np.isin(values, (-1.0, 1.0))):
            return "binary"
        if values.min() >= 0 and np.array_equal(values, np.round(values)):
            return "classes"
        return "real"

    @property
    def n_classes(self) -> int:
        """C, for labels 0..C−1."""
        return int(self.y.max()) + 1


def checked_dataset(
    x: Shaped[np.ndarray, "..."], y: Shaped[np.ndarray, "..."], name: str
) -> Dataset:
    """A Dataset from raw arrays; raises BadInput when empty, mis-shaped, not numbers or not finite."""
    arrays = []
    for label, raw in (("x", x), ("y", y)):
        if not (np.issubdtype(raw.dtype, np.number) or raw.dtype == bool) or np.iscomplexobj(raw):
            raise BadInput(f"{name}: {label} holds {raw.dtype}, and real numbers are needed.")
        arrays.append(np.ascontiguousarray(raw, dtype=np.float64))
    x, y = arrays
    if y.ndim == 2 and y.shape[1] == 1:
        y = np.ascontiguousarray(y[:, 0])
    if x.ndim < 2 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0]:
        raise BadInput(
            f"{name}: x has shape {x.shape} and y {y.shape}; needed are x (n, d) and y (n), or (n, k) with k "
            "targets a sample."
        )
    if x.size == 0:
        raise BadInput(f"{name}: there are no samples (x has shape {x.shape}).")
    if y.size == 0:
        raise BadInput(f"{name}: there are no targets (y has shape {y.shape}).")
    for label, array in (("x", x), ("y", y)):
        bad = ~np.isfinite(array)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise BadInput(
                f"{name}: {label}{list(where)} is {array[where]}, the first of {int(bad.sum())} "
                "values that are not finite; every number must be."
            )
    return Dataset(x, y, name)


def require_labels(data: Dataset, loss: Loss) -> None:
    """Refuse labels the loss cannot use, saying which were found and which are needed."""
    if data.y.ndim == 2 and loss.labels != "real":
        raise BadInput(
            f"{data.name}: {loss.key} needs one label a sample, and y holds {data.targets} targets for each; "
            f"allowed with several: loss.kind {names_where(lambda each: each.regression)}."
        )
    found = np.unique(data.y)
    shown = ", ".join(f"{v:g}" for v in found[:5]) + (", …" if found.size > 5 else "")
    if loss.labels == "binary" and data.labels != "binary":
        hint = " Set data.binary=true to map them." if found.size == 2 else ""
        raise BadInput(f"{data.name}: {loss.key} needs labels −1 and 1, and y holds {shown}.{hint}")
    if loss.labels == "classes" and (data.labels != "classes" or data.n_classes < 2):
        raise BadInput(f"{data.name}: {loss.key} needs labels 0, 1, …, C−1, and y holds {shown}.")
    if loss.labels == "classes" and data.n_classes > 10_000:
        raise BadInput(
            f"{data.name}: {data.n_classes:,} classes (the largest label plus one); "
            "allowed are 10,000."
        )
    if data.test is not None:
        _require_labels_held_out(data, data.test, loss)


def _require_labels_held_out(data: Dataset, test: Dataset, loss: Loss) -> None:
    """Refuse held-out labels that are none of the training set's."""
    if loss.labels == "classes":
        allowed = f"0 to {data.n_classes - 1}"
        fits = np.isin(test.y, np.arange(data.n_classes))
    elif data.labels == "binary":
        allowed, fits = "−1 and 1", np.isin(test.y, (-1.0, 1.0))
    else:
        return
    if not fits.all():
        where = int(np.flatnonzero(~fits)[0])
        raise BadInput(
            f"data.test: the label of sample {where:,} is {test.y[where]:g}, and those of the training set "
            f"are {allowed}; they must be the same."
        )


def told_apart(y: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, " n"]:
    """What tells samples apart in a picture: their labels; all are alike where each has several targets."""
    return y if y.ndim == 1 else np.ones(len(y))


def to_binary(y: Shaped[np.ndarray, "n ..."], name: str) -> Float[np.ndarray, " n"]:
    """Two distinct labels as −1 (the smaller) and 1 (the larger); raises BadInput for any other count."""
    if y.ndim != 1:
        raise BadInput(
            f"{name}: data.binary needs one label a sample, and y holds {y.shape[1]} targets for each."
        )
    values, index = np.unique(y, return_inverse=True)
    if values.size != 2:
        raise BadInput(f"{name}: data.binary needs two distinct labels, and y holds {values.size}.")
    return 2.0 * index - 1.0
