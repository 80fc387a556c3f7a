"""What the theory says of the direction a state goes to: LL20 Corollary 4.5 and JT20 Proposition 4.6.

At a KKT direction of (P), θ is the hard-margin SVM in the tangent features ∇q_i(θ); and the margin of
squared-ReLU neurons is the greatest that their directions can give, a linear program's value. Before the
limit both fall short, and by how much is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.inspector.gated_network import GatedNetwork
from workbench.inspector.state import InspectedState
from workbench.theory.margin.linear_program import (
    MarginProgram,
    margin_program,
    squared_relu_features,
)
from workbench.theory.margin.patterned import gates_of
from workbench.theory.margin.tangent_svm import TangentSvm, tangent_svm
from workbench.theory.numerics.separability import Inseparable

MOST_CONSTRAINTS = 400
MOST_TANGENT_NUMBERS = 2_000_000
"""Most constraints and numbers in their gradients for the SVM, which is solved by active sets."""
MOST_PROGRAM_NUMBERS = 1_000_000
"""Most numbers, samples times neurons, for the linear program."""


OTHER_NEURONS = "The linear program over directions is about squared ReLU neurons."


@dataclass(frozen=True, eq=False)
class MarginLimit:
    """`tangent`: None where `why_no_tangent`. `program` with the present normalized margin `margin` and the
    present shares s_j = ‖w_j‖²/‖θ‖² (H): None where `why_no_program`."""

    tangent: TangentSvm | None
    why_no_tangent: str
    program: MarginProgram | None
    why_no_program: str
    margin: float
    shares: Float[Array, " H"]

    def sentences(self) -> tuple[str, ...]:
        """Both in words, or why not; nothing of a theorem about other networks."""
        tangent = self.why_no_tangent
        if self.tangent is not None:
            tangent = (
                f"Angle to the SVM in the tangent features: {np.degrees(self.tangent.angle):.3g}°, 0 at a "
                "KKT direction (LL20 Cor. 4.5)."
            )
        program = self.why_no_program
        if self.program is not None:
            short = 100.0 * (1.0 - self.margin / self.program.value)
            used, own = self.program.shares, self.shares
            program = (
                f"Margin {self.margin:.6g}, {short:.2g} % below the {self.program.value:.6g} that these "
                f"directions can give (JT20 Prop. 4.6), with weight on {int((used > 1e-9).sum()):,} of "
                f"{len(own):,} neurons."
            )
        return tuple(s for s in (tangent, program) if s and s != OTHER_NEURONS)

    def as_json(self) -> dict[str, Any]:
        """Angles in radians; the program's value lies in [value, value_above]."""
        tangent: dict[str, Any] = {"reason": self.why_no_tangent}
        if self.tangent is not None:
            tangent = {
                "angle": self.tangent.angle,
                "angle_error": self.tangent.angle_error,
                "margin_ratio": self.tangent.margin_ratio,
            }
        program: dict[str, Any] = {"reason": self.why_no_program}
        if self.program is not None:
            program = {
                "value": self.program.value,
                "value_above": self.program.value_above,
                "margin": self.margin,
                "weights": self.program.shares.tolist(),
                "shares": self.shares.tolist(),
            }
        return {"tangent_svm": tangent, "linear_program": program}


def margin_limit(state: InspectedState) -> MarginLimit:
    """Both at a state that separates its samples, of a homogeneous network."""
    tangent, why_no_tangent = _tangent(state)
    shares = np.zeros(0)
    margin = float("nan")
    why = _why_no_program(state)
    program = None
    if not why:
        u = state.structure.incoming(state.theta)
        size = np.linalg.norm(u, axis=1, keepdims=True)
        directions = np.divide(u, size, out=np.zeros_like(u), where=size > 0)
        shares = (size[:, 0] / np.linalg.norm(size)) ** 2
        features = squared_relu_features(directions, state.sees, state.x, state.y)
        margin = float((features @ shares).min())
        try:
            program = margin_program(features)
        except ValueError as error:
            why = f"The linear program is not solved: {error}."
    return MarginLimit(tangent, why_no_tangent, program, why, margin, shares)


def _tangent(state: InspectedState) -> tuple[TangentSvm | None, str]:
    network = GatedNetwork(state)
    count, p = len(network.samples), state.structure.size
    if count > MOST_CONSTRAINTS or count * p > MOST_TANGENT_NUMBERS:
        return None, (
            f"The tangent features' SVM is solved up to {MOST_CONSTRAINTS:,} constraints and "
            f"{MOST_TANGENT_NUMBERS:,} numbers in them; here are {count:,} and {count * p:,}."
        )
    gates = gates_of(network.heights(state.theta), network.low)
    rows = network.rows(state.theta, gates, np.arange(count))
    try:
        found = tangent_svm(state.theta, rows)
    except ValueError as error:
        return None, f"The tangent features' SVM is not solved: {error}."
    if isinstance(found, Inseparable):
        return None, "The tangent features do not separate the samples."
    return found, ""


def _why_no_program(state: InspectedState) -> str:
    """A sentence where JT20 Proposition 4.6 does not apply, or ""."""
    neurons = state.separable
    if neurons is None or neurons.ncf != "squared-relu" or neurons.leak != 0.0:
        return OTHER_NEURONS
    if state.structure.size != state.structure.incoming(state.theta).size:
        return "The linear program over directions is about networks of squared ReLU neurons alone."
    numbers = state.n * len(state.neuron_norm)
    if numbers > MOST_PROGRAM_NUMBERS:
        return (
            f"The linear program is solved up to {MOST_PROGRAM_NUMBERS:,} numbers, samples times "
            f"neurons; here are {numbers:,}."
        )
    return ""
