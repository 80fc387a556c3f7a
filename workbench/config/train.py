"""The [train] table: which rule moves θ, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from workbench.config.section import CLASS, Finite, Natural, NonNegative, Positive, Section


class UntilConfig(Section):
    """Where a run of the flow ends before its steps do."""

    log10_risk: Finite = Field(description="log10 of the risk that is low enough, e.g. -800")


Decay = Annotated[float, Field(ge=0, lt=1)]
UNNORMALIZED = ("sign", "coordinate", "spectral")
DECAYING = ("constant", "momentum", "adam")
"""The rules that weight decay is defined for: those whose gradient is the risk's own, at its own size."""
USED_BY = {
    "normalized": UNNORMALIZED,
    "momentum": ("momentum", "signum", "muon"),
    **dict.fromkeys(("beta1", "beta2", "epsilon"), ("adam",)),
    **dict.fromkeys(("rtol", "gate_width"), ("flow",)),
    "max_update": ("normalized",),
    "floor": ("loss-based",),
}
"""Settings that only some rules look at: in a run of another rule they say nothing."""
FIRST_RATES = {"constant": 1e-3, "normalized": 0.1, "loss-based": 0.1, "flow": 1e-3}


class TrainConfig(Section):
    """How θ moves. `constant`: θ ← θ − lr ∇𝓛. `normalized` (JT20): θ ← θ − lr ∇log 𝓛, at most `max_update`
    long. `loss-based` (LL20 App. K.1): the rate is α/𝓛, and α follows a line search from lr. `smoothness`
    (JT19 Assumption 3.5): the longest rate that provably lowers a deep linear network's averaged logistic
    risk. `flow`: gradient flow itself, a step being one of its integrator's. `sign`, `coordinate` and
    `spectral`: steepest descent in the ℓ∞, ℓ1 and spectral norm, every step lr long in it. `momentum`: heavy
    ball, v ← momentum v + ∇𝓛, θ ← θ − lr v. `signum` and `muon`: steepest descent along that v in ℓ∞ and in
    the spectral norm (exact singular values). `adam`: θ ← θ − lr m̂/(√v̂ + epsilon). `torch`: a rule of your
    own, `package.module:Class(**arguments)`, which takes its settings from `arguments` alone."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True
    )

    rule: Literal[
        "constant",
        "normalized",
        "loss-based",
        "smoothness",
        "flow",
        "sign",
        "coordinate",
        "spectral",
        "momentum",
        "signum",
        "muon",
        "adam",
        "torch",
    ] = "constant"
    lr: Positive = Field(1e-3, description="by default 0.1 for normalized and loss-based")
    steps: Natural = Field(10_000, description="the step at which the run is finished")
    batch: Natural = Field(0, description="samples a step; 0: the full batch")
    max_update: Positive = Field(1.0, description="normalized: longest ‖Δθ‖ of a step")
    floor: Positive = Field(1e-15, description="loss-based: the run has stalled when α falls below")
    normalized: bool = Field(
        True,
        description="sign, coordinate, spectral: every step is lr long; false: lr ‖∇𝓛‖_*, the dual norm, as "
        "the flow in that norm moves",
    )
    momentum: Decay = Field(
        0.9, description="momentum, signum, muon: what a step keeps of the one before"
    )
    beta1: Decay = Field(0.9, description="adam: what m keeps of itself, the mean of gradients")
    beta2: Decay = Field(
        0.999, description="adam: what v keeps of itself, the mean of their squares"
    )
    weight_decay: NonNegative = Field(
        0.0,
        description="λ: constant, momentum and adam descend 𝓛 + (λ/2)‖θ‖², that is, λθ is added to the "
        "gradient before the rule sees it (coupled); the risk that is recorded stays 𝓛",
    )
    epsilon: NonNegative = Field(
        1e-8,
        description="adam: beside √v̂; with 0 a step is the same whatever the gradient's size, and a "
        "coordinate rests whose gradient has always been 0",
    )
    rtol: Annotated[float, Field(ge=1e-12, le=1e-2)] = Field(
        1e-6, description="flow: error of a step, relative to ‖θ‖"
    )
    gate_width: Annotated[float, Field(ge=0, le=0.1)] = Field(
        1e-4,
        description="flow: part of a neuron's range over which a ReLU's gate opens; 0: sharp; the engine "
        "'flow-two-layer' slides along the kinks themselves",
    )
    until: UntilConfig | None = Field(None, description="flow: where to finish before `steps`")

    class_path: Annotated[str, Field(pattern=CLASS)] | None = Field(
        None, alias="class", description="torch: the rule's class"
    )
    arguments: dict[str, Any] | None = Field(None, description="torch: what its class is made with")

    @model_validator(mode="before")
    @classmethod
    def _first_rate(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "lr" not in values:
            rate = FIRST_RATES.get(str(values.get("rule", "constant")))
            return values if rate is None else {**values, "lr": rate}
        return values

    @model_validator(mode="after")
    def _length_fits(self) -> TrainConfig:
        if not self.normalized and self.rule not in UNNORMALIZED:
            allowed = ", ".join(f"'{name}'" for name in UNNORMALIZED)
            raise ValueError(
                f"train.normalized = false belongs to the rules {allowed}, and the rule is '{self.rule}'"
            )
        return self

    @model_validator(mode="after")
    def _decay_fits(self) -> TrainConfig:
        if self.weight_decay and self.rule not in DECAYING:
            raise ValueError(
                f"train.weight_decay = {self.weight_decay:g} adds λθ to the risk's gradient, and rule "
                f"'{self.rule}' {_without_decay(self.rule)}; allowed here: 0, or the rules "
                f"{', '.join(DECAYING)}"
            )
        return self

    @model_validator(mode="after")
    def _own_rule_fits(self) -> TrainConfig:
        if self.rule == "torch" and self.class_path is None:
            raise ValueError(
                "rule 'torch' needs train.class, the step rule's own: 'package.module:Class'"
            )
        if self.rule != "torch" and (self.class_path is not None or self.arguments is not None):
            raise ValueError(
                f"train.class and train.arguments belong to rule 'torch', and the rule is '{self.rule}'"
            )
        return self


def _without_decay(rule: str) -> str:
    """Why a rule has no weight decay, in a clause."""
    return {
        "torch": "is a class of yours, which decays by settings of its own",
        "flow": "follows the risk alone to any height",
        "normalized": "steps by the gradient of log 𝓛",
        "loss-based": "judges every epoch by the risk alone",
        "smoothness": "rests on the smoothness of the risk alone",
    }.get(rule, "takes a direction and no size from it")
