"""(Leaky) ReLU and its slope over a flat array; zeros, NaN and ∞ as torch treats them."""

from __future__ import annotations

from typing import Any

from workbench.engine.programs.kernel.compiled import part


@part
def activate(values: Any, leak: Any) -> None:
    """s ← σ(s) in place: max(0, s) where the leak is 0, s where it is 1, else s or leak·s; NaN stays NaN."""
    if leak == 0.0:
        for i in range(values.size):
            values[i] = 0.0 if values[i] <= 0.0 else values[i]
    elif leak != 1.0:
        for i in range(values.size):
            values[i] = values[i] if values[i] > 0.0 else values[i] * leak


@part
def gate(weights: Any, values: Any, leak: Any) -> None:
    """values ← weights · σ'(s) where `values` hold σ(s); for a leak ≥ 0, so that σ(s) > 0 says s > 0.

    σ'(0) is the leak, as torch has it.
    """
    if leak == 0.0:
        for i in range(values.size):
            values[i] = 0.0 if values[i] <= 0.0 else weights[i]
    else:
        for i in range(values.size):
            values[i] = weights[i] if values[i] > 0.0 else weights[i] * leak
