"""Where a run is stepped: the device that is asked for, or the one that its size makes worth it.

A GPU takes a tenth of a millisecond for a step however small, as its dozens of kernels follow each other; a
core does 10⁹ to 10¹⁰ operations a second. `PAYS` lies where a core needs a few milliseconds. It is reckoned
from these, not measured: no GPU was at hand.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from workbench.config.run import RunConfig
from workbench.errors import BadInput
from workbench.models.repeatable import looking

PAYS = 2e7
"""Operations of a step, of all members together, from which on a GPU is taken."""
PASSES = 3
"""A step's forward and backward pass, in forward passes."""


def operations_a_step(model: nn.Module, x: Tensor, b: int, members: int = 1) -> float:
    """Multiplications and additions of one step on b of the samples x (n, …) of every member.

    Counted are the products of matrices and the convolutions of a forward pass over one or two samples; a
    network has at least two operations a weight and sample.
    """
    few = x[:2]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), looking(model), counter:
        model(few)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    each = max(counter.get_total_flops() / len(few), 2.0 * weights)
    return PASSES * each * b * members


def require_device(config: RunConfig) -> None:
    """Refuse CUDA where there is none; raises BadInput."""
    if config.device.kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            "device.kind = 'cuda', and torch finds no CUDA device here; allowed: auto, cpu."
        )


def device_of(
    config: RunConfig, operations: float, before: str | None = None
) -> tuple[torch.device, str]:
    """The device, and what there is to say of its choice, a sentence or nothing.

    `operations`: of a step. `before`: "cpu" or "cuda", where the run's steps so far were taken; with
    device.kind = 'auto' it stays there if it can.
    """
    kind, there = config.device.kind, torch.cuda.is_available()
    if kind != "auto":
        moved = before is not None and before != kind
        return torch.device(kind), _moved(before or "", kind) if moved else ""
    if before == "cuda" and not there:
        return torch.device("cpu"), _moved("cuda", "cpu")
    if before is not None or not there:
        return torch.device(before or "cpu"), ""
    pays = operations >= PAYS
    where = f"the GPU ({torch.cuda.get_device_name()})" if pays else "the CPU"
    return torch.device("cuda" if pays else "cpu"), (
        f"trained on {where}: a step takes {operations:.1e} operations, and device.kind = 'auto' takes a GPU "
        f"from {PAYS:.0e} on."
    )


def _moved(before: str, now: str) -> str:
    names = {"cpu": "the CPU", "cuda": "a GPU"}
    return (
        f"the steps so far were taken on {names[before]}, and those from here on are on {names[now]}, whose "
        "last digits are others."
    )


def set_precision(config: RunConfig, device: torch.device) -> None:
    """TF32 off unless asked for, and of several algorithms of a convolution the one that repeats its bits."""
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = config.device.tf32
    torch.backends.cudnn.allow_tf32 = config.device.tf32
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
