"""LL20 Theorems E.3, E.4 and E.5: gradient descent ends as the flow does, with steps that (S5) allows.

Diagonal networks of order 1, 2 and 3 on three samples, two of which support the limit, stepped at the largest
rate of (S5) for millions of steps (`allowed_steps`). The network's own code then evaluates the records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedMember, TrainedRun
from workbench.claims.ll20.allowed_steps import Descended, descend
from workbench.claims.ll20.flow import RATE_BOUNDS, ROUNDING, rate_quantities
from workbench.claims.ll20.kkt import KKT_BOUNDS, kkt_quantities
from workbench.claims.ll20.limit import FlowLimit
from workbench.claims.ll20.proofs import log_g
from workbench.claims.margin_runs import MarginRun, largest_fall, margin_run
from workbench.config.run import RunConfig
from workbench.config.study import StudyConfig
from workbench.config.toml import parse_config
from workbench.data.load import load_dataset
from workbench.measures.margin_discrete import DiscreteMargin
from workbench.run.network import network_of

ORDERS = (1, 2, 3)
STEPS: Mapping[Size, int] = {"quick": 4_000_000, "full": 40_000_000}
FIRST, LATE = 2.0, 20.0
"""−log 𝓛 at t_0, at least 2 − 2/L; the second where the end counts: fewer steps lead to one as late."""
RECORDS = 10.0 ** np.linspace(0.05, 4.0, 160)
"""−log 𝓛 at which the state is kept, over that at t_0."""
TENFOLDS = (-1.2, -0.9, -0.6, -0.3, 0.0)
"""As `HALF_TENFOLDS`, nearer: the heights that descent reaches are few tenfolds apart."""
EXACT = 1e-12
"""Relative error of the direction at a record: every step is taken as it is."""
X = ((1.0, 0.5), (-0.6, -1.0), (0.9, 0.9))
Y = (1.0, -1.0, 1.0)
LAYERS = ((1.0, 0.6), (0.9, 0.9), (1.0, 0.9))
"""The start's, up to a common length."""
CONSTRAINTS = len(Y)


@dataclass(frozen=True, eq=False)
class Descent:
    """A descent and its records as a run; `discrete`: γ^ with t_0 at the first of them."""

    run: MarginRun
    steps: Descended

    @cached_property
    def discrete(self) -> DiscreteMargin:
        """γ^'s definition from t_0 on."""
        return DiscreteMargin(self.run.order, float(-self.run.log_risk[0]))

    @cached_property
    def margin(self) -> Float[np.ndarray, " K"]:
        """γ^ at the records."""
        return self.discrete.margin(self.run.log_risk, self.run.rho)

    @cached_property
    def limit(self) -> FlowLimit:
        """Where it goes."""
        return FlowLimit(self.run, EXACT, TENFOLDS)

    @cached_property
    def certificates(self) -> Float[np.ndarray, "K 2"]:
        """(ε, δ) of the paper's multipliers at the records."""
        whole = FlowLimit(self.run, EXACT)
        whole.__dict__["certified"] = list(range(len(self.run.rho)))
        return np.array([(paper.epsilon, paper.delta) for paper, *_ in whole.papers])


Stepper = Callable[..., Descended]


def config_of(order: int) -> RunConfig:
    """The network and its samples; how it is trained is not the engine's."""
    return parse_config(
        {
            "name": f"LL20-E L={order}",
            "data": {"kind": "inline", "x": [list(x) for x in X], "y": list(Y)},
            "model": {"kind": "diagonal", "depth": order},
            "init": {
                "kind": "inline",
                "values": {f"w{k + 1}": list(LAYERS[k]) for k in range(order)},
            },
            "loss": {"kind": "exponential", "reduction": "sum"},
            "train": {"rule": "constant", "steps": 1},
            "device": {"kind": "cpu"},
        },
        "LL20-E",
    )


@dataclass(frozen=True, eq=False)
class _Stepped:
    """A lab whose runs are the records of a descent."""

    taken: Descended

    def train(self, config: RunConfig) -> TrainedRun:
        """The records, as a run of the configuration's network."""
        structure = network_of(config, load_dataset(config.data)).structure
        taken = self.taken
        return TrainedRun(
            taken.step.astype(np.int64),
            np.exp(np.minimum(taken.log_time, 700.0)),
            taken.log_risk,
            taken.theta,
            structure,
            series={"time_log": taken.log_time},
        )

    def study(self, study: StudyConfig) -> list[TrainedMember]:
        """Nothing is a study here."""
        raise NotImplementedError(repr(study))


def descents(size: Size, first: float = FIRST, step: Stepper = descend) -> list[Descent]:
    """The three networks from −log 𝓛 = `first`, each as far as its steps take it."""
    found = []
    z = np.array(Y)[:, None] * np.array(X)
    for order in ORDERS:
        theta = _start(z, order, first)
        taken = step(theta, z, order, first * RECORDS, STEPS[size])
        found.append(Descent(margin_run(_Stepped(taken), config_of(order)), taken))
    return found


def _start(z: Float[np.ndarray, "n d"], order: int, first: float) -> Float[np.ndarray, " P"]:
    """The layers at −log 𝓛 = `first`, by bisection of their length."""
    layers = np.array(LAYERS[:order])
    q = z @ layers.prod(axis=0)
    low, high = 0.0, 100.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        scaled = middle**order * q
        height = scaled.min() - np.log(np.sum(np.exp(scaled.min() - scaled)))
        low, high = (low, middle) if height >= first else (middle, high)
    return (high * layers).ravel()


def experiment(lab: Lab, size: Size) -> tuple[list[Descent], Path | None]:
    """The descents of that size."""
    del lab
    return descents(size), None


def late_experiment(lab: Lab, size: Size) -> tuple[list[Descent], Path | None]:
    """The same from a later t_0 on."""
    del lab
    return descents(size, LATE), None


# --- Theorem E.3 -----------------------------------------------------------------------------------


def e3_measure(found: Sequence[Descent]) -> Measured:
    """Where ε, δ and the angle to the KKT points go."""
    limits = [d.limit for d in found]
    return Measured(
        kkt_quantities(limits),
        {
            "−log 𝓛 at the end, least": least(d.limit.heights[-1] for d in found),
            "power of log(1/𝓛) in ε, least": least(x.epsilon_limit.power for x in limits),
            "angle of the end to the KKT point, most, rad": most(x.angles[-1] for x in limits),
        },
    )


def e3_criterion(measured: Measured) -> tuple[Check, ...]:
    """As Theorem 4.4's: limits 0 within their errors, δ like 1/log(1/𝓛)."""
    return judged(measured, KKT_BOUNDS)


# --- Theorem E.4 -----------------------------------------------------------------------------------

FALL = "γ^ falls from a record to the next by, most"
BELOW = "γ^/γ~ − 1, most"
SUM_22 = "Σ (β⁻² − 1) Δlog ρ over Δlog γ^/L between records, most (22)"
MOVED = "‖θ^(t+1) − θ^(t)‖ over Lemma E.10's bound, most"
EPSILON = "ε of the paper's multipliers over C_1 √(1 − β), most"
DELTA = "δ of the paper's multipliers over C_2/log(1/𝓛), most"
WINDOWS = "least max(ε, δ) of a window over Theorem E.4's, most"


def e4_measure(found: Sequence[Descent]) -> Measured:
    """(22), Lemmas C.8 and E.10 with γ^ for γ~, and the theorem's windows of log ρ."""
    parts = [_lemma(d) for d in found]
    return Measured(
        {
            FALL: most(largest_fall(d.margin) for d in found),
            BELOW: most(np.concatenate([d.margin / d.run.smoothed - 1.0 for d in found])),
            SUM_22: most(_sum_22(d) for d in found),
            MOVED: most(d.steps.used[-1] for d in found),
            EPSILON: most(p[0] for p in parts),
            DELTA: most(p[1] for p in parts),
            WINDOWS: most(_windows(d) for d in found),
        },
        {
            "ε at the end, most": most(d.certificates[-1, 0] for d in found),
            "δ at the end, most": most(d.certificates[-1, 1] for d in found),
            "steps, each network": float(found[0].steps.step[-1]),
        },
    )


def _sum_22(descent: Descent) -> float:
    """The largest ratio of (22) between neighbouring records."""
    passed = np.diff(descent.steps.sum_22) * descent.run.order
    room = np.diff(np.log(descent.margin)) + ROUNDING
    return most(np.where(room > 0, passed / room, np.inf))


def _constants(descent: Descent) -> tuple[float, float]:
    """C_1 and C_2 of Lemma C.8 with γ^(t_0); K = 1 and b_g = 0 for the exponential loss."""
    order, first = descent.run.order, float(descent.margin[0])
    one = np.sqrt(2.0) * first ** (-1.0 / order)
    two = 2.0 * np.e * CONSTRAINTS / (order * first ** (2.0 / order))
    return float(one), float(two)


def _lemma(descent: Descent) -> tuple[float, float]:
    """ε and δ over Lemma C.8's, the most."""
    one, two = _constants(descent)
    beta = 1.0 - descent.limit.betas
    epsilon, delta = descent.certificates.T
    return (
        most(epsilon / (one * np.sqrt(beta))),
        most(delta * -descent.run.log_risk / two),
    )


def _windows(descent: Descent) -> float:
    """Over windows (r, r + Δ) of log ρ that the run has: the least max(ε(t)/ε, δ(t)/δ) in it, the largest.

    To r = log ρ and Δ the proof gives δ = C_2/(γ^(t_0) ρ^L) and ε² = C_0 C_1²/(2Δ), where
    C_0 = log(γ^_∞/γ^(t_0))/L; here γ^ at the end stands for γ^_∞, which asks for more.
    """
    run, first = descent.run, float(descent.margin[0])
    one, two = _constants(descent)
    zero = np.log(descent.margin[-1] / first) / run.order
    log_rho = np.log(run.rho)
    found = []
    for a in range(0, len(log_rho) - 1, 5):
        delta = two / (first * run.rho[a] ** run.order)
        for b in range(a + 1, len(log_rho), 5):
            epsilon = one * np.sqrt(0.5 * zero / (log_rho[b] - log_rho[a]))
            if epsilon < np.sqrt(6.0) / 2.0 * one:
                inside = descent.certificates[a : b + 1] / np.array([epsilon, delta])
                found.append(inside.max(axis=1).min())
    return most(found)


def e4_criterion(measured: Measured) -> tuple[Check, ...]:
    """No fall of γ^; the inequalities; in every window a record as near to KKT as promised."""
    bounds: list[Bound] = [
        (FALL, "≤", ROUNDING, ""),
        (BELOW, "<", 0.0, ""),
        (SUM_22, "≤", 1.0, ""),
        (MOVED, "≤", 1.0, ""),
        (EPSILON, "≤", 1.0, ""),
        (DELTA, "≤", 1.0, ""),
        (WINDOWS, "≤", 1.0, ""),
    ]
    return judged(measured, bounds)


# --- Theorem E.5 -----------------------------------------------------------------------------------


PASSED = "log E(𝓛) − log(½ L² γ^(t_0)^{2/L} Σ η), least (E.9)"


def _passed(descent: Descent) -> float:
    """Lemma E.9 at the records after t_0: where −log 𝓛(t_0) ≥ 2, E(𝓛) is Lemma D.4's G(1/𝓛)."""
    run, first = descent.run, float(descent.margin[0])
    height = -run.log_risk
    logs = np.array([log_g(h, float(height[0]), run.order) for h in height[1:]])
    constant = np.log(0.5) + 2.0 * np.log(run.order) + 2.0 / run.order * np.log(first)
    return least(logs - constant - run.time_log[1:])


def e5_measure(found: Sequence[Descent]) -> Measured:
    """Powers of log T, T = Σ η, over the last windows, and the bound that they come from."""
    return Measured(
        {
            **rate_quantities([d.run for d in found]),
            PASSED: least(map(_passed, found)),
            "orders L met": float(len({d.run.order for d in found})),
        },
        {f"log T at the end, L = {d.run.order:g}": float(d.run.time_log[-1]) for d in found},
    )


def e5_criterion(measured: Measured) -> tuple[Check, ...]:
    """Nearer to their own order's powers than to another's, and nearing them."""
    bounds: list[Bound] = [
        *RATE_BOUNDS,
        (PASSED, "≥", 0.0, ""),
        ("orders L met", "=", float(len(ORDERS)), ""),
    ]
    return judged(measured, bounds)


METHOD = (
    "Diagonal networks of order 1, 2 and 3 on three samples, 4,000,000 steps (full: 40,000,000) at the "
    "largest rate that (S5) allows, H(𝓛)"
)
TYPO = "the printed statement says gradient flow; its proof, as here, is of descent"

CLAIMS = (
    Claim(
        id="LL20-E3",
        paper="LL20",
        place="Theorem E.3, Theorem 4.4",
        statement="The limit directions of gradient descent with steps up to (S5)'s are KKT points of "
        "min ½‖θ‖² with all margins at least 1.",
        method=f"{METHOD}; ε at the paper's δ and the angle to the KKT point next to a record, extrapolated "
        "from two depths.",
        experiment=late_experiment,
        measure=e3_measure,
        criterion=e3_criterion,
        erratum=f"Theorem E.3: {TYPO}.",
    ),
    Claim(
        id="LL20-E4",
        paper="LL20",
        place="Theorem E.4, (22), Lemmas C.8 and E.10",
        statement="Under such steps θ/q_min^{1/L} is an (ε, δ)-KKT point at a time with log ρ in (r, r + Δ), "
        "r = Θ(log 1/δ), Δ = Θ(ε⁻²), and Σ (β⁻² − 1) Δlog ρ ≤ Δlog γ^/L on the way.",
        method=f"{METHOD}; the sum over every step, the paper's multipliers at every record, and all "
        "windows of log ρ that the run has.",
        experiment=experiment,
        measure=e4_measure,
        criterion=e4_criterion,
    ),
    Claim(
        id="LL20-E5",
        paper="LL20",
        place="Theorem E.5, Lemma E.9, Theorem 4.3",
        statement="For gradient descent 𝓛 = Θ(1/(T (log T)^{2−2/L})) and ρ = Θ((log T)^{1/L}), T = Σ η.",
        method=f"{METHOD}; powers of log T measured between −log 𝓛 = 10, 100, … and the end.",
        experiment=experiment,
        measure=e5_measure,
        criterion=e5_criterion,
    ),
)
