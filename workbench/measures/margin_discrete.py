"""γ^, the margin that gradient descent with small steps never lowers: LL20 Appendix E.1 and E.2.

γ^ = e^{φ(𝓛)}/ρ^L for the exponential loss, summed, where φ grows a little slower than log log 1/𝓛. With
ℓ = log 1/x and ℓ_0 = log 1/𝓛(t_0),

    −φ'(x) = sup {r(w) : w in [x, 𝓛(t_0)]},   r(w) = (1 + 2 (1 + λ(w)) μ(w))/(w log 1/w),
    μ = ℓ_0/(2ℓ),   λ = x ℓ^{1−2/L}/(L κ(x)),   κ = x ℓ^{2−2/L} for ℓ ≥ 2 − 2/L,
    φ(x) = log ℓ + ∫_0^x (φ'(w) + 1/(w log 1/w)) dw.

t_0 may be any time with 𝓛 < 1; here it is one with ℓ_0 ≥ 2 − 2/L, so that κ has its one form and λ = 1/(Lℓ).
Then e^{−ℓ} r = (1 + ℓ_0/ℓ + ℓ_0/(Lℓ²))/ℓ; r falls at most up to one ℓ and rises from there, so the sup is
the larger of r(x) and r(𝓛(t_0)), and the integral has a closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.arrays import Float


@dataclass(frozen=True)
class DiscreteMargin:
    """γ^ of one run: `order` L ≥ 1 and `height` ℓ_0 = −log 𝓛(t_0) of the summed exponential risk.

    Raises:
        ValueError: ℓ_0 is not above 0 and at least 2 − 2/L, or L < 1.
    """

    order: float
    height: float

    def __post_init__(self) -> None:
        if not self.order >= 1.0:
            raise ValueError(f"the order must be at least 1, and is {self.order:g}")
        if not (self.height > 0.0 and self.height >= 2.0 - 2.0 / self.order):
            raise ValueError(
                f"−log 𝓛(t_0) = {self.height:g} is below 2 − 2/L = {2.0 - 2.0 / self.order:g}; "
                "take a later t_0"
            )

    def log_slope(self, height: float) -> float:
        """log r at ℓ."""
        ratio = self.height / height
        return float(height - np.log(height) + np.log1p(ratio + ratio / (self.order * height)))

    @cached_property
    def overtaken(self) -> float:
        """The ℓ from which on r(x) is the sup: ℓ_0 where r rises at once."""
        first = self.log_slope(self.height)
        if self.log_slope(self.height * (1.0 + 1e-9)) >= first:
            return self.height
        from scipy.optimize import brentq

        # r rises from ℓ = 4 at the latest: 1 − 1/ℓ − 2/ℓ·(≤ 1) > 0 there, and like e^ℓ.
        far = max(8.0, 2.0 * self.height)
        while self.log_slope(far) < first:
            far *= 2.0
        near = self.height * (1.0 + 1e-9)
        return float(brentq(lambda v: self.log_slope(v) - first, near, far, xtol=1e-14))

    def correction(self, height: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
        """I(x) = φ(x) − log ℓ, below 0, at ℓ ≥ ℓ_0; NaN before t_0."""
        start, turn = self.height, self.overtaken
        late = np.maximum(height, turn)
        tail = -start * (1.0 / late + 0.5 / (self.order * late**2))
        held = np.exp(self.log_slope(start)) * (np.exp(-np.minimum(height, turn)) - np.exp(-turn))
        early = np.where(height < turn, np.log(late / height) - held, 0.0)
        return np.where(height >= start, tail + early, np.nan)

    def margin(
        self, log_risk: Float[np.ndarray, " T"], rho: Float[np.ndarray, " T"]
    ) -> Float[np.ndarray, " T"]:
        """γ^ at records with log 𝓛 (summed, natural) and ρ; NaN where 𝓛 > 𝓛(t_0)."""
        height = -log_risk
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.exp(np.log(height) + self.correction(height) - self.order * np.log(rho))
        return np.where(height >= self.height, found, np.nan)


def largest_rate(
    log_risk: Float[np.ndarray, " T"],
    discrete: DiscreteMargin,
    rho_start: float,
    bounds: tuple[float, float, float],
) -> Float[np.ndarray, " T"]:
    """log H(𝓛), the largest step that (S5) allows, H = μ/(C_η κ).

    C_η = ½ (B_1² + ρ(t_0)^{−L} B_2) γ^(t_0)^{−2} B_0^{2/L}; `bounds` B_0, B_1, B_2 (or upper bounds) of
    q_n, ‖∇q_n‖, ‖∇²q_n‖ on the unit sphere.
    """
    largest, slope, bend = bounds
    order, height = discrete.order, -log_risk
    start = np.array([-discrete.height])
    first = float(discrete.margin(start, np.array([rho_start]))[0])
    constant = 0.5 * (slope**2 + rho_start**-order * bend) * first**-2 * largest ** (2.0 / order)
    log_kappa = log_risk + (2.0 - 2.0 / order) * np.log(height)
    return np.log(discrete.height / (2.0 * height)) - np.log(constant) - log_kappa
