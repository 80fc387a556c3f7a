"""Where a run is stepped: the device that is asked for, or the one that its size makes worth it.

A GPU takes a tenth of a millisecond for a step however small, as its dozens of kernels follow each other; a
core does 10⁹ to 10¹⁰ operations a second. `PAYS` lies where a core needs a few milliseconds. It is reckoned
from these, not measured: no GPU was at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from workbench.config.run import RunConfig
from workbench.errors import BadInput
from workbench.models.repeatable import looking

PAYS = 2e7
"""Operations of a step, of all members together, from which on a GPU is taken."""
PASSES = 3
"""A step's forward and backward pass, in forward passes."""


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Multiplications and additions of the products of matrices and the convolutions within."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = dict(kwargs or {})
        found = func(*args, **named)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.operations += count(*args, **named, out_val=found)
        return found


def operations_a_step(model: nn.Module, x: Tensor, b: int, members: int = 1) -> float:
    """Multiplications and additions of one step on b of the samples x (n, …) of every member.

    Counted is a forward pass over one or two samples; a network has at least two operations a weight and
    sample.
    """
    few = x[:2]
    with torch.no_grad(), looking(model), _Counted() as counted:
        model(few)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    each = max(counted.operations / len(few), 2.0 * weights)
    return PASSES * each * b * members


def require_device(config: RunConfig) -> None:
    """Refuse CUDA where there is none; raises BadInput."""
    if config.device.kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            "device.kind = 'cuda', and torch finds no CUDA device here; allowed: auto, cpu."
        )


def device_of(
    config: RunConfig, operations: Callable[[], float], before: str | None = None
) -> tuple[torch.device, str]:
    """The device, and what a new run says of its choice, a sentence or nothing.

    `operations()`: of a step. `before`: "cpu" or "cuda", where the run's steps so far were taken; with
    device.kind = 'auto' it stays there if it can.
    """
    kind, there = config.device.kind, torch.cuda.is_available()
    if kind != "auto":
        return torch.device(kind), ""
    if not there or before is not None:
        return torch.device("cuda" if there and before == "cuda" else "cpu"), ""
    found = operations()
    pays = found >= PAYS
    where = f"the GPU ({torch.cuda.get_device_name()})" if pays else "the CPU"
    return torch.device("cuda" if pays else "cpu"), (
        f"trained on {where}: a step takes {found:.1e} operations, and device.kind = 'auto' takes a GPU "
        f"from {PAYS:.0e} on."
    )


def moved(before: str | None, now: torch.device) -> str:
    """A clause where the steps so far were taken on another kind of device, else nothing."""
    if before is None or before == now.type:
        return ""
    names = {"cpu": "the CPU", "cuda": "a GPU"}
    return (
        f"the steps so far were taken on {names.get(before, before)}, and from here on they are on "
        f"{names[now.type]}, whose last digits are others"
    )


def set_precision(config: RunConfig, device: torch.device) -> None:
    """TF32 off unless asked for, and of several algorithms of a convolution the one that repeats its bits."""
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = config.device.tf32
    torch.backends.cudnn.allow_tf32 = config.device.tf32
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
