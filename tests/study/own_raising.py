"""A step rule and a measure that raise at step 20 where the weights are large by then."""

from __future__ import annotations

import os
import signal


class Rule:
    def move(self, at, memory):
        if at.step == 20 and float(at.theta.norm()) > 0.6:
            raise ArithmeticError("too large to go on")
        return -at.risk_gradient, 0.005


class Measure:
    name, axes, units = "size", (), "1"
    long_name, source = "sum of the weights' sizes", "a test"

    def measure(self, record):
        if record.step == 20 and float((record.theta**2).sum()) > 0.36:
            raise ArithmeticError("too large to look at")
        return abs(record.theta).sum()


class Killing:
    """A step rule that ends the process where `Rule` raises."""

    def move(self, at, memory):
        if at.step == 20 and float(at.theta.norm()) > 0.6:
            os.kill(os.getpid(), signal.SIGKILL)
        return -at.risk_gradient, 0.005
