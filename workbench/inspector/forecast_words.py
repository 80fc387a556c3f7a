"""A forecast and what became of it, one sentence each, for the run's events."""

from __future__ import annotations

import numpy as np

from workbench.engine.kept import KeptInspection


def made_words(kept: KeptInspection) -> str:
    """What is forecast of a state: which neuron leaves first, when, and where to."""
    if not kept.forecasts:
        return _no_forecast(kept)
    row = kept.named
    steps = float("nan") if row is None else float(kept.neurons.escape_steps[row])
    when = f"near step {kept.step + steps:,.0f}"
    return f"neuron {kept.first} will be the first to leave, {when}, {_where(kept)}"


def _where(kept: KeptInspection) -> str:
    """The KKT direction that is named."""
    row, target = kept.named, kept.target
    point = -1 if row is None else int(kept.neurons.target[row])
    if row is None or target is None:
        return "in a direction that is not known"
    if kept.points.kind[point] == "flat":
        return "in a flat set of KKT directions"
    size = f"N = {kept.points.value[point]:.3g}"
    if kept.dimension == 2:
        return f"in the KKT direction at {np.degrees(np.arctan2(target[-1], target[-2])):.1f}° ({size})"
    return (
        f"in the direction of KKT point {point} ({size}, cosine now {kept.neurons.cosine[row]:.3g})"
    )


def _no_forecast(kept: KeptInspection) -> str:
    why = kept.limits or (
        "every small neuron stays small" if kept.small else "there are no small neurons to leave"
    )
    return f"no forecast for this state ({kept.verdict}): {why}"


def left_words(
    kept: KeptInspection, neuron: int, at: float, time_error: float, angle_error: float
) -> str:
    """A neuron has left: which one was named, the error in time, the angle to the direction named."""
    who = f"neuron {neuron} left first, as forecast at step {kept.step:,}"
    if neuron != kept.first:
        who = f"neuron {neuron} left first, where step {kept.step:,} forecast neuron {kept.first}"
    side = "late" if time_error > 0 else "early"
    when = f"it did at step {at:,.0f}, forecast {abs(time_error):.2%} too {side}"
    if not np.isfinite(time_error):
        when = f"it did at step {at:,.0f}"
    if not np.isfinite(angle_error):
        return f"{who}; {when}"
    return f"{who}; {when}, {angle_error:.2f}° from the KKT direction named"


def late_words(kept: KeptInspection) -> str:
    """Twice the time has passed and no neuron has left."""
    return (
        f"the forecast of step {kept.step:,} did not come true: no small neuron has left in twice the "
        f"time that neuron {kept.first} was to take"
    )


def void_words(kept: KeptInspection) -> str:
    """θ was moved by hand."""
    return (
        f"the forecast of step {kept.step:,} is void, as θ was moved by hand: whether neuron "
        f"{kept.first} would have left first is no longer to be seen"
    )
