"""A forecast and what became of it, one sentence each, for the run's events."""

from __future__ import annotations

import numpy as np

from workbench.protocol.inspections import WHOLE, ForecastOutcome, RecordedInspection

ROUNDING = 1e-6
"""Steps by which the ends of an interval, rounded outwards, may be off."""


def made_words(kept: RecordedInspection) -> str:
    """What is forecast of a state: which neuron leaves first, when, how surely, and where to."""
    if not kept.forecasts:
        return _no_forecast(kept)
    if kept.first == WHOLE:
        past = _past_the_end(kept)
        return f"θ as a whole will leave, {_when(kept, WHOLE)}, {_where(kept, WHOLE)}{past}"
    if kept.runner_up < 0:
        words = f"neuron {kept.first} will be the first to leave, {_when(kept, kept.first)}"
        sure = _sure(kept, kept.first)
        words += f", {sure}" if sure else ""
        return f"{words}, {_where(kept, kept.first)}{_past_the_end(kept)}"
    told = [
        f"neuron {k}, {_when(kept, k)}, {_sure(kept, k)}, {_where(kept, k)}" for k in kept.names
    ]
    return f"undecided which leaves first: {'; or '.join(told)}{_past_the_end(kept)}"


def _when(kept: RecordedInspection, neuron: int) -> str:
    """The step at which a neuron leaves, with its interval where there is one."""
    row = kept.row(neuron)
    if row is None:
        return "at a step that is not known"
    found = kept.neurons
    steps, low, high = (
        float(column[row])
        for column in (found.escape_steps, found.escape_steps_low, found.escape_steps_high)
    )
    near = "maybe " if np.isinf(steps) else "near step "
    return near + leaves_at(kept.step, steps, low, high)


def leaves_at(
    step: int, steps: float | None, low: float | None = None, high: float | None = None
) -> str:
    """The step at which a neuron leaves, all counted from `step` on: '1,403 (1,350–1,460)'.

    '1,403 (1,350–)' where it may never leave, no brackets where there is no interval.
    """
    if steps is None or np.isnan(steps):
        return "–"
    words = _step(step, round(steps)) if np.isfinite(steps) else "never"
    if low is None or not np.isfinite(low):
        return words
    end = "" if high is None or not np.isfinite(high) else _step(step, np.ceil(high - ROUNDING))
    return f"{words} ({_step(step, np.floor(low + ROUNDING))}–{end})"


def _step(step: int, more: float) -> str:
    return f"{step + more:,.0f}" if more < 1e12 else f"{step + more:.3g}"


def _sure(kept: RecordedInspection, neuron: int) -> str:
    row = kept.row(neuron)
    sure = np.nan if row is None else kept.neurons.confidence[row]
    return "" if np.isnan(sure) else f"{sure:.0%} sure"


def _past_the_end(kept: RecordedInspection) -> str:
    """Whether the run will not see it, as long as it ends where it is to."""
    waits = [kept.neurons.escape_steps[row] for row in map(kept.row, kept.names) if row is not None]
    if kept.last_step < 0 or kept.step + min(waits, default=0.0) <= kept.last_step:
        return ""
    return f"; past the run's last step {kept.last_step:,}"


def _where(kept: RecordedInspection, neuron: int) -> str:
    """The KKT direction that is named."""
    row, target = kept.row(neuron), kept.direction(neuron)
    point = -1 if row is None else int(kept.neurons.target[row])
    if row is None or target is None:
        return "in a direction that is not known"
    if kept.points.kind[point] == "flat":
        return "in a flat set of KKT directions"
    size = f"N = {kept.points.value[point]:.3g}"
    if neuron == WHOLE:
        return f"in the direction of KKT point {point} ({size})"
    bound = kept.neurons.angle_bound[row]
    if kept.dimension == 2:
        within = "" if np.isnan(bound) else f" ± {bound:.1f}°"
        angle = np.degrees(np.arctan2(target[-1], target[-2]))
        return f"in the KKT direction at {angle:.1f}°{within} ({size})"
    within = "" if np.isnan(bound) else f"within {bound:.1f}° of it by then, "
    cosine = f"cosine now {kept.neurons.cosine[row]:.3g}"
    return f"in the direction of KKT point {point} ({within}{size}, {cosine})"


def _no_forecast(kept: RecordedInspection) -> str:
    why = kept.limits or (
        "every small neuron stays small" if kept.small else "there are no small neurons to leave"
    )
    return f"no forecast for this state ({kept.verdict}): {why}"


def left_words(kept: RecordedInspection, at: float, outcome: ForecastOutcome) -> str:
    """A neuron has left, at step `at`: which one was named, the errors, whether they are inside."""
    who = f"neuron {outcome.neuron} left first, as forecast at step {kept.step:,}"
    if outcome.neuron == WHOLE:
        who = f"θ as a whole left, as forecast at step {kept.step:,}"
    elif outcome.neuron not in kept.names:
        named = " or ".join(f"neuron {k}" for k in kept.names)
        who = f"neuron {outcome.neuron} left first, where step {kept.step:,} forecast {named}"
    elif len(kept.names) > 1:
        who = f"neuron {outcome.neuron} left first, one of the two named at step {kept.step:,}"
    when = f"it did at step {at:,.0f}"
    error, angle = outcome.time_error, outcome.angle_error
    if np.isfinite(error):
        when += f", forecast {abs(error):.2%} too {'late' if error > 0 else 'early'}"
    when += {1: ", inside its interval", 0: ", outside its interval", -1: ""}[outcome.time_inside]
    if np.isfinite(angle):
        when += f", {angle:.2f}° from the KKT direction named"
        when += {1: ", as said", 0: ", more than said", -1: ""}[outcome.angle_inside]
    return f"{who}; {when}"


def late_words(kept: RecordedInspection, inside: int) -> str:
    """Twice the time has passed and no neuron has left."""
    if kept.first == WHOLE:
        return (
            f"the forecast of step {kept.step:,} did not come true: θ has not left in twice the time that "
            "it was to take"
        )
    named = " or ".join(f"neuron {k}" for k in kept.names)
    if inside == 1:
        return (
            f"the forecast of step {kept.step:,} is closed: no small neuron has left in twice the time "
            f"that {named} was to take, which its interval allows"
        )
    return (
        f"the forecast of step {kept.step:,} did not come true: no small neuron has left in twice the "
        f"time that {named} was to take"
    )


def void_words(kept: RecordedInspection) -> str:
    """θ was moved by hand."""
    if kept.first == WHOLE:
        return (
            f"the forecast of step {kept.step:,} is void, as θ was moved by hand: when it would have left is "
            "no longer to be seen"
        )
    named = " or ".join(f"neuron {k}" for k in kept.names)
    return (
        f"the forecast of step {kept.step:,} is void, as θ was moved by hand: whether {named} would "
        "have left first is no longer to be seen"
    )
