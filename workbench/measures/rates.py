"""How fast the risk falls and the weights grow, against LL20 Theorem 4.3 (A.10, E.5).

With T = Σ η, or the time t of gradient flow, for a network of order L and the exponential or logistic
loss,

    𝓛 = Θ(1/(T (log T)^{2−2/L})),        ρ = Θ((log T)^{1/L}).

Over a window of log T the first says that log 𝓛 changes by −Δlog T − (2 − 2/L) Δlog log T, the second that
ρ^L changes in proportion to log T; its constant is 1/γ, as γ~ρ^L = ℓ⁻¹(𝓛) grows like log T.
Where ℓ⁻¹(𝓛) grows like (log 1/𝓛)^{1/p}, as that of e^{−q³} with p = 3, Theorem A.10 says the same with pL in
place of L and γ~^p in place of γ~.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.losses.loss import Loss, MarginLoss
from workbench.measures.margins import margin_smoothed

LEAST_LOG_TIME = 1.0
"""log T from which log log T says something."""
WINDOWS = 48
"""Windows that are asked for at most, of equal length in log log T."""
LEAST_RATIO = 1e-9
"""Shortest window, relative to log T, whose differences are not rounding."""


@dataclass(frozen=True, eq=False)
class Rates:
    """Slopes over K windows, each between two records; K = 0 where the theorem says nothing.

    Where f grows like q^p (`MarginLoss.power`), L stands for pL and γ~ for γ~^p in what follows.
    `log_time` (K): geometric middle of a window in log T (natural). `risk`, `risk_theory`:
    Δlog 𝓛/Δlog T, and −1 − (2 − 2/L) Δlog log T/Δlog T. `norm`, `norm_theory`: Δρ^L/Δlog T, and the
    theorem's −risk_theory/γ~ with γ~ at the window's end; `norm` is NaN where ρ^L is beyond a float.
    `exponent`: −(Δlog 𝓛 + Δlog T)/Δlog log T, the measured power of log T, against
    `exponent_theory` = 2 − 2/L.
    `power`: Δlog ρ/Δlog log T against `power_theory` = 1/L.
    """

    log_time: Float[Array, " K"]
    risk: Float[Array, " K"]
    risk_theory: Float[Array, " K"]
    norm: Float[Array, " K"]
    norm_theory: Float[Array, " K"]
    exponent: Float[Array, " K"]
    exponent_theory: float
    power: Float[Array, " K"]
    power_theory: float

    def __len__(self) -> int:
        return len(self.log_time)


def rates(
    log_time: Float[Array, " T"],
    log_risk_summed: Float[Array, " T"],
    rho: Float[Array, " T"],
    order: float | None,
    loss: Loss,
    *,
    windows: int = WINDOWS,
) -> Rates:
    """Measured slopes of a run's records against Theorem 4.3's.

    `log_time` and `log_risk_summed` are natural logarithms; `order` is L, None where the network has none.
    Only records count from which on the data is separated (𝓛 < ℓ(0) once and for all), with
    log T ≥ 1 and growing. Nothing is raised: what does not apply gives no windows.
    """
    length = min(len(log_time), len(log_risk_summed), len(rho))
    s, f, r = (np.asarray(a, dtype=float)[:length] for a in (log_time, log_risk_summed, rho))
    if order is None or not order > 0 or not isinstance(loss, MarginLoss):
        return _no_rates(float("nan"))
    ends = _window_ends(s, f, r, loss, windows)
    power = float(order) * loss.power
    exponent = 2.0 - 2.0 / power
    if len(ends) < 2:
        return _no_rates(power)
    s, f, r = s[ends], f[ends], r[ends]
    ds, ls = np.diff(s), np.diff(np.log(s))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        risk_theory = -1.0 - exponent * ls / ds
        raised = r**power
        norm = np.where(np.isfinite(raised[1:]), np.diff(raised) / ds, np.nan)
        smoothed = margin_smoothed(f[1:], r[1:], float(order), loss) ** loss.power
        norm_theory = np.where(smoothed > 0, -risk_theory / smoothed, np.nan)
    return Rates(
        log_time=np.sqrt(s[1:] * s[:-1]),
        risk=np.diff(f) / ds,
        risk_theory=risk_theory,
        norm=norm,
        norm_theory=norm_theory,
        exponent=-(np.diff(f) + ds) / ls,
        exponent_theory=exponent,
        power=np.diff(np.log(r)) / ls,
        power_theory=1.0 / power,
    )


def _no_rates(power: float) -> Rates:
    """No window; `power` is that of ρ in log T, NaN where the theorem says nothing."""
    none = np.zeros(0)
    return Rates(none, none, none, none, none, none, 2.0 - 2.0 / power, none, 1.0 / power)


def _window_ends(
    s: Float[Array, " T"],
    f: Float[Array, " T"],
    r: Float[Array, " T"],
    loss: MarginLoss,
    windows: int,
) -> np.ndarray:
    """Indices of records between which slopes are taken, nearly even in log log T."""
    finite = np.isfinite(s) & np.isfinite(f) & np.isfinite(r) & (r > 0)
    separated = f < loss.log_separating
    good = finite & separated & (s >= LEAST_LOG_TIME)
    bad = np.flatnonzero(~good)
    start = int(bad[-1]) + 1 if len(bad) else 0
    if len(s) - start < 2 or windows < 1:
        return np.zeros(0, dtype=np.int64)
    tail = np.log(s[start:])
    grid = np.linspace(tail[0], tail[-1], windows + 1)
    # The first record at or behind each place of the grid; log T never falls.
    ends = np.unique(np.minimum(np.searchsorted(tail, grid, side="left"), len(tail) - 1))
    return start + _apart(tail, ends)


def _apart(tail: Float[Array, " t"], ends: np.ndarray) -> np.ndarray:
    """Those of the ends that lie apart by more than rounding, the last one kept."""
    kept = [int(ends[-1])]
    for end in ends[-2::-1]:
        if tail[kept[-1]] - tail[end] > LEAST_RATIO:
            kept.append(int(end))
    return np.array(kept[::-1], dtype=np.int64)
