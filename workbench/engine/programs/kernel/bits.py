"""The bits of floats, as integers, in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.engine.programs.kernel.compiled import part

WITHOUT_SIGN = (1 << 63) - 1
"""All bits of a float but its sign's."""


@part
def bits_of(size: Any) -> Any:
    """Those of |size|: an integer that grows with it, larger than that of ∞ where it is no number."""
    return np.float64(size).view(np.int64) & WITHOUT_SIGN


@part
def float_of(bits: Any) -> Any:
    """The float of those bits."""
    return np.int64(bits).view(np.float64)
