"""A look into a state that takes about a second at most: for the engine, between two chunks."""

from __future__ import annotations

import time
from dataclasses import replace

from workbench.inspector.inspect import (
    Inspection,
    hessian_evidence,
    inspect_state,
    with_curvature,
)
from workbench.inspector.state import InspectedState
from workbench.theory.arrangement import cell_bound
from workbench.theory.kkt_cells import CAP, refusal
from workbench.theory.lines import merge_lines

SECONDS = 2.0
"""What the clock allows. Sizes are judged first, so that it hardly ever decides: a run that is resumed
keeps the same as one that was never stopped."""
MOST_CELLS = 10_000
"""Most cells that are enumerated for exact KKT points: up to a second."""
HESSIAN_NUMBERS = 2e7
"""Most parameters² × samples for which the Hessian is computed: tens of milliseconds."""


def too_long(state: InspectedState) -> str | None:
    """Why a look would take longer than the training should wait, or None."""
    neurons = state.separable
    if neurons is None or state.x.shape[1] <= 2:
        return None
    lines = merge_lines(state.x, state.z, state.kind, neurons.leak)
    cells = cell_bound(len(lines.axis), lines.dimension)
    if cells <= MOST_CELLS or refusal(lines, state.kind, CAP) is not None:
        return None
    return f"KKT points from up to {cells:,} cells would hold up the training; workbench inspect finds them"


def bounded_inspection(state: InspectedState, seconds: float = SECONDS) -> Inspection | str:
    """The inspection of a state within `seconds`, roughly, or the reason not to begin with it.

    `limits` says what was left out and why. One that the clock cut short forecasts nothing.
    """
    reason = too_long(state)
    if reason is not None:
        return reason
    until = time.monotonic() + seconds

    def cancel() -> bool:
        return time.monotonic() > until

    found = inspect_state(state, cancel=cancel, hessian=False)
    if cancel():
        why = f"It was cut short after {seconds:g} s, so as not to hold up the training."
        forecast = replace(found.forecast, first=None)
        return replace(found, forecast=forecast, limits=(*found.limits, why))
    p = state.structure.size
    if float(p) ** 2 * state.n > HESSIAN_NUMBERS:
        why = (
            f"The Hessian was left out: {p:,} parameters on {state.n:,} samples would hold up the "
            "training; workbench inspect computes it."
        )
        return replace(found, limits=(*found.limits, why))
    return with_curvature(found, state, hessian_evidence(state, cancel))
