"""Runs that pause by themselves, of twelve kinds that lie in wait for a detector of saddles, and what is
true of their records by slow and obvious means: plain formulas for the networks, whole Hessians, directions
on a fine circle, and plain descent from a state pushed a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from tests.inspector.runs import circle, config, teacher
from workbench.config.run import RunConfig
from workbench.engine.engine import Engine
from workbench.engine.plan import Plan
from workbench.engine.schedule import RecordSchedule
from workbench.protocol.commands import Resume
from workbench.protocol.events import Event, Paused, Recorded, SaddleFound
from workbench.run.confirmation import confirmation
from workbench.run.experiment import Experiment, experiment_of

KINDS = (
    "minibatch noise",
    "label noise",
    "edge of stability",
    "exactly at a saddle",
    "near a saddle",
    "deep linear",
    "diagonal",
    "zero weights",
    "minimum with a residual",
    "dead ReLU neurons",
    "logistic to risk 0",
    "two-layer staircase",
)
SLOW, SURE = 0.1, 0.05
"""κ over the escape rate: what may be told, and what must be."""
LEFT, BUMP = 0.01, np.log(2.0)
MOST = 240
"""Records at which the slow truth is computed: evenly, and those around every saddle told."""


@dataclass(frozen=True)
class Hunted:
    """A run with its θ (T, P) by record and the saddles told."""

    experiment: Experiment
    step: np.ndarray
    theta: np.ndarray
    told: tuple[SaddleFound, ...]
    pauses: int


def hunt(made: RunConfig) -> Hunted:
    """Train, pausing at every saddle and going on."""
    experiment = experiment_of(made)
    events: list[Event] = []
    plan = Plan(
        made.train.steps,
        RecordSchedule(made.record.every),
        made.train.steps,
        pause_at_saddle=True,
        attended=True,
    )
    engine = Engine(
        experiment.program,
        experiment.state,
        experiment.panel,
        plan,
        experiment.output_shape,
        events.append,
        [lambda event: engine.send(Resume()) if isinstance(event, Paused) else None],
        confirmation(experiment),
    )
    engine.start()
    assert engine.join(300)
    assert engine.error is None, engine.error
    rows = [event.rows for event in events if isinstance(event, Recorded)]
    step, theta = (np.concatenate([r[name] for r in rows]) for name in ("step", "theta"))
    told = tuple(e for e in events if isinstance(e, SaddleFound))
    return Hunted(experiment, step, theta, told, sum(isinstance(e, Paused) for e in events))


# --- the runs -------------------------------------------------------------------------------------


def made_of(kind: str, seed: int) -> RunConfig:
    """The configuration of a seeded run of a kind."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    x = circle(16, float(rng.uniform()))
    first = rng.uniform(0, 360)
    degrees = [first, first + rng.uniform(110, 250)]
    two = [1.0, float(rng.uniform(0.3, 0.6))]
    tiny = {"kind": "gaussian", "scale": float(10.0 ** -rng.uniform(4, 9)), "seed": seed}
    squared = {"kind": "squared-relu", "width": 8}
    layers = {"kind": "two-layer-relu", "width": 8}
    y = teacher(x, degrees, two, 2)
    if kind == "minibatch noise":
        return _config(x, y, squared, tiny, lr=4e-3, steps=6000, batch=int(rng.choice([3, 5, 8])))
    if kind == "label noise":
        noisy = y + 0.3 * rng.normal(size=len(x))
        return _config(x, noisy, layers, tiny, lr=8e-3, steps=6000)
    if kind == "edge of stability":
        wide = {"kind": "squared-relu", "width": 12, "signs": "alternate"}
        start = {"kind": "gaussian", "scale": 0.3, "seed": seed}
        return _config(x, y, wide, start, lr=float(rng.uniform(0.05, 0.11)), steps=2000, every=1)
    if kind in ("exactly at a saddle", "near a saddle"):
        noise = 0.0 if kind.startswith("exactly") else float(10.0 ** -rng.uniform(3, 7))
        return _fitted_one(rng, noise, seed)
    if kind == "deep linear":
        target = x @ rng.normal(size=2)
        model = {"kind": "deep-linear", "width": 4, "depth": int(rng.choice([2, 3]))}
        start = {"kind": "gaussian", "scale": 0.01, "seed": seed}
        return _config(x, target, model, start, lr=1e-2, steps=8000, every=20)
    if kind == "diagonal":
        x = rng.normal(size=(10, 4))
        target = x @ np.array([2.0, -1.0, 0.5, 0.0])
        start = {"kind": "gaussian", "scale": 1e-3, "seed": seed}
        return _config(
            x, target, {"kind": "diagonal", "depth": 2}, start, lr=2e-3, steps=8000, every=10
        )
    if kind == "zero weights":
        model = [squared, layers, {"kind": "deep-linear", "width": 3, "depth": 3}][seed % 3]
        start = {"kind": "gaussian", "scale": 0.0, "seed": seed}
        return _config(x, y, model, start, lr=4e-3, steps=600)
    if kind == "minimum with a residual":
        noisy = y + rng.normal(size=16)
        start = {"kind": "gaussian", "scale": 0.3, "seed": seed}
        return _config(x, noisy, {**squared, "width": 16}, start, lr=5e-3, steps=6000)
    if kind == "dead ReLU neurons":
        return _with_dead(rng)
    if kind == "logistic to risk 0":
        labels = np.where(x[:, 0] > 0, 1.0, -1.0)
        start = {"kind": "gaussian", "scale": float(rng.choice([1e-5, 0.5])), "seed": seed}
        return _config(x, labels, layers, start, loss="logistic", lr=5e-2, steps=6000)
    labels = teacher(x, degrees, [1.0, -two[1]], 1)
    return _config(
        x, labels, {**layers, "leak": float(rng.choice([0.0, 0.1]))}, tiny, lr=8e-3, steps=9000
    )


def _config(x, y, model, init, **more) -> RunConfig:
    made = config(x, y, model, init, **{"every": 5, **more})
    return made.model_copy(update={"record": made.record.model_copy(update={"theta": True})})


def _fitted_one(rng, noise: float, seed: int) -> RunConfig:
    """Squared ReLU with one of two opposite teachers fitted, and five neurons at 0, or close to it."""
    x = circle(16, 0.5)
    first = 22.5 * rng.integers(16) + 11.25
    weight = float(rng.uniform(0.3, 0.8))
    y = teacher(x, [first, first + 180.0], [1.0, weight], 2)
    angle = np.radians(first)
    u = np.zeros((6, 2))
    u[0] = np.cos(angle), np.sin(angle)
    start = {"kind": "inline", "noise": noise, "seed": seed, "values": {"u": u.tolist()}}
    return _config(x, y, {"kind": "squared-relu", "width": 6}, start, lr=4e-3, steps=4000)


def _with_dead(rng) -> RunConfig:
    """Inputs on a half circle, so that some neurons are off on all of them; one fits what it can."""
    x = circle(24, 0.5)
    x = x[x[:, 1] > 0.2]
    y = teacher(x, [70.0, 110.0], [1.0, float(rng.uniform(-0.8, 0.8))], 1) + 0.1 * rng.normal(
        size=len(x)
    )
    size = float(10.0 ** -rng.uniform(0.5, 2.5))
    down = -np.pi / 2 + rng.uniform(-0.1, 0.1, size=5)
    u = np.concatenate([[[0.3, 0.9]], size * np.column_stack([np.cos(down), np.sin(down)])])
    v = np.concatenate([[0.9], size * rng.choice([-1.0, 1.0], size=5)])
    start = {"kind": "inline", "values": {"u": u.tolist(), "v": v.tolist()}}
    return _config(x, y, {"kind": "two-layer-relu", "width": 6}, start, lr=1e-2, steps=6000)


# --- the slow truth -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slow:
    """The run's risk as a plain function of a flat θ."""

    run: Hunted

    def outputs(self, theta: torch.Tensor) -> torch.Tensor:
        """Φ by its formula."""
        made = self.run.experiment.config.model
        x = torch.from_numpy(self.run.experiment.dataset.x)
        d = x.shape[1]
        if made.kind == "squared-relu":
            s = x @ theta.view(-1, d).T
            sign = torch.ones(made.width, dtype=torch.float64)
            if made.signs == "alternate":
                sign[1::2] = -1.0
            return s.clamp(min=0.0).square() @ sign
        if made.kind == "two-layer-relu":
            u, v = theta[: made.width * d].view(-1, d), theta[made.width * d :]
            return torch.nn.functional.leaky_relu(x @ u.T, made.leak) @ v
        if made.kind == "diagonal":
            return x @ theta.view(made.depth, d).prod(dim=0)
        h, start = x, 0
        sizes = [d, *[made.width] * (made.depth - 1), 1]
        for a, b in pairwise(sizes):
            h = h @ theta[start : start + a * b].view(b, a).T
            start += a * b
        return h[:, 0]

    def risk(self, theta: torch.Tensor) -> torch.Tensor:
        """The summed risk."""
        y = torch.from_numpy(self.run.experiment.dataset.y)
        out = self.outputs(theta)
        if self.run.experiment.config.loss.kind == "square":
            return 0.5 * (out - y).square().sum()
        return torch.nn.functional.softplus(-y * out).sum()

    def slopes(self, theta: torch.Tensor) -> tuple[float, torch.Tensor]:
        """(risk, gradient)."""
        theta = theta.clone().requires_grad_(True)
        value = self.risk(theta)
        return float(value.detach()), torch.autograd.grad(value, theta)[0]

    def rates(self, theta: np.ndarray) -> tuple[float, float, float]:
        """(κ, escape rate, largest eigenvalue): −λ of the whole Hessian, or of the small free neurons."""
        at = torch.from_numpy(theta)
        value, gradient = self.slopes(at)
        hessian = torch.autograd.functional.hessian(self.risk, at)
        eigen = torch.linalg.eigvalsh(0.5 * (hessian + hessian.T))
        kappa = float(gradient.square().sum()) / value
        return kappa, max(-float(eigen[0]), self._neurons(theta), 0.0), float(eigen.abs().max())

    def _neurons(self, theta: np.ndarray) -> float:
        """2 max N over a fine circle, where a small neuron is 0 or moves."""
        made, data = self.run.experiment.config.model, self.run.experiment.dataset
        if made.kind not in ("squared-relu", "two-layer-relu"):
            return 0.0
        out = self.outputs(torch.from_numpy(theta)).numpy()
        square = self.run.experiment.config.loss.kind == "square"
        z = data.y - out if square else data.y / (1.0 + np.exp(data.y * out))
        angle = np.linspace(0, 2 * np.pi, 1440, endpoint=False)
        pre = np.column_stack([np.cos(angle), np.sin(angle)]) @ data.x.T
        leak = made.leak
        act = np.maximum(pre, leak * pre)
        if made.kind == "squared-relu":
            correlation = act**2 @ z
            signs = [1.0, -1.0] if made.signs == "alternate" else [1.0]
            highest = {s: 2.0 * (s * correlation).max() for s in signs}
        else:
            highest = {1.0: np.abs(act @ z).max()}
        u = theta[: made.width * 2].reshape(-1, 2)
        free = [0.0]
        for k in range(made.width):
            s = 1.0
            if made.kind == "squared-relu" and made.signs == "alternate":
                s = -1.0 if k % 2 else 1.0
            v = theta[made.width * 2 + k] if made.kind == "two-layer-relu" else 0.0
            own = u[k] @ data.x.T
            slope = np.where(own > 0, 1.0, leak)
            part = v * slope * own if made.kind == "two-layer-relu" else s * (slope * own) ** 2
            if np.linalg.norm(part) > 0.01 * np.linalg.norm(data.y):
                continue
            size = np.hypot(np.linalg.norm(u[k]), v)
            if made.kind == "two-layer-relu":
                moves = np.linalg.norm((slope * z) @ data.x)
            else:
                moves = 2.0 * np.linalg.norm((slope**2 * z * own) @ data.x) / max(size, 1e-300)
            if size == 0.0 or moves > 1e-2 * highest[s]:
                free.append(highest[s])
        return max(free)

    def leaves(self, theta: np.ndarray, rate: float, largest: float) -> bool:
        """Whether plain descent from a pushed state takes half a percent off the risk in eighty e-folds,
        and gets steeper by half on the way: from a minimum it only gets flatter."""
        at = torch.from_numpy(theta)
        value = float(self.risk(at))
        push, size, steps = 0.05, 4e-3, 20_000
        if theta.any():
            push, size = 1e-6 * max(1.0, float(at.norm())), 0.5 / max(largest, rate)
            steps = int(min(80.0 / (rate * size), 40_000))
        random = torch.Generator().manual_seed(0)
        for _ in range(3):
            moved = (
                at + push * torch.randn(at.shape, generator=random, dtype=at.dtype) / len(at) ** 0.5
            )
            lowest, steeper = np.inf, False
            for _ in range(steps):
                now, gradient = self.slopes(moved)
                norm = float(gradient.norm())
                lowest, steeper = min(lowest, norm), steeper or norm > 1.5 * lowest
                if steeper and now < 0.995 * value:
                    return True
                if norm < 1e-13:
                    break
                moved = moved - size * gradient
        return False


@dataclass
class Truth:
    """Of a run: `saddles` by their records, of these `due` to be told; `told`, `false`, `missed`, `twice`."""

    saddles: int = 0
    told: int = 0
    false: int = 0
    missed: int = 0
    twice: int = 0


def judged(run: Hunted) -> Truth:
    """Holds what was told against the slow truth."""
    slow, truth = Slow(run), Truth(told=len(run.told))
    at_told = [int(np.flatnonzero(run.step == e.step)[0]) for e in run.told]
    rows = np.unique(np.concatenate([np.linspace(0, len(run.step) - 1, MOST), at_told])).astype(int)
    found = [slow.rates(run.theta[row]) for row in rows]
    kappa, rate, largest = (np.array(column) for column in zip(*found, strict=True))
    level = np.array([float(slow.risk(torch.from_numpy(run.theta[row]))) for row in rows])
    log_risk = np.log(np.maximum(level, 1e-300))
    steepness = 0.5 * (np.log(np.maximum(kappa, 1e-300)) + log_risk)
    # At θ = 0 itself weights of order 3 and more have no rate yet, and a gradient of exactly 0.
    rate = np.where(rate > 1e-9 * largest, rate, 0.0)
    zero = ~run.theta[rows].any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(zero, 0.0, np.where(rate > 0.0, kappa / rate, np.inf))
    spans = _spans(ratio, log_risk, steepness)
    best = [a + int(ratio[a : b + 1].argmin()) for a, b in spans]
    left = [slow.leaves(run.theta[rows[i]], rate[i], largest[i]) for i in best]
    taken: set[int] = set()
    for row in at_told:
        place = int(np.searchsorted(rows, row))
        here = next((k for k, (a, b) in enumerate(spans) if a <= place <= b), None)
        low = ratio[max(0, place - 1) : place + 2].min() <= SLOW
        if here is None or not low or not left[here]:
            truth.false += 1
        elif here in taken:
            truth.twice += 1
        else:
            taken.add(here)
    for k, (a, b) in enumerate(spans):
        # What a run is still in the middle of at its end need not have been told yet.
        due = b < len(rows) - 1 or (b - a >= MOST // 2)
        real = k in taken or (ratio[best[k]] <= SURE and left[k])
        truth.saddles += int(real)
        truth.missed += int(real and due and k not in taken)
    return truth


def _spans(ratio: np.ndarray, log_risk: np.ndarray, steepness: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) place of each saddle: slow stretches, cut where the risk has fallen by 1 % and the
    gradient has gone up and down by a factor 2 meanwhile."""
    spans: list[tuple[int, int]] = []
    start, lowest, peak = None, np.inf, -np.inf
    for k in range(len(ratio)):
        inside = ratio[k] <= SLOW
        if start is None:
            if inside:
                start, lowest, peak = k, log_risk[k], steepness[k]
            continue
        peak = max(peak, steepness[k])
        if not inside:
            spans.append((start, k - 1))
            start = None
            continue
        best = start + int(steepness[start : k + 1].argmin())
        top = start + int(steepness[start : k + 1].argmax())
        fallen = lowest - log_risk[k] > LEFT
        if fallen and best < top < k and steepness[k] < steepness[top] - BUMP:
            spans.append((start, top))
            start, lowest, peak = top + 1, log_risk[top + 1], steepness[k]
    if start is not None:
        spans.append((start, len(ratio) - 1))
    return spans


def table(kinds: tuple[str, ...], seeds: range) -> dict[str, Truth]:
    """What was told and what was true, by kind, with the number of runs in front."""
    rows = {}
    for kind in kinds:
        total = Truth()
        for seed in seeds:
            one = judged(hunt(made_of(kind, seed)))
            for name in vars(total):
                setattr(total, name, getattr(total, name) + getattr(one, name))
        rows[kind] = total
    return rows


def shown(rows: dict[str, Truth], runs: int) -> str:
    """The table as text."""
    names = ("saddles", "told", "false", "missed", "twice")
    lines = [f"{'':<26}{'runs':>8}" + "".join(f"{name:>9}" for name in names)]
    for kind, row in rows.items():
        lines.append(f"{kind:<26}{runs:>8}" + "".join(f"{getattr(row, n):>9}" for n in names))
    return "\n".join(lines)


# --- how mild a passage may be --------------------------------------------------------------------


def passage(seed: int) -> RunConfig:
    """One teacher nearly fitted and three neurons of some size: a saddle passed closely, or not at all."""
    rng = np.random.default_rng(seed)
    x = circle(16, 0.5)
    first = 22.5 * rng.integers(16) + 11.25
    weight = float(rng.uniform(0.3, 0.8))
    y = teacher(x, [first, first + 180.0], [1.0, weight], 2)
    angle = np.radians(first)
    u = 10.0 ** -rng.uniform(0.4, 1.6) * rng.normal(size=(4, 2))
    size = 1.0 + rng.uniform(-0.5, 0.3)
    u[0] = np.cos(angle + 0.3 * rng.normal()), np.sin(angle + 0.3 * rng.normal())
    u[0] *= size
    start = {"kind": "inline", "values": {"u": u.tolist()}}
    return _config(x, y, {"kind": "squared-relu", "width": 4}, start, lr=2e-3, steps=1500, every=2)


def strength(run: Hunted) -> float:
    """The lowest κ over the escape rate on the way."""
    slow = Slow(run)
    found = [slow.rates(theta)[:2] for theta in run.theta[:400]]
    return min((kappa / rate for kappa, rate in found if rate > 0.0), default=np.inf)
