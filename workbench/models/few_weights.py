"""A bound on the weights of a network, asked before each of its tensors gets its room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from workbench.errors import BadInput

MOST_WEIGHTS = 1 << 27
"""A gibibyte in float64; the gradient, the start and every copy take as much again."""


class few_weights(TorchFunctionMode):
    """While it is entered, `torch.zeros` of more than 2²⁷ numbers altogether raise BadInput."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Torch's hook around every function."""
        if function is torch.zeros:
            shape = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
            self.count += prod(shape)
            if self.count > MOST_WEIGHTS:
                raise BadInput(
                    f"[model] asks for {self.count:,} weights and more; at most {MOST_WEIGHTS:,} are "
                    "allowed: make model.width, model.widths or model.channels smaller."
                )
        return function(*args, **(kwargs or {}))
