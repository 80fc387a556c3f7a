"""scikit-learn's bundled 8×8 handwritten digits."""

from __future__ import annotations

from workbench.data.classes import chosen_classes
from workbench.data.dataset import Dataset


def digits(classes: tuple[int, ...], n: int, seed: int) -> Dataset:
    """The digits in `classes`, inputs (n, 64) in 0..1; labels and subsets as `chosen_classes`."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return chosen_classes(bunch.target, bunch.data, 16.0, classes, n, seed, "digits")
