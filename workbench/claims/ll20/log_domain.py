"""LL20 Appendix K.2: risk and gradient by logarithms, against 60-digit arithmetic.

The outputs that a network gives in double precision are the data: what a forward pass rounds is no
matter of the logarithms. From them log 𝓛 and the gradient of log 𝓛 are computed twice: as the engine
does, and with 60 digits from the definitions, the network's derivatives 2 s_k max(0, u_k·x) x exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
import numpy as np
import torch

from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.losses.log_sum import log_sum_exp
from workbench.losses.registry import loss_of

TARGETS = (
    2.0,
    1.0,
    0.0,
    -1.0,
    -5.0,
    -12.0,
    -13.1,
    -16.0,
    -100.0,
    -307.0,
    -320.0,
    -1_000.0,
    -10_001.0,
)
"""log10 of the risk, about."""
DIGITS = 60
AGREES = 1e-12
"""The statement's."""
LOSSES: tuple[str, ...] = ("exponential", "logistic", "cross-entropy")
DRAWS: Mapping[Size, int] = {"quick": 1, "full": 20}
SMALLEST = 1e-290
"""A largest entry of ∇log 𝓛 below this is compared as if it were this: doubles end at 1e−308."""
SWITCH = 30.0
"""Q of K.2: from this margin on the paper takes log(1 + x) for x."""

LogRisk = Callable[[np.ndarray, np.ndarray, str], float]


@dataclass(frozen=True)
class Compared:
    """Relative errors of log 𝓛 and of ∇log 𝓛 (to its largest entry), log10 𝓛, what K.2's own recipe makes
    of log 𝓛, and how many samples no neuron sees."""

    log10_risk: float
    risk: float
    gradient: float
    recipe: float
    unseen: int


def engine_log_risk(outputs: np.ndarray, y: np.ndarray, loss: str) -> float:
    """log 𝓛, summed, as runs record it."""
    return float(loss_of(loss).log_risk(outputs[None], y, "sum")[0])


def compare(loss: str, target: float, seed: int, engine: LogRisk = engine_log_risk) -> Compared:
    """One network, one set of samples with about that risk."""
    u, x, y = _at_risk(target, seed, loss)
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    weights = torch.from_numpy(u).requires_grad_(True)
    active = torch.relu(torch.from_numpy(x) @ weights.T)
    single = active.square() @ torch.from_numpy(signs)
    classes = loss == "cross-entropy"
    # Three classes: the score, its negative and 0, so that the least margin is half that of labels ±1.
    outputs = torch.stack([single / 2, -single / 2, single * 0.0], dim=1) if classes else single
    label = np.where(y > 0, 0.0, 1.0) if classes else y
    held = outputs.detach()
    cotangent, top = loss_of(loss).cotangent(held, torch.from_numpy(label))
    (pulled,) = torch.autograd.grad(outputs, weights, cotangent)
    found = engine(held.numpy(), label, loss)
    with mp.workdps(DIGITS):
        wanted, slopes = _exact(held.numpy(), label, loss)
        reach = [
            2 * s * mp.mpf(float(max(0.0, v))) for v, s in _pairs(active.detach().numpy(), signs)
        ]
        gradient = _gradient(reach, x, slopes, wanted)
        log_wanted = mp.log(wanted)
        # The cotangents are e^{−top} of what they stand for.
        scale = mp.e ** (mp.mpf(0.0 if top is None else float(top)) - log_wanted)
        mine = [mp.mpf(float(v)) * scale for v in pulled.numpy().ravel()]
        largest = max(*(abs(v) for v in gradient), mp.mpf(SMALLEST))
        error = max(abs(a - b) for a, b in zip(mine, gradient, strict=True)) / largest
        relative = abs(mp.mpf(found) - log_wanted) / max(mp.mpf(1), abs(log_wanted))
        recipe = abs(mp.mpf(_recipe(held.numpy(), label, loss)) - log_wanted)
        return Compared(
            float(log_wanted / mp.log(10)),
            float(relative),
            float(error),
            float(recipe / max(mp.mpf(1), abs(log_wanted))),
            int(np.sum(np.all(active.detach().numpy() == 0, axis=1))),
        )


def _pairs(active: np.ndarray, signs: np.ndarray) -> list[tuple[float, float]]:
    """(activation, sign), sample by sample, neuron by neuron."""
    return [(float(v), float(s)) for row in active for v, s in zip(row, signs, strict=True)]


def _gradient(
    reach: list[mp.mpf], x: np.ndarray, slopes: list[mp.mpf], risk: mp.mpf
) -> list[mp.mpf]:
    """∇log 𝓛 (4 × 2): Σ_i ∂log 𝓛/∂Φ_i 2 s_k max(0, u_k·x_i) x_i."""
    n, d = x.shape
    found = []
    for k in range(4):
        for j in range(d):
            terms = [slopes[i] * reach[4 * i + k] * mp.mpf(float(x[i, j])) for i in range(n)]
            found.append(mp.fsum(terms) / risk)
    return found


def _at_risk(target: float, seed: int, loss: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u (4, 2), x (6, 2), y: a network of order 2 in x, so samples are scaled to the margins wanted.

    A high risk is a sum of −q, not of e^{−q}, save for the exponential loss. A sample that no neuron sees
    is left as it is drawn: no scale gives it a margin.
    """
    rng = np.random.default_rng(seed)
    u, x = rng.standard_normal((4, 2)), rng.standard_normal((6, 2))
    phi = np.maximum(x @ u.T, 0.0) ** 2 @ np.array([1.0, -1.0, 1.0, -1.0])
    wanted = -target * np.log(10.0) + 3.0 * rng.random(6)
    if target > 0 and loss != "exponential":
        wanted = -(10.0**target) / 6.0 * (1.0 + rng.random(6))
    if loss == "cross-entropy":
        # The third class's margin, half of the second's, is the least.
        wanted = 2.0 * wanted if target <= 0 else wanted
    seen = phi != 0
    y = np.where(seen, np.sign(phi), 1.0) * np.where(wanted < 0, -1.0, 1.0)
    scale = np.where(seen, np.abs(wanted) / np.where(seen, np.abs(phi), 1.0), 1.0)
    return u, x * np.sqrt(scale)[:, None], y


def _exact(outputs: np.ndarray, label: np.ndarray, loss: str) -> tuple[mp.mpf, list[mp.mpf]]:
    """𝓛 and ∂𝓛/∂Φ_i of the score Φ behind the outputs, from the definitions."""
    total, slopes = mp.mpf(0), []
    for row, y in zip(outputs, label, strict=True):
        if loss == "cross-entropy":
            odds = [mp.e ** (mp.mpf(float(v)) - mp.mpf(float(row[int(y)]))) for v in row]
            rest = mp.fsum(o for j, o in enumerate(odds) if j != int(y))
            total += mp.log1p(rest)
            # The outputs are Φ/2, −Φ/2 and 0.
            chance = [o / (1 + rest) for o in odds]
            # p − 1 without its cancellation, which 60 digits do not cover below 1e−60.
            chance[int(y)] = -rest / (1 + rest)
            slopes.append((chance[0] - chance[1]) / 2)
            continue
        small = mp.e ** (-mp.mpf(float(y)) * mp.mpf(float(row)))
        total += small if loss == "exponential" else mp.log1p(small)
        slopes.append(-mp.mpf(float(y)) * (small if loss == "exponential" else small / (1 + small)))
    return total, slopes


def _recipe(outputs: np.ndarray, label: np.ndarray, loss: str) -> float:
    """log 𝓛 as K.2 computes it: e^{−q~} for all where every margin exceeds 30, log1p for all where not."""
    if loss == "exponential":
        return engine_log_risk(outputs, label, loss)
    if loss == "logistic":
        below, lowest = -label * outputs, float(np.min(label * outputs))
    else:
        index = label.astype(np.intp)
        own = outputs[np.arange(len(label)), index]
        apart = outputs - own[:, None]
        apart[np.arange(len(label)), index] = -np.inf
        below, lowest = log_sum_exp(apart), float(np.min(-apart.max(axis=1)))
    if lowest > SWITCH:
        return float(log_sum_exp(below))
    # The estimate F~ only keeps the sum in range, which it is here.
    return float(np.log(np.sum(np.log1p(np.exp(below)))))


def evidence(size: Size, engine: LogRisk = engine_log_risk) -> list[Compared]:
    """Every loss at every risk."""
    return [
        compare(loss, target, seed, engine)
        for loss in LOSSES
        for target in TARGETS
        for seed in range(7, 7 + DRAWS[size])
    ]


def _experiment(lab: Lab, size: Size) -> tuple[list[Compared], Path | None]:
    del lab
    return evidence(size), None


def measure(found: list[Compared]) -> Measured:
    """The largest errors."""
    return Measured(
        {
            "log 𝓛 off 60 digits, most relative": most(one.risk for one in found),
            "∇log 𝓛 off 60 digits, most relative": most(one.gradient for one in found),
            "log10 𝓛, highest": most(one.log10_risk for one in found),
            "log10 𝓛, lowest": -most(-one.log10_risk for one in found),
        },
        {
            "comparisons": float(len(found)),
            "of them with a sample that no neuron sees": float(
                sum(one.unseen > 0 for one in found)
            ),
            "log 𝓛 by K.2's own recipe off 60 digits, most relative": most(o.recipe for o in found),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """1e−12 from 1e2 to 1e−10000; margins are spread by 3, so log10 of a risk is up to 2 off its target."""
    bounds: list[Bound] = [
        ("log 𝓛 off 60 digits, most relative", "≤", AGREES, ""),
        ("∇log 𝓛 off 60 digits, most relative", "≤", AGREES, ""),
        ("log10 𝓛, highest", "≥", 2.0, ""),
        ("log10 𝓛, lowest", "≤", -10_000.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-K2",
        paper="LL20",
        place="Appendix K.2",
        statement="Risk and gradient computed by logarithms agree with 60-digit arithmetic to 1e−12, from "
        "1e2 down to 1e−10000.",
        method="Four squared-ReLU neurons on six samples scaled to every risk, three losses, the outputs of "
        "double precision being the data; a sample that no neuron sees is an exact zero.",
        experiment=_experiment,
        measure=measure,
        criterion=criterion,
    ),
)
