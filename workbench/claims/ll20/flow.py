"""LL20 Theorems 4.1 and 4.3, Appendix G: what the gradient flow does to margins, risk and norms.

Along the exact flow γ~ never falls. Between two records a and b Lemma 5.1 (B.1, G.2),
d log γ~/d log ρ ≥ L ‖dθ^/d log ρ‖², gives L ‖θ^(b) − θ^(a)‖² ≤ Δlog γ~ Δlog ρ by Cauchy and Schwarz: the
direction cannot move where γ~ stands still. Both are measured, with what rounding leaves of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.runs import LOWEST, SQUARED, flows
from workbench.claims.margin_runs import MarginRun, largest_fall, moved, windows
from workbench.measures.directions import unit
from workbench.measures.margins import margin_multi
from workbench.measures.rates import Rates, rates

ROUNDING = 1e-12
"""Relative size of what rounding and the record leave of an inequality of the exact flow."""
WINDOWS = 40
"""Windows of log ρ over which Lemma 5.1 is integrated."""
TENFOLD = (10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
"""−log 𝓛 between which slopes are taken."""
ALL = ("L=1", "L=2", SQUARED, "L=3", "L=4")
HALF_EXPONENT = (3.0 / 2.0 - 4.0 / 3.0) / 2.0
"""Half of what lies between 2 − 2/L at L = 3 and at 4, the nearest two of the four orders."""
HALF_POWER = (1.0 - 4.0 / 5.0) / 2.0
"""Half of what lies between L/L and L/(L + 1) at L = 4: nearer to its own order than to the next."""
TIME = 1e-3
"""Errors of the exponent below this are the integrator's: relative error of its times, 1e−5 or less, over
a tenfold of log T and its logarithm."""

FALL = "γ~ falls from a record to the next by, most"
ABOVE = "γ~/γ̄ − 1, most"
SANDWICH = "(γ̄ − γ~) ρ^L over log N, most"
TURN = "L‖Δθ^‖² over Δlog γ~ Δlog ρ, most"
GROWTH = "log ρ falls by, most"
LOWEST_RISK = "−log10 𝓛 at the end, least"


def monotone(runs: Sequence[MarginRun]) -> dict[str, float]:
    """What Theorem 4.1 (A.7) says of every run after t_0, the sandwich apart."""
    return {
        FALL: most(largest_fall(run.smoothed) for run in runs),
        ABOVE: most(_most_above(run) for run in runs),
        TURN: most(_turn(run) for run in runs),
        GROWTH: most(-float(np.min(np.diff(np.log(run.rho)), initial=np.inf)) for run in runs),
        LOWEST_RISK: -most(float(run.log_risk[-1]) for run in runs) / np.log(10.0),
    }


def monotone_bounds(lowest: float) -> list[Bound]:
    """Theorem 4.1's; `lowest` is −log10 of the risk that the runs were to reach."""
    return [
        (FALL, "≤", ROUNDING, ""),
        (ABOVE, "≤", ROUNDING, ""),
        (TURN, "≤", 1.0, ""),
        (GROWTH, "<", 0.0, ""),
        (LOWEST_RISK, "≥", lowest, ""),
    ]


def _most_above(run: MarginRun) -> float:
    return most(run.smoothed / run.normalized - 1.0)


def _turn(run: MarginRun) -> float:
    """Lemma B.1 integrated, its largest ratio over the windows."""
    log_rho, log_margin = np.log(run.rho), np.log(run.smoothed)
    ratios = []
    for a, b in windows(log_rho, WINDOWS):
        room = log_margin[b] - log_margin[a] + ROUNDING
        ratios.append(run.order * moved(run.direction, (a, b)) / (room * (log_rho[b] - log_rho[a])))
    return most(ratios)


# --- Theorem 4.1 ---------------------------------------------------------------------------------


def t41_experiment(lab: Lab, size: Size) -> tuple[list[MarginRun], Path | None]:
    """Squared-ReLU neurons and linear networks of order 3."""
    runs = flows(lab, size, (SQUARED, "L=3"))
    return runs, runs[0].trained.folder


def t41_measure(runs: list[MarginRun]) -> Measured:
    """Falls of γ~, the sandwich of §4.2, Lemma 5.1."""
    gap = [
        (run.normalized - run.smoothed) * run.rho**run.order / np.log(run.samples) for run in runs
    ]
    return Measured(
        {**monotone(runs), SANDWICH: most(np.concatenate(gap))},
        {
            "records after t_0": float(sum(len(run.rho) for run in runs)),
            "γ~ at the end over γ~ at t_0, least": -most(
                -run.smoothed[-1] / run.smoothed[0] for run in runs
            ),
            "γ̄ − γ~ at the end, relative, most": most(
                1.0 - run.smoothed[-1] / run.normalized[-1] for run in runs
            ),
        },
    )


def t41_criterion(measured: Measured) -> tuple[Check, ...]:
    """Never a fall; γ̄ − ρ^{−L} log N ≤ γ~ ≤ γ̄; no turn without growth of γ~."""
    bounds = [*monotone_bounds(-LOWEST["quick"]), (SANDWICH, "≤", 1.0, "")]
    return judged(measured, bounds)


# --- Theorem 4.3 ---------------------------------------------------------------------------------


def t43_experiment(lab: Lab, size: Size) -> tuple[list[MarginRun], Path | None]:
    """Linear networks of order 1 to 4, squared-ReLU neurons of order 2."""
    runs = flows(lab, size, ALL)
    preset = next(run for run in runs if run.order == 3.0)
    return runs, preset.trained.folder


def tenfold_rates(run: MarginRun) -> Rates:
    """Slopes between the records at −log 𝓛 = 10, 100, …; the last one counts where it is twice beyond."""
    at = run.by_height(TENFOLD)
    last = len(run.rho) - 1
    if len(at) and run.log_risk[last] <= 2.0 * run.log_risk[at[-1]]:
        at = np.append(at, last)
    return rates(
        run.time_log[at], run.log_risk[at], run.rho[at], run.order, run.loss, windows=10_000
    )


def exponent_errors(run: MarginRun) -> Float[np.ndarray, " k"]:
    """|measured power of log T in 1/(𝓛T) − (2 − 2/L)| from window to window."""
    found = tenfold_rates(run)
    return np.abs(found.exponent - found.exponent_theory)


def _power_errors(run: MarginRun) -> Float[np.ndarray, " k"]:
    """|L × measured power of log T in ρ − 1|; pL for L where f grows like q^p."""
    found = tenfold_rates(run)
    return np.abs(run.loss.power * run.order * found.power - 1.0)


def _last(values: Float[np.ndarray, " k"]) -> float:
    return float(values[-1]) if len(values) else float("nan")


def _approach(values: Float[np.ndarray, " k"]) -> float:
    """The last error over the one before, both at least `TIME`."""
    if len(values) < 2 or not np.isfinite(values).all():
        return float("nan")
    held = np.maximum(values, TIME)
    return float(held[-1] / held[-2])


def rate_quantities(runs: Sequence[MarginRun]) -> dict[str, float]:
    """How far the last window is from Theorem 4.3's powers of log T, and whether it comes nearer."""
    return {
        "power of log T in 1/(𝓛T) off 2 − 2/L": most(_last(exponent_errors(r)) for r in runs),
        "its error over that of the window before": most(
            _approach(exponent_errors(r)) for r in runs
        ),
        "L × power of log T in ρ off 1": most(_last(_power_errors(r)) for r in runs),
        "its error over that of the window before ": most(
            _approach(_power_errors(r)) for r in runs
        ),
    }


RATE_BOUNDS: list[Bound] = [
    ("power of log T in 1/(𝓛T) off 2 − 2/L", "<", HALF_EXPONENT, ""),
    ("its error over that of the window before", "≤", 1.0, ""),
    ("L × power of log T in ρ off 1", "<", HALF_POWER, ""),
    ("its error over that of the window before ", "≤", 1.0, ""),
]


def t43_measure(runs: list[MarginRun]) -> Measured:
    """Powers of log T over the last windows, for every order."""
    observed = {}
    for run in runs:
        found = tenfold_rates(run)
        name = run.name.removeprefix("LL20 flow, ").replace("exponential, ", "")
        observed[f"power of log T in 1/(𝓛T), {name}"] = _last(found.exponent)
        observed[f"power of log T in ρ, {name}"] = _last(found.power)
        observed[f"Δρ^L/Δlog T over (2−2/L)-theorem's, {name}"] = _last(
            found.norm / found.norm_theory
        )
    return Measured(
        {**rate_quantities(runs), "orders L met": float(len({run.order for run in runs}))}, observed
    )


def t43_criterion(measured: Measured) -> tuple[Check, ...]:
    """Nearer to their own order's powers than to another's, and nearing them: Θ leaves constants open."""
    return judged(measured, [*RATE_BOUNDS, ("orders L met", "=", 4.0, "")])


# --- Appendix G ----------------------------------------------------------------------------------


def g_experiment(lab: Lab, size: Size) -> tuple[list[MarginRun], Path | None]:
    """Linear networks with layers of different norms: (1, 1)- and (1, 1, 1)-homogeneous."""
    runs = flows(lab, size, ("L=2", "L=3"))
    return runs, runs[0].trained.folder


def multi_smoothed(run: MarginRun) -> Float[np.ndarray, " T"]:
    """γ~_m = ℓ⁻¹(𝓛)/∏ρ_i^{k_i} (Definition G.1), γ~ ρ^L being ℓ⁻¹(𝓛)."""
    orders = run.layer_orders or ()
    log_product = np.log(run.layers) @ np.array(orders)
    return run.smoothed * np.exp(run.order * np.log(run.rho) - log_product)


def _layer_turn(run: MarginRun) -> float:
    """Lemma G.2 integrated: Σ k_i ‖Δŵ_i‖²/Δlog ρ_i over Δlog γ~_m, the largest."""
    log_margin, log_norm = np.log(multi_smoothed(run)), np.log(run.layers)
    parts = [
        unit(np.concatenate([_parameter(run, name) for name in layer.parameters], axis=1))
        for layer in run.structure.layers
    ]
    ratios = []
    for a, b in windows(np.log(run.rho), WINDOWS):
        needed = sum(
            order * moved(part, (a, b)) / (log_norm[b, i] - log_norm[a, i])
            for i, (part, order) in enumerate(zip(parts, run.layer_orders or (), strict=True))
        )
        ratios.append(float(needed / (log_margin[b] - log_margin[a] + ROUNDING)))
    return most(ratios)


def _parameter(run: MarginRun, name: str) -> Float[np.ndarray, "T p"]:
    part = run.structure.parameter(name)
    return run.theta[:, part.start : part.stop]


def g_measure(runs: list[MarginRun]) -> Measured:
    """Falls of γ~_m, rises of every layer's norm, Lemma G.2."""
    above = []
    for run in runs:
        whole = margin_multi(run.q.min(axis=1), run.layers, run.layer_orders or ())
        above.append(most(multi_smoothed(run) / whole - 1.0))
    spread = [run.layers[0].max() / run.layers[0].min() for run in runs]
    return Measured(
        {
            "γ~_m falls from a record to the next by, most": most(
                largest_fall(multi_smoothed(run)) for run in runs
            ),
            "γ~_m/γ̄_m − 1, most": most(above),
            "log ρ_i falls by, most": most(
                -float(np.min(np.diff(np.log(run.layers), axis=0), initial=np.inf)) for run in runs
            ),
            "Σ k_i‖Δŵ_i‖²/Δlog ρ_i over Δlog γ~_m, most": most(_layer_turn(run) for run in runs),
        },
        {"largest over smallest layer norm at t_0, most": most(spread)},
    )


def g_criterion(measured: Measured) -> tuple[Check, ...]:
    """Lemma G.2."""
    bounds: list[Bound] = [
        ("γ~_m falls from a record to the next by, most", "≤", ROUNDING, ""),
        ("γ~_m/γ̄_m − 1, most", "≤", ROUNDING, ""),
        ("log ρ_i falls by, most", "<", 0.0, ""),
        ("Σ k_i‖Δŵ_i‖²/Δlog ρ_i over Δlog γ~_m, most", "≤", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-T4.1",
        paper="LL20",
        place="Theorem 4.1, Lemma 5.1",
        statement="Along the gradient flow of the exponential loss γ~ never falls after t_0, rises "
        "unless the direction rests, and γ̄ − ρ^{−L} log N ≤ γ~ ≤ γ̄; the risk goes to 0 and ρ to ∞.",
        method="Flows of squared-ReLU neurons (L = 2) and of a linear network (L = 3) to 1e−10000, every "
        "step recorded.",
        experiment=t41_experiment,
        measure=t41_measure,
        criterion=t41_criterion,
        figure="margins",
    ),
    Claim(
        id="LL20-T4.3",
        paper="LL20",
        place="Theorem 4.3, Corollary A.11",
        statement="𝓛 = Θ(1/(T (log T)^{2−2/L})) and ρ = Θ((log T)^{1/L}) for L = 1, 2, 3, 4.",
        method="Flows of linear networks of four orders and of squared-ReLU neurons to 1e−10000; powers of "
        "log T measured between −log 𝓛 = 10, 100, 1,000, 10,000 and the end.",
        experiment=t43_experiment,
        measure=t43_measure,
        criterion=t43_criterion,
        figure="rates",
    ),
    Claim(
        id="LL20-G",
        paper="LL20",
        place="Appendix G, Lemma G.2",
        statement="With every layer's norm by itself, γ~_m = ℓ⁻¹(𝓛)/∏ρ_i^{k_i} never falls after t_0, and "
        "all ρ_i rise.",
        method="Flows of linear networks of two and three layers, whose layers start with different norms.",
        experiment=g_experiment,
        measure=g_measure,
        criterion=g_criterion,
        figure="norms",
    ),
)
