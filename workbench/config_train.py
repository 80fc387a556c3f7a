"""The [train] table: which rule moves θ, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from workbench.config_base import Natural, Positive, Section


class UntilConfig(Section):
    """Where a run of the flow ends before its steps do."""

    log10_risk: float = Field(description="log10 of the risk that is low enough, e.g. -800")


FIRST_RATES = {"constant": 1e-3, "normalized": 0.1, "loss-based": 0.1, "flow": 1e-3}


class TrainConfig(Section):
    """How θ moves. `constant`: θ ← θ − lr ∇𝓛. `normalized` (JT20): θ ← θ − lr ∇log 𝓛, at most `max_update`
    long. `loss-based` (LL20 App. K.1): the rate is α/𝓛, and α follows a line search from lr. `smoothness`
    (JT19 Assumption 3.5): the longest rate that provably lowers a deep linear network's averaged logistic
    risk. `flow`: gradient flow itself, a step being one of its integrator's."""

    rule: Literal["constant", "normalized", "loss-based", "smoothness", "flow"] = "constant"
    lr: Positive = Field(1e-3, description="by default 0.1 for normalized and loss-based")
    steps: Natural = Field(10_000, description="the step at which the run is finished")
    batch: Natural = Field(0, description="samples a step; 0: the full batch")
    max_update: Positive = Field(1.0, description="normalized: longest ‖Δθ‖ of a step")
    floor: Positive = Field(1e-15, description="loss-based: the run has stalled when α falls below")
    rtol: Annotated[float, Field(ge=1e-12, le=1e-2)] = Field(
        1e-6, description="flow: error of a step, relative to ‖θ‖"
    )
    gate_width: Annotated[float, Field(ge=0, le=0.1)] = Field(
        1e-4, description="flow: part of a neuron's range over which a ReLU's gate opens; 0: sharp"
    )
    until: UntilConfig | None = Field(None, description="flow: where to finish before `steps`")

    @model_validator(mode="before")
    @classmethod
    def _first_rate(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "lr" not in values:
            rate = FIRST_RATES.get(str(values.get("rule", "constant")))
            return values if rate is None else {**values, "lr": rate}
        return values
