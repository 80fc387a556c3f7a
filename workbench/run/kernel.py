"""Whether compiled code takes the steps of a run, and why not."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.engine.program import StepProgram
from workbench.engine.programs.eager import EagerProgram
from workbench.errors import BadInput
from workbench.run.network import ConfiguredNetwork

KERNEL = "kernel"


def kernel_or_eager(
    network: ConfiguredNetwork, theta: Tensor, eager: EagerProgram, taken: str | None
) -> tuple[StepProgram, tuple[str, ...]]:
    """The kernel program where there is one and it gives autograd's gradient, else the eager one; remarks.

    `taken`: the engine that took the run's steps so far.

    Raises:
        BadInput: the kernel is asked for by `device.engine` or `taken`, and there is none.
    """
    program, why = _kernel(network, theta, eager)
    if program is not None:
        return program, ()
    if network.config.device.engine == KERNEL or taken == KERNEL:
        raise no_kernel(why, taken)
    # What never has a kernel needs no word; one that is wrong does.
    differs = why.startswith("its ")
    said = f"steps are taken by the eager engine: there is a kernel, and {why}."
    return eager, (said,) if differs else ()


def no_kernel(why: str, taken: str | None) -> BadInput:
    """The refusal to step without the kernel that is asked for; `why`: a clause."""
    if taken == KERNEL:
        return BadInput(
            f"the steps of the run were taken by the engine 'kernel', and {why}; a run keeps its engine, "
            "fork it to change."
        )
    return BadInput(f"device.engine = 'kernel', and {why}; allowed here: auto, eager.")


def _kernel(
    network: ConfiguredNetwork, theta: Tensor, eager: EagerProgram
) -> tuple[StepProgram | None, str]:
    """The kernel program, or why there is none, in a clause."""
    config = network.config
    if eager.x.device.type != "cpu":
        return None, f"the run is on {eager.x.device.type}, and kernels are for the CPU"
    if eager.x.dtype != torch.float64:
        return None, f"device.dtype is '{config.device.dtype}', and kernels take float64"
    # Compiled code needs half a second to be imported.
    from workbench.engine.programs.kernel.check import difference
    from workbench.engine.programs.kernel.choose import kernel_of
    from workbench.engine.programs.kernel.losses import code_of
    from workbench.engine.programs.kernel.program import KernelProgram
    from workbench.engine.programs.kernel.rules import rule_kernel

    if eager.loss.regression and eager.y.ndim == 2:
        return None, f"a sample has {eager.y.shape[1]} targets, and kernels take one"
    if code_of(eager.loss) is None:
        return None, f"loss.kind '{config.loss.kind}' has no kernel"
    if rule_kernel(eager.rule) is None:
        return None, f"train.rule '{config.train.rule}' has no kernel"
    kernel = kernel_of(network.model, network.structure)
    if kernel is None:
        return None, f"the network of model.kind '{config.model.kind}' has no kernel"
    program = KernelProgram(
        kernel,
        theta.numel(),
        eager.x,
        eager.y,
        loss=eager.loss,
        reduction=eager.reduction,
        rule=eager.rule,
        batches=eager.batches,
    )
    differs = difference(program, eager, theta)
    return (None, differs) if differs else (program, "")
