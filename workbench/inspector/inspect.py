"""Everything the inspector knows of one state, as plain dataclasses for the screen and for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf, isinf, isnan
from typing import Any, Literal

import numpy as np

from workbench.errors import BadInput
from workbench.inspector.correlation import STARTS, Correlation, correlation_of, why_no_correlation
from workbench.inspector.curvature import Curvature, curvature_of
from workbench.inspector.forecast import FOLLOWED, EscapeForecast, forecast_of, radius_of
from workbench.inspector.groups import Groups, groups_of, without_left
from workbench.inspector.last_units import LastUnits, last_units
from workbench.inspector.margin import MarginCertificate, margin_certificate
from workbench.inspector.margin_limit import margin_limit
from workbench.inspector.saddle import Judgement, judge
from workbench.inspector.settle import LEAST_LOG_RISK
from workbench.inspector.state import InspectedState
from workbench.losses.own import OwnLoss
from workbench.theory.ncf.result import FlatExtent
from workbench.theory.numerics.work import Work

Regime = Literal["origin", "mixed", "large", "late", "unknown"]
Cancel = Callable[[], bool] | None


@dataclass(frozen=True, eq=False)
class Inspection:
    """One state, looked into.

    `regime`: "origin" (all weights small), "mixed" (large and small neurons), "large" (none small),
    "late" (separated, running off to infinity), "unknown" (no neurons declared). `limits`: what the
    theory cannot say here, and why. `correlation` is None where it says nothing. `margin`: None where
    problem (P) says nothing, or nobody asked (`certified`). `units`: of the last hidden layer of a deep
    network, away from the origin.
    """

    step: int
    regime: Regime
    judgement: Judgement
    groups: Groups
    correlation: Correlation | None
    forecast: EscapeForecast
    limits: tuple[str, ...]
    margin: MarginCertificate | None = None
    units: LastUnits | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `workbench inspect --json`; numbers may be NaN or infinite."""
        found = self.correlation
        return {
            "step": self.step,
            "regime": self.regime,
            "saddle": {
                "verdict": self.judgement.verdict,
                "evidence": self.judgement.evidence.as_json(),
            },
            "groups": {
                "large": self.groups.large.tolist(),
                "small": self.groups.small.tolist(),
            },
            "kkt": {
                "method": "multistart" if found is None else found.method,
                "complete": found is not None and found.complete,
                "reason": None if found is None else found.reason,
                "points": [] if found is None else _points(found),
            },
            "neurons": [
                {k: v for k, v in vars(neuron).items() if k != "small"}
                for neuron in self.forecast.neurons
            ],
            "units": None if self.units is None else self.units.as_json(),
            "margin_kkt": None if self.margin is None else self.margin.as_json(),
            "whole": None if self.forecast.whole is None else vars(self.forecast.whole),
            "radius": self.forecast.radius,
            "first": self.forecast.first,
            "names": list(self.forecast.names),
            "limits": list(self.limits),
        }


def _points(found: Correlation) -> list[Mapping[str, Any]]:
    return [
        {
            "direction": point.direction.tolist(),
            "value": point.value,
            "multiplier": point.multiplier,
            "residual": point.residual,
            "kind": point.kind,
            "basin": point.basin,
            "sign": found.sign(index),
            "coordinate": found.coordinate(index),
            "kinks": point.kinks,
            "extent": None if point.extent is None else _extent(point.extent),
            "orbit": None if point.orbit is None else vars(point.orbit),
            "layers": [vars(layer) for layer in found.layers[index]] if found.layers else [],
        }
        for index, point in enumerate(found.points)
    ]


def _extent(extent: FlatExtent) -> dict[str, Any]:
    """A flat set as `FlatExtent` has it: its shape, angles in radians, rows that span it."""
    return {
        "shape": extent.shape,
        "angles": extent.angles,
        "basis": None if extent.basis is None else extent.basis.tolist(),
    }


def inspect_state(
    state: InspectedState,
    *,
    cancel: Cancel = None,
    hessian: bool = True,
    starts: int = STARTS,
    followed: int = FOLLOWED,
    most: float = inf,
    units: bool = True,
) -> Inspection:
    """Look into a state.

    With `hessian=False` the curvature is left out, which takes long for many parameters; add it later
    by `with_curvature(inspection, state, hessian_evidence(state))`. `cancel` is polled; once true the
    parts not done are missing and `limits` says so. `starts`: of the search for KKT points where they are
    not enumerated; `followed`: neurons × samples that are followed by integration, in at most `most`
    operations (theory/numerics/work.py); `units`: whether to search for KKT points of units of a last hidden
    layer.
    """
    groups = groups_of(state)
    correlation = correlation_of(state, groups, cancel, starts=starts)
    groups = _cut(state, groups, correlation)
    work = Work(most, cancel)
    forecast = forecast_of(state, groups, correlation, most=followed, work=work)
    curvature = hessian_evidence(state, cancel) if hessian else None
    judgement = judge(state, groups, correlation, curvature)
    limits = _limits(state, groups, correlation, forecast)
    last = None
    if units and correlation is None and state.order is not None:
        last = last_units(state, groups, cancel, starts=starts)
    if last is not None:
        limits = (*limits, last.sentence())
    if work.spent:
        limits = (
            *limits,
            f"The small neurons were followed for {most:,.0f} operations, which is not to their end.",
        )
    if cancel is not None and cancel():
        limits = (*limits, "The inspection was cancelled before its end.")
    regime = _regime(state, groups, judgement)
    return Inspection(
        state.step, regime, judgement, groups, correlation, forecast, limits, units=last
    )


def judged(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    curvature: Curvature | None,
) -> Judgement:
    """The verdict alone, as `inspect_state` comes to it."""
    return judge(state, _cut(state, groups, correlation), correlation, curvature)


def _cut(state: InspectedState, groups: Groups, correlation: Correlation | None) -> Groups:
    """Large and small neurons, told apart by the radius at which they count as having left."""
    if correlation is None:
        return groups
    return without_left(groups, state, radius_of(state, correlation))


def usable_curvature(state: InspectedState) -> bool:
    """Whether the Hessian is a matrix of finite numbers that a verdict has a use for."""
    return bool(np.isfinite(state.theta).all()) and state.log_risk > LEAST_LOG_RISK


def hessian_evidence(state: InspectedState, cancel: Cancel = None) -> Curvature | None:
    """The smallest Hessian eigenvalue; None when cancelled, or where a separated risk has no use for it."""
    return curvature_of(state, cancel) if usable_curvature(state) else None


def with_curvature(
    inspection: Inspection, state: InspectedState, curvature: Curvature | None
) -> Inspection:
    """The inspection with a verdict that knows the curvature."""
    if curvature is None:
        return inspection
    judgement = judge(state, inspection.groups, inspection.correlation, curvature)
    return replace(inspection, judgement=judgement)


def certified(inspection: Inspection, state: InspectedState, cancel: Cancel = None) -> Inspection:
    """The inspection with the certificates of problem (P), or with the reason why there are none.

    Takes seconds where there are many parameters.
    """
    try:
        margin = margin_certificate(state, cancel=cancel)
        if cancel is None or not cancel():
            margin = replace(margin, limit=margin_limit(state))
        return replace(inspection, margin=margin)
    except BadInput as error:
        return replace(inspection, limits=(*inspection.limits, str(error)))


def _regime(state: InspectedState, groups: Groups, judgement: Judgement) -> Regime:
    if judgement.verdict == "diverging":
        return "late"
    if groups.origin:
        return "origin"
    if not len(state.neuron_norm):
        return "unknown"
    return "mixed" if len(groups.small) else "large"


def _of_the_forecast(forecast: EscapeForecast) -> list[str]:
    """Where it is undecided, and where the run ends before."""
    names = forecast.names
    said = []
    if len(names) > 1:
        said.append(f"Whether neuron {names[0]} or neuron {names[1]} leaves first is undecided.")
    steps = [forecast.neurons[k].escape_steps for k in names]
    first = min((s for s in steps if s is not None), default=None)
    end = forecast.last_step
    if end is not None and first is not None and forecast.step + first > end:
        said.append(f"No small neuron leaves before the run's last step {end:,}.")
    return said


def _of_the_whole(forecast: EscapeForecast) -> list[str]:
    """Where there is no time at which θ leaves, and where the run ends before."""
    whole, end = forecast.whole, forecast.last_step
    if whole is None:
        return ["When θ leaves is forecast near the origin, for descent along the gradient itself."]
    if isnan(whole.escape_time):
        return ["The flow of the correlation function was not followed until θ leaves."]
    if isinf(whole.escape_time):
        return ["The flow of the correlation function takes θ to 0, or nowhere."]
    if end is not None and forecast.step + whole.escape_steps > end:
        return [f"θ does not leave before the run's last step {end:,}."]
    return []


def _limits(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    forecast: EscapeForecast,
) -> tuple[str, ...]:
    """What cannot be said, in sentences."""
    limits = []
    reason = why_no_correlation(state, groups)
    if reason is not None:
        limits.append(reason)
    if correlation is None:
        return tuple(limits)
    lacking = {found.reason for _, found in correlation.sets.values() if not found.complete}
    limits += [f"The list of KKT points is not complete: {reason}." for reason in sorted(lacking)]
    if correlation.beside:
        limits.append(
            "KKT points are those of neurons beside the network's own, such as a wider one would have: no "
            "forecast by neuron."
        )
    elif correlation.joint:
        limits.append(
            "KKT points are those of the whole θ, as no single neurons are looked at: no forecast by neuron."
        )
        limits += _of_the_whole(forecast)
    elif not len(groups.small):
        limits.append("No neuron is small, so there is nothing to forecast.")
    elif forecast.followed < len(groups.small):
        limits.append(
            f"Escape times are computed for {forecast.followed} of {len(groups.small)} small neurons, "
            "the largest; the others have a rate only."
        )
    limits += _of_the_forecast(forecast)
    if not state.loss.regression and not groups.origin and not correlation.joint:
        limits.append(
            "KH24 Theorem 5.5 is about the square loss; for this loss the residual moves while "
            "large weights grow, and the forecast with it."
        )
    if state.loss.regression and isinstance(state.loss, OwnLoss):
        limits.append("KH24 Theorem 5.5 is about the square loss, and this run has one of its own.")
    return tuple(limits)
