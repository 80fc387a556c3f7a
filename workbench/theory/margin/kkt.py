"""The paper's own certificate that a point is an (ε, δ)-KKT point of (P): LL20 Lemma C.8.

λ_i = q_min^{1−2/L} ρ e^{−f(q_i)} f'(q_i)/‖∇𝓛‖, which at the rescaled point θ~ reads
λ_i = ‖θ~‖ w_i/‖Σ w_j h~_j‖ for any common scale of the weights w: logarithms of them are enough, so
risks of 1e−100000 do as well as others. Then ‖θ~ − Σλ_i h~_i‖ = ‖θ~‖ √(2 − 2β).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.losses.loss import MarginLoss
from workbench.theory.margin.problem import MarginPoint


@dataclass(frozen=True, eq=False)
class PaperCertificate:
    """`multipliers` (M) ≥ 0; `epsilon` = ‖θ~ − Σλ_i h~_i‖ and `delta` = max_i λ_i (q~_i − 1), as they
    come out; `beta` = cos(θ, −∇𝓛). `epsilon_bound`, `delta_bound`: what the lemma promises, with γ~
    at the point itself in place of γ~(t_0); NaN where log(1/𝓛) ≤ b_g."""

    multipliers: Float[Array, " M"]
    epsilon: float
    delta: float
    beta: float
    epsilon_bound: float = float("nan")
    delta_bound: float = float("nan")


def paper_certificate(
    theta: Float[Array, " P"],
    q: Float[Array, " M"],
    log_weights: Float[Array, " M"],
    pull: Float[Array, " P"],
) -> PaperCertificate:
    """The certificate at the rescaled θ~ with q~; `pull` (P) is Σ_i w_i h~_i, w_i = e^{log w_i − max}.

    Raises:
        ValueError: the gradient vanishes.
    """
    size, strength = float(np.linalg.norm(theta)), float(np.linalg.norm(pull))
    if not strength > 0:
        raise ValueError("the risk's gradient vanishes, so that Lemma C.8 has no multipliers")
    weights = np.exp(log_weights - log_weights.max())
    multipliers = size / strength * weights
    chord = float(np.linalg.norm(theta / size - pull / strength))
    return PaperCertificate(
        multipliers,
        size * chord,
        float((multipliers * (q - 1.0)).max()),
        1.0 - 0.5 * chord**2,
    )


def paper_certificate_at(point: MarginPoint, log_weights: Float[Array, " M"]) -> PaperCertificate:
    """The certificate where all constraints' gradients are at hand."""
    weights = np.exp(log_weights - log_weights.max())
    return paper_certificate(point.theta, point.q, log_weights, weights @ point.rows)


def lemma_bounds(
    loss: MarginLoss,
    *,
    order: float,
    log_risk: float,
    margin_smoothed: float,
    beta: float,
    q_ratio: float,
    constraints: int,
) -> tuple[float, float]:
    """(ε, δ) of Lemma C.8: √2 γ~^{−1/L} √(1−β) and 2eN K² (q_max/q_min)^{log₂ K}/(L γ~^{2/L} log(1/𝓛)).

    `log_risk` is the natural log of the *summed* risk. B_1/γ~ in C_2 only bounds q_max/q_min in the
    proof, so that ratio stands in for it. For several classes N counts the constraints (i, j): the proof
    of (13) goes through with e^{−s}/(1 + Σe^{−s}) ≤ e^{−s} and e^{−q}/ln(1 + e^{−q}) ≤ 1/ln 2, and gives
    2KN/(e ln 2) in place of 2eNK². (The printed e is generous: x e^{−x} is at most 1/e.)
    NaN where log(1/𝓛) ≤ b_g or γ~ ≤ 0.
    """
    if not (-log_risk > loss.begin and margin_smoothed > 0):
        return float("nan"), float("nan")
    k = loss.growth
    epsilon = np.sqrt(2.0 * max(0.0, 1.0 - beta)) * margin_smoothed ** (-1.0 / order)
    constant = 2.0 * np.e * constraints * k**2 * q_ratio ** np.log2(k)
    delta = constant / (order * margin_smoothed ** (2.0 / order) * -log_risk)
    return float(epsilon), float(delta)
