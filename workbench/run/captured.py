"""Whether the device takes the steps of a run by itself, and why not."""

from __future__ import annotations

from workbench.engine.program import StepProgram
from workbench.engine.programs.eager import EagerProgram
from workbench.errors import BadInput
from workbench.losses.own import OwnLoss
from workbench.run.network import ConfiguredNetwork

CAPTURED = "captured"
DEVICES = ("cuda",)
"""Where steps can be recorded."""


def captured_or_eager(
    network: ConfiguredNetwork, eager: EagerProgram, taken: str | None
) -> tuple[StepProgram, tuple[str, ...]]:
    """The captured program where the run is on a GPU and needs no host, else the eager one; remarks.

    `taken`: the engine that took the run's steps so far.

    Raises:
        BadInput: the captured program is asked for by `device.engine` or `taken`, and there is none.
    """
    program, why = _captured(eager)
    if program is not None:
        return program, ()
    if network.config.device.engine == CAPTURED or taken == CAPTURED:
        raise not_captured(why, taken)
    return eager, (f"steps are taken by the eager engine: {why}.",)


def not_captured(why: str, taken: str | None) -> BadInput:
    """The refusal to step without the captured program that is asked for; `why`: a clause."""
    if taken == CAPTURED:
        return BadInput(
            f"the steps of the run were taken by the engine 'captured', and {why}; a run keeps its engine, "
            "fork it to change."
        )
    return BadInput(f"device.engine = 'captured', and {why}; allowed here: auto, eager.")


def _captured(eager: EagerProgram) -> tuple[StepProgram | None, str]:
    """The captured program, or why there is none, in a clause."""
    if eager.x.device.type not in DEVICES:
        return None, "steps are captured on a CUDA device, and the run is on the CPU"
    from workbench.engine.programs.captured.program import CapturedProgram
    from workbench.engine.programs.captured.refusals import network_needs_host, rule_needs_host

    if isinstance(eager.loss, OwnLoss):
        return None, "a loss of one's own is differentiated anew at every step"
    if eager.loss.regression and eager.y.ndim == 2:
        return None, f"a sample has {eager.y.shape[1]} targets, and captured steps take one"
    why = rule_needs_host(eager.rule) or network_needs_host(eager.model, eager.x)
    if why is not None:
        return None, why
    program = CapturedProgram(
        eager.model,
        eager.x,
        eager.y,
        loss=eager.loss,
        reduction=eager.reduction,
        rule=eager.rule,
        batches=eager.batches,
    )
    return program, ""
