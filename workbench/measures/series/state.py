"""Where a run is: step, time, risk, norm, gradient."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.arrays import Array
from workbench.measures.panel import Measure, Records, SeriesSpec

STEP = SeriesSpec(
    "step", (), "1", "steps taken so far", "gradient descent iteration, LL20 §2", "i8"
)
TIME = SeriesSpec(
    "time", (), "1", "training time: the sum of the step sizes", "LL20 Thm 4.3, T = Σ η"
)
TIME_LOG = SeriesSpec("time_log", (), "1", "natural logarithm of the training time", "LL20 Thm 4.3")
LOG_RISK = SeriesSpec("log_risk", (), "1", "natural logarithm of the risk 𝓛", "LL20 App. K.2")
RHO = SeriesSpec("rho", (), "1", "norm of the parameters, ρ = ‖θ‖", "LL20 §4")
GRAD_NORM_LOG = SeriesSpec(
    "grad_norm_log", (), "1", "natural logarithm of the gradient norm ‖∇𝓛‖", "LL20 Lemma C.8"
)
LEARNING_RATE_LOG = SeriesSpec(
    "learning_rate_log", (), "1", "natural logarithm of the step size η", "LL20 App. K.1"
)


def _state(records: Records) -> Mapping[str, Array]:
    rows = records.rows
    return {
        "step": rows.step.copy(),
        "time": rows.time.copy(),
        "log_risk": records.log_risk,
        "rho": records.rho,
        "grad_norm_log": records.grad_norm_log,
        **_of_rule(records, TIME_LOG),
    }


def _of_rule(records: Records, spec: SeriesSpec) -> Mapping[str, Array]:
    """What the step rule hands over, where it does."""
    if spec.name not in records.panel.rule_series:
        return {}
    return {spec.name: records.rows.rule_series[spec.name].copy()}


STATE = Measure((STEP, TIME, TIME_LOG, LOG_RISK, RHO, GRAD_NORM_LOG), _state)
STEP_SIZE = Measure((LEARNING_RATE_LOG,), lambda records: _of_rule(records, LEARNING_RATE_LOG))
