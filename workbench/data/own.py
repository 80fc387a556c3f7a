"""A dataset of the user's own: samples out.

    class Spiral:
        def __init__(self, n=100, seed=0):
            self.n, self.seed = n, seed

        def samples(self):
            rng = np.random.default_rng(self.seed)
            ...
            return x, y

x (n, …) and y (n), or (n, k) with k targets a sample, arrays or tensors of finite real numbers. A run asks
once, at its start, and keeps them: going on with it, or looking at it, imports nothing. A study asks in every
process, so that the same arguments have to give the same samples.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from workbench.arrays import Array
from workbench.config.data import OwnData
from workbench.data.dataset import Dataset, checked_dataset
from workbench.errors import BadInput, clean_text


class OwnSamples(Protocol):
    """What a class in data.class provides; it is made as `Class(**data.arguments)`."""

    def samples(self) -> tuple[Any, Any]:
        """x (n, …) and y (n) or (n, k)."""
        ...


def own_dataset(config: OwnData) -> Dataset:
    """The samples of the class; raises BadInput where it cannot be had or gives none that can be used."""
    # Nothing else that loads samples needs torch.
    from workbench.models.imported import attempted, imported_class

    key = f"data.class '{clean_text(config.class_path, 120)}'"
    cls: Any = imported_class(config.class_path, "data.class")
    if not callable(getattr(cls, "samples", None)):
        raise BadInput(f"{key} has no method samples(), which gives x (n, …) and y (n).")
    given = f" with data.arguments {config.arguments}" if config.arguments else ""
    made = attempted(lambda: cls(**config.arguments), f"{key}{given} fails")
    found: Any = attempted(made.samples, f"{key}: samples() fails")
    if not isinstance(found, tuple) or len(found) != 2:
        raise BadInput(
            f"{key}: samples() gives a {type(found).__name__}, and a pair x, y is needed."
        )
    x, y = attempted(lambda: (_array(found[0]), _array(found[1])), f"{key} gives no arrays")
    return checked_dataset(x, y, key)


def _array(part: Any) -> Array:
    """A tensor or what numpy takes for an array, as an array of its own."""
    if hasattr(part, "detach"):
        part = part.detach().cpu().numpy()
    return np.array(part)
