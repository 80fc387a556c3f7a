"""e^x in compiled code, in additions and multiplications alone, so that loops over samples take many at once.

x = k ln 2 + r with |r| ≤ ½ ln 2, and e^x = 2^k e^r: k by rounding, ln 2 in two parts of which the first has
few bits (Cody & Waite 1980, ch. 6), e^r by its series, 2^k by its bits. Within an ulp of the true value over
the whole range, subnormal results too; e^{−∞} = 0, e^x = ∞ where that is no float, NaN for NaN.
"""

from __future__ import annotations

from math import factorial, log
from typing import Any

import numpy as np

from workbench.engine.programs.kernel.bits import float_of
from workbench.engine.programs.kernel.compiled import exact_part

LOG2_E = 1.0 / log(2.0)
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6
"""ln 2: the first has 20 bits, so that its product with k is exact."""
ROUND = 1.5 * 2.0**52
"""Added to a number below 2^51 it leaves no bits behind the point: the lowest bits are the whole number."""
ROUND_BITS = int(np.float64(ROUND).view(np.int64))
LOWEST, HIGHEST = -750.0, 710.0
"""Where e^x is 0 and ∞ for good."""
C = tuple(1.0 / factorial(j) for j in range(14))


@exact_part
def exponential(x: Any) -> Any:
    """e^x."""
    if x < LOWEST:
        x = LOWEST
    if x > HIGHEST:
        x = HIGHEST
    shifted = x * LOG2_E + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    tail = C[13]
    tail = tail * r + C[12]
    tail = tail * r + C[11]
    tail = tail * r + C[10]
    tail = tail * r + C[9]
    tail = tail * r + C[8]
    tail = tail * r + C[7]
    tail = tail * r + C[6]
    tail = tail * r + C[5]
    tail = tail * r + C[4]
    tail = tail * r + C[3]
    tail = tail * r + C[2]
    # In two halves: 2^k itself may be no float, or a subnormal one.
    whole = np.float64(shifted).view(np.int64) - ROUND_BITS
    half = whole >> 1
    return (1.0 + (r + r * r * tail)) * _power_of_two(half) * _power_of_two(whole - half)


@exact_part
def _power_of_two(k: Any) -> Any:
    """2^k of −1022 ≤ k ≤ 1023."""
    return float_of((k + 1023) << 52)
