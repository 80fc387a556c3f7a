"""A look into a state that takes about two seconds at most: for the engine, between two chunks.

Bounded in work and never by a clock, so that a run that is resumed says the same as one that was never
stopped. The verdict is `judge`'s, with less evidence where all of it would take long; more of it never
takes a saddle back, so what is told while training is what the inspector says of that step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.inspector.correlation import STARTS, correlation_of
from workbench.inspector.curvature import Curvature, lanczos
from workbench.inspector.groups import groups_of
from workbench.inspector.inspect import (
    Inspection,
    hessian_evidence,
    inspect_state,
    judged,
    usable_curvature,
    with_curvature,
)
from workbench.inspector.saddle import Judgement
from workbench.inspector.state import InspectedState
from workbench.theory.ncf.joint import probes_around
from workbench.theory.ncf.kkt_cells import CAP, refusal
from workbench.theory.ncf.merged_lines import out_of_range
from workbench.theory.numerics.arrangement import cell_bound

MOST_CELLS = 10_000
"""Most cells that are enumerated for exact KKT points: up to a second."""
FEW_STARTS = 16
"""Ascents for KKT points where there are more cells, for the verdict alone."""
HESSIAN_NUMBERS = 2e7
"""Most parameters² × samples for which the whole Hessian is computed: tens of milliseconds."""
LANCZOS_NUMBERS = 1e6
"""Most parameters × samples for which its smallest eigenvalue is sought otherwise: the same."""
JOINT_NUMBERS = 1e4
"""Most parameters × samples for which KKT points of a whole network are searched for at a saddle."""
VERDICT_NUMBERS = 5e8
"""Most starts × probes × parameters × samples for the verdict alone, at whole networks: up to a second."""
LOOK_NUMBERS = 1.2e9
"""The same for an inspection, up to two; and most starts × samples × weights × rounds at single neurons."""
ROUNDS = 20.0
"""Rounds of an ascent of single neurons."""
FOLLOWED = 5_000
"""Most neurons × samples that an inspection follows, of neurons that are followed by integration; and"""
FOLLOWING = 1.5e10
"""operations in which it does: up to a second and a half."""


def too_long(state: InspectedState) -> str | None:
    """Why a look would take longer than the training should wait, or None."""
    neurons = state.separable
    if neurons is None:
        if state.structure.size * state.n <= JOINT_NUMBERS or not state.risk.batchable:
            return None
        return (
            "a search for joint KKT points would hold up the training; workbench inspect makes it"
        )
    if state.apart or state.x.shape[1] <= 2:
        return None
    refused = out_of_range(state.x, state.z)
    if refused is not None:
        return refused
    # −z has as many cells as z.
    ncf = state.ncf(float(state.sees[0]))
    cells = cell_bound(len(ncf.merged_lines.axis), ncf.dimension)
    if cells <= MOST_CELLS or refusal(ncf, CAP) is not None:
        return None
    return f"KKT points from up to {cells:,} cells would hold up the training; workbench inspect finds them"


def _starts(state: InspectedState, numbers: float) -> int:
    """Ascents for KKT points where they are not enumerated, at least two."""
    p, each = state.structure.size, ROUNDS * state.n * state.x[0].size
    if state.separable is None:
        each = float(probes_around(p) * p) * state.n
    return int(np.clip(numbers / each, 2, STARTS))


def judgement_while_training(state: InspectedState) -> Judgement | None:
    """The verdict on a state, for the watch: from few ascents where exact KKT points would take long.

    None where a network is too large for any evidence of a way out.
    """
    groups = groups_of(state)
    starts = min(FEW_STARTS, _starts(state, VERDICT_NUMBERS))
    correlation = correlation_of(state, groups, cap=MOST_CELLS, starts=starts)
    curvature = curvature_while_training(state)
    if correlation is None and curvature is None:
        return None
    return judged(state, groups, correlation, curvature)


def inspection_while_training(state: InspectedState) -> Inspection | str:
    """The inspection of a state, or the reason not to begin with it; `limits` says what was left out."""
    reason = too_long(state)
    if reason is not None:
        return reason
    starts = _starts(state, LOOK_NUMBERS)
    found = inspect_state(
        state, hessian=False, starts=starts, followed=FOLLOWED, most=FOLLOWING, units=False
    )
    curvature = curvature_while_training(state)
    if curvature is None and usable_curvature(state):
        why = (
            f"The Hessian was left out: {state.structure.size:,} parameters on {state.n:,} samples would "
            "hold up the training; workbench inspect computes it."
        )
        return replace(found, limits=(*found.limits, why))
    return with_curvature(found, state, curvature)


def curvature_while_training(state: InspectedState) -> Curvature | None:
    """The smallest Hessian eigenvalue, exactly or by Lanczos; None where either would take long."""
    p = float(state.structure.size)
    if p**2 * state.n <= HESSIAN_NUMBERS:
        return hessian_evidence(state)
    if p * state.n <= LANCZOS_NUMBERS and usable_curvature(state):
        return lanczos(state)
    return None
