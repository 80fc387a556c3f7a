"""Shape aliases used in signatures throughout.

Dimensions: `n` samples, `d` inputs, `C` classes, `P` parameters, `H` neurons, `m` layers, `T` records.
Shapes are checked by beartype while the tests run and cost nothing otherwise.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

Array = np.ndarray

__all__ = ["Array", "Bool", "Float", "Int", "Shaped"]
