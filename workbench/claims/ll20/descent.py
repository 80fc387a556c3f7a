"""LL20 Theorem 4.2 (E.2): gradient descent with small steps never lowers γ^.

Assumption (S5) allows steps up to H(𝓛), which is conservative: from −log 𝓛(t_0) = 2 on, a few thousand
steps lower −log 𝓛 by some units. Squared ReLUs are C¹ with a Lipschitz gradient, which is all that
the proof takes of (S1); the linear network is C^∞.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.flow import ROUNDING
from workbench.claims.margin_runs import MarginRun, largest_fall, margin_run
from workbench.config.toml import parse_config
from workbench.measures.margin_discrete import DiscreteMargin, largest_rate

ANGLES = (-28.0, -17.0, -5.0, 8.0, 13.0, 30.0)
"""Degrees from the x-axis of the inputs, of norm 1; the mirrored ones carry the label −1."""
TURNED = 20.0
"""Degrees by which the start is off the axis."""
FIRST_HEIGHT = 2.0
"""−log 𝓛 at the start, at least 2 − 2/L."""
STEPS: Mapping[Size, int] = {"quick": 1_000, "full": 30_000}
BEYOND = (1.0, 100.0)
"""Rates over what (S5) allows; beyond 1 the theorem says nothing, and what happens is only shown."""


@dataclass(frozen=True, eq=False)
class Descent:
    """A run, the multiple of (S5)'s rate it steps with, log of that rate, and B_0, B_1, B_2."""

    run: MarginRun
    multiple: float
    log_rate: float
    bounds: tuple[float, float, float]

    @cached_property
    def discrete(self) -> DiscreteMargin:
        """γ^ with t_0 at the first record."""
        return DiscreteMargin(self.run.order, float(-self.run.log_risk[0]))

    @cached_property
    def margin(self) -> Float[np.ndarray, " T"]:
        """γ^ at every record."""
        return self.discrete.margin(self.run.log_risk, self.run.rho)

    @property
    def over_allowed(self) -> float:
        """η over H(𝓛), the largest."""
        allowed = largest_rate(
            self.run.log_risk, self.discrete, float(self.run.rho[0]), self.bounds
        )
        return float(np.exp(np.max(self.log_rate - allowed)))


def _data() -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    angle = np.radians(ANGLES)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([x, -x]), np.repeat([1.0, -1.0], len(ANGLES))


def _networks() -> dict[str, tuple[dict[str, Any], dict[str, Any], tuple[float, float, float]]]:
    """Model, start up to its length, and B_0, B_1, B_2 for inputs of norm 1.

    Σ ± max(0, u_k·x)²: at most 1, with slope 2|max(0, u·x)| ≤ 2 and curvature 2. ⟨v, W x⟩: at most ½ with
    ‖v‖² = ‖W‖² = ½, slope ≤ 1, curvature 1.
    """
    turn = np.radians(TURNED)
    e = np.array([np.cos(turn), np.sin(turn)])
    squared = {"kind": "squared-relu", "width": 4, "signs": "alternate"}
    u = np.array([e, -e, 0.3 * e[::-1], -0.2 * e])
    linear = {"kind": "deep-linear", "depth": 2, "width": 2}
    return {
        "squared": (squared, {"u": u}, (1.0, 2.0, 2.0)),
        "linear": (
            linear,
            {"w1": np.array([e, 0.2 * e[::-1]]), "w2": np.array([[1.0, 0.1]])},
            (0.5, 1.0, 1.0),
        ),
    }


def _outputs(
    name: str, values: Mapping[str, Float[np.ndarray, "..."]], x: np.ndarray
) -> np.ndarray:
    """Φ of the two networks, as they are defined."""
    if name == "linear":
        return np.asarray((x @ values["w1"].T) @ values["w2"][0])
    return np.asarray(np.maximum(x @ values["u"].T, 0.0) ** 2 @ np.array([1.0, -1.0, 1.0, -1.0]))


def _log_risk(q: np.ndarray) -> float:
    return float(-q.min() + np.log(np.sum(np.exp(q.min() - q))))


def _scaled(
    name: str, values: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], float, float]:
    """The start at −log 𝓛 = `FIRST_HEIGHT`, its log 𝓛 and norm, by bisection of its length."""
    x, y = _data()
    q = y * _outputs(name, values, x)
    low, high = 0.1, 100.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if -_log_risk(middle**2 * q) >= FIRST_HEIGHT else (middle, high)
    scaled = {key: high * value for key, value in values.items()}
    norm = float(np.sqrt(sum(np.sum(value**2) for value in scaled.values())))
    return scaled, _log_risk(high**2 * q), norm


def experiment(lab: Lab, size: Size) -> tuple[list[Descent], Path | None]:
    """Both networks at the largest rate that (S5) allows at the start, and beyond."""
    found = []
    for name, (model, values, bounds) in _networks().items():
        start, log_risk, norm = _scaled(name, values)
        allowed = largest_rate(np.array([log_risk]), DiscreteMargin(2.0, -log_risk), norm, bounds)
        for multiple in BEYOND:
            rate = float(np.exp(allowed[0])) * multiple
            run = margin_run(lab, _config(name, model, start, rate, multiple, STEPS[size]))
            found.append(Descent(run, multiple, float(np.log(rate)), bounds))
    return found, found[0].run.trained.folder


def _config(
    name: str,
    model: dict[str, Any],
    start: Mapping[str, np.ndarray],
    rate: float,
    multiple: float,
    steps: int,
) -> Any:
    x, y = _data()
    return parse_config(
        {
            "name": f"LL20-T4.2 {name}, {multiple:g} times the rate",
            "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
            "model": model,
            "init": {"kind": "inline", "values": {k: v.tolist() for k, v in start.items()}},
            "loss": {"kind": "exponential", "reduction": "sum"},
            "train": {"rule": "constant", "lr": rate, "steps": steps},
            "record": {"every": 1},
            "checkpoint": {"every": 100_000, "keep": 1},
            "device": {"kind": "cpu"},
        },
        "LL20-T4.2",
    )


def measure(descents: list[Descent]) -> Measured:
    """γ^ from step to step, where (S5) holds; and at larger rates."""
    small = [d for d in descents if d.multiple == 1.0]
    observed = {
        f"γ^ falls by, most, at {m:g} times (S5)'s rate": most(
            largest_fall(d.margin) for d in descents if d.multiple == m
        )
        for m in BEYOND[1:]
    }
    last = [1.0 - d.margin[-1] / d.run.normalized[-1] for d in small]
    return Measured(
        {
            "η over (S5)'s H(𝓛), most": most(d.over_allowed for d in small),
            "γ^ falls from a step to the next by, most": most(
                largest_fall(d.margin) for d in small
            ),
            "γ^/γ~ − 1, most": most(
                np.concatenate([d.margin / d.run.smoothed - 1.0 for d in small])
            ),
            "γ~/γ̄ − 1, most": most(
                np.concatenate([d.run.smoothed / d.run.normalized - 1.0 for d in small])
            ),
            "log 𝓛 rises from a step to the next by, most": most(
                float(np.max(np.diff(d.run.log_risk))) for d in small
            ),
            "log ρ falls from a step to the next by, most": most(
                -float(np.min(np.diff(np.log(d.run.rho)))) for d in small
            ),
        },
        {
            **observed,
            "steps": float(sum(len(d.run.rho) - 1 for d in small)),
            "γ^ at the end over γ^ at t_0, least": least(d.margin[-1] / d.margin[0] for d in small),
            "−log 𝓛 at the end, least": least(-d.run.log_risk[-1] for d in small),
            "(1 − γ^/γ̄) log 1/𝓛 at the end, most": most(
                v * -d.run.log_risk[-1] for v, d in zip(last, small, strict=True)
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """No fall; γ^ < γ~ ≤ γ̄ (Lemma E.1); (P2), (P3): the norm rises and the risk falls at every step."""
    bounds: list[Bound] = [
        ("η over (S5)'s H(𝓛), most", "≤", 1.0 + ROUNDING, ""),
        ("γ^ falls from a step to the next by, most", "≤", ROUNDING, ""),
        ("γ^/γ~ − 1, most", "<", 0.0, ""),
        ("γ~/γ̄ − 1, most", "≤", ROUNDING, ""),
        ("log 𝓛 rises from a step to the next by, most", "<", 0.0, ""),
        ("log ρ falls from a step to the next by, most", "<", 0.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-T4.2",
        paper="LL20",
        place="Theorem 4.2, E.2, Lemma E.7",
        statement="Gradient descent with steps up to (S5)'s never lowers γ^ of Appendix E.2, for which "
        "γ^ < γ~ ≤ γ̄.",
        method="Squared-ReLU neurons and a two-layer linear network at the largest constant rate that (S5) "
        "allows, every step recorded; 100 times that rate beside it.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="margins",
    ),
)
