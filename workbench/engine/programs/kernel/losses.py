"""The losses of `workbench.losses` in compiled code, in logarithms: weights over their largest, log 𝓛.

A loss of its own is a number in `CODES` and a line in each part that tells losses apart. Labels y (n) are
float64, classes too; outputs are (n·C), flat by samples.
"""

from __future__ import annotations

from math import exp, inf, isinf, isnan, log, log1p, nan
from typing import Any

import numpy as np

from workbench.engine.programs.kernel.bits import bits_of, float_of
from workbench.engine.programs.kernel.compiled import part
from workbench.engine.programs.kernel.exponential import exponential
from workbench.losses.cross_entropy import CrossEntropy
from workbench.losses.exponential import Exponential
from workbench.losses.exponential_cubed import ExponentialCubed
from workbench.losses.logistic import Logistic
from workbench.losses.logistic_cubed import LogisticCubed
from workbench.losses.loss import Loss
from workbench.losses.square import Square

SQUARE, LOGISTIC, EXPONENTIAL, CROSS_ENTROPY, EXPONENTIAL_CUBED, LOGISTIC_CUBED = range(6)
CODES: dict[type[Loss], int] = {
    Square: SQUARE,
    Logistic: LOGISTIC,
    Exponential: EXPONENTIAL,
    CrossEntropy: CROSS_ENTROPY,
    ExponentialCubed: EXPONENTIAL_CUBED,
    LogisticCubed: LOGISTIC_CUBED,
}

LEAST_SLOPE = exp(-30.0)
"""Logistic: with a largest slope above it slopes are taken as they are, not as logarithms."""
TINY = 700.0
"""e^{−TINY} is a float of full precision."""
LOG_2 = log(2.0)
SMALL, LARGE = 1e-280, 1e280
"""Sums of squares in between have neither underflowed nor overflowed."""


def code_of(loss: Loss) -> int | None:
    """The number of a loss, None where compiled code does not know it."""
    return CODES.get(type(loss))


@part
def cotangent(code: Any, outputs: Any, y: Any, classes: Any, weights: Any) -> Any:
    """Write ∂𝓛/∂Φ of the summed risk over its scale; the scale's logarithm. See `Loss.cotangent`."""
    if code == SQUARE:
        for i in range(y.size):
            weights[i] = outputs[i] - y[i]
        return 0.0
    if code == CROSS_ENTROPY:
        return _class_weights(outputs, y, classes, weights)
    if code == LOGISTIC:
        top = _plain_logistic(outputs, y, weights)
        if not top < LEAST_SLOPE:
            return log(top)
    return _margin_weights(code, outputs, y, weights)


@part
def _margin_weights(code: Any, outputs: Any, y: Any, weights: Any) -> Any:
    """−y e^{log size − top}, times 3q² where the margin is cubed."""
    cubed = code in (EXPONENTIAL_CUBED, LOGISTIC_CUBED)
    logistic = code in (LOGISTIC, LOGISTIC_CUBED)
    top = -inf
    for i in range(y.size):
        q = y[i] * outputs[i]
        s = q * q * q if cubed else q
        size = -s
        if logistic:
            size = -(s + log1p(exponential(-s))) if s > 0.0 else -log1p(exponential(s))
        weights[i] = size
        if size > top or isnan(size):
            top = size
    for i in range(y.size):
        weights[i] = -y[i] * exponential(weights[i] - top)
        if cubed:
            q = y[i] * outputs[i]
            weights[i] = 3.0 * q * q * weights[i]
    return top


@part
def _plain_logistic(outputs: Any, y: Any, weights: Any) -> Any:
    """−y σ(−q) over the largest, without a logarithm a sample; the largest."""
    # Of floats with NaN among them the largest is not found many at once; of their bits it is, see `bits_of`.
    top = np.int64(0)
    for i in range(y.size):
        q = y[i] * outputs[i]
        small = exponential(-abs(q))
        slope = (small if q > 0.0 else 1.0) / (1.0 + small)
        weights[i] = slope
        top = max(top, bits_of(slope))
    largest = float_of(top)
    factor = 1.0 / largest
    for i in range(y.size):
        weights[i] = -y[i] * (weights[i] * factor)
    return largest


@part
def _class_weights(outputs: Any, y: Any, classes: Any, weights: Any) -> Any:
    """softmax_j − [j = y] over the largest of the other classes' shares; a label's is minus their sum."""
    top = -inf
    for i in range(y.size):
        first, label = i * classes, int(y[i])
        largest = _largest(outputs, first, classes)
        total = 0.0
        for j in range(classes):
            total += exponential(outputs[first + j] - largest)
        log_total = largest + log(total)
        for j in range(classes):
            size = outputs[first + j] - log_total
            weights[first + j] = size
            if j != label and (size > top or isnan(size)):
                top = size
    for i in range(y.size):
        first, label = i * classes, int(y[i])
        others = 0.0
        for j in range(classes):
            if j != label:
                weights[first + j] = exponential(weights[first + j] - top)
                others += weights[first + j]
        weights[first + label] = -others
    return top


@part
def log_risk(code: Any, outputs: Any, y: Any, classes: Any, room: Any) -> Any:
    """log 𝓛 of the summed risk, see `Loss.log_risk`. `room` (≥ n) is written."""
    if code == SQUARE:
        for i in range(y.size):
            room[i] = outputs[i] - y[i]
        return _log_half_square(room[: y.size])
    for i in range(y.size):
        if code == CROSS_ENTROPY:
            room[i] = _class_margin(outputs, i * classes, classes, int(y[i]))
        else:
            q = y[i] * outputs[i]
            room[i] = q * q * q if code in (EXPONENTIAL_CUBED, LOGISTIC_CUBED) else q
    straight = code in (EXPONENTIAL, EXPONENTIAL_CUBED)
    return _log_sum(straight, room[: y.size])


@part
def _log_half_square(r: Any) -> Any:
    """log ½Σr²."""
    total = 0.0
    for i in range(r.size):
        total += r[i] * r[i]
    if SMALL < total < LARGE:
        return log(total) - LOG_2
    top = 0.0
    for i in range(r.size):
        if abs(r[i]) > top:
            top = abs(r[i])
    if top == 0.0 or isinf(top):
        return nan if _any_nan(r) else 2.0 * log(top) - LOG_2
    total = 0.0
    for i in range(r.size):
        total += (r[i] / top) ** 2
    return log(total) + 2.0 * log(top) - LOG_2


@part
def _log_sum(straight: Any, q: Any) -> Any:
    """log Σ e^{−q} if `straight`, log Σ ln(1 + e^{−q}) if not."""
    least = inf
    for i in range(q.size):
        if q[i] < least:
            least = q[i]
    if isinf(least):
        return nan if _any_nan(q) else -least
    total = 0.0
    if straight or least > TINY:
        # Where every margin is large, ln(1 + e^{−q}) is e^{−q} to the last bit.
        for i in range(q.size):
            total += exponential(least - q[i])
        return log(total) - least
    for i in range(q.size):
        total += log1p(exponential(-abs(q[i]))) - min(q[i], 0.0)
    return log(total)


@part
def _class_margin(outputs: Any, first: Any, classes: Any, label: Any) -> Any:
    """q = −log Σ_{j≠y} e^{Φ_j − Φ_y}."""
    own = outputs[first + label]
    top = -inf
    for j in range(classes):
        difference = outputs[first + j] - own
        if j != label and (difference > top or isnan(difference)):
            top = difference
    if isinf(top):
        return -top
    total = 0.0
    for j in range(classes):
        if j != label:
            total += exponential(outputs[first + j] - own - top)
    return -(top + log(total))


@part
def _largest(values: Any, first: Any, count: Any) -> Any:
    """The largest of some, NaN where one is."""
    top = -inf
    for j in range(first, first + count):
        if values[j] > top or isnan(values[j]):
            top = values[j]
    return top


@part
def _any_nan(values: Any) -> Any:
    """Whether one of them is no number."""
    for i in range(values.size):  # noqa: SIM110  (compiled code has no generators)
        if isnan(values[i]):
            return True
    return False
