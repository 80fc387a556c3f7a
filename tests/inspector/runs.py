"""Seeded small runs for the detector, with and without saddles, and what is true of them afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.engine.engine import Engine
from workbench.engine.plan import Plan
from workbench.engine.schedule import RecordSchedule
from workbench.protocol.events import Event, Recorded, SaddleFound
from workbench.run.confirmation import confirmation
from workbench.run.experiment import experiment_of


@dataclass(frozen=True)
class Trained:
    """A run's series (T,) and the saddles told on the way."""

    step: np.ndarray
    log_risk: np.ndarray
    grad_norm_log: np.ndarray
    found: tuple[SaddleFound, ...]


def train(config: RunConfig, *, confirm: bool = True) -> Trained:
    """Train in memory, without files."""
    experiment = experiment_of(config)
    events: list[Event] = []
    engine = Engine(
        experiment.program,
        experiment.state,
        experiment.panel,
        Plan(config.train.steps, RecordSchedule(config.record.every), config.train.steps),
        experiment.output_shape,
        events.append,
        (),
        confirmation(experiment) if confirm else None,
    )
    engine.start()
    assert engine.join(300)
    assert engine.error is None, engine.error
    rows = [event.rows for event in events if isinstance(event, Recorded)]
    step, risk, gradient = (
        np.concatenate([r[name] for r in rows]) for name in ("step", "log_risk", "grad_norm_log")
    )
    found = tuple(event for event in events if isinstance(event, SaddleFound))
    return Trained(step, risk, gradient, found)


def circle(n: int, shift: float) -> np.ndarray:
    angle = 2 * np.pi * (np.arange(n) + shift) / n
    return np.column_stack([np.cos(angle), np.sin(angle)])


def teacher(x: np.ndarray, degrees, weights, power: int) -> np.ndarray:
    t = np.deg2rad(degrees)
    s = np.maximum(np.column_stack([np.cos(t), np.sin(t)]) @ x.T, 0.0)
    return np.asarray(weights) @ s**power


def config(x, y, model, init, *, loss="square", lr=2e-3, steps=4000, every=5, **more) -> RunConfig:
    return parse_config(
        {
            "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
            "model": model,
            "init": init,
            "loss": {"kind": loss},
            "train": {"lr": lr, "steps": steps, **more},
            "record": {"every": every, "theta": False},
            "device": {"kind": "cpu"},
        },
        "test",
    )


# --- 50 runs that pass saddles --------------------------------------------------------------------


def with_saddles(seed: int) -> tuple[str, RunConfig]:
    """Starts of 1e−6 to 1e−12 by five families, ten runs each."""
    rng = np.random.default_rng(1000 + seed)
    family = seed % 5
    x = circle(16, float(rng.uniform()))
    first = rng.uniform(0, 360)
    degrees = [first, first + rng.uniform(110, 250)]
    weights = [1.0, rng.uniform(0.35, 0.6)]
    scale = 10.0 ** -rng.uniform(6, 12)
    init = {"kind": "gaussian", "scale": scale, "seed": seed}
    if family == 0:
        y = teacher(x, degrees, weights, 2)
        return "squared ReLU, two teachers", config(
            x, y, {"kind": "squared-relu", "width": 10}, init, lr=4e-3, steps=8000
        )
    if family == 1:
        y = teacher(x, degrees, [1.0, -weights[1]], 2)
        model = {"kind": "squared-relu", "width": 12, "signs": "alternate"}
        return "squared ReLU, both signs", config(x, y, model, init, lr=4e-3, steps=8000)
    if family == 2:
        y = teacher(x, degrees, [1.0, -weights[1]], 1)
        init = {"kind": "balanced", "scale": scale, "seed": seed}
        return "two-layer ReLU", config(
            x, y, {"kind": "two-layer-relu", "width": 12}, init, lr=8e-3, steps=9000
        )
    if family == 3:
        y = np.where(x @ [np.cos(first), np.sin(first)] > 0, 1.0, -1.0)
        model = {"kind": "two-layer-relu", "width": 10}
        return "logistic", config(x, y, model, init, loss="logistic", lr=2e-2, steps=3000)
    y = teacher(x, degrees[:1], [1.0], 1)
    init = {"kind": "gaussian", "scale": 0.03, "seed": seed}
    return "three layers", config(
        x, y, {"kind": "deep-relu", "widths": [8, 8]}, init, lr=2e-2, steps=20000, every=20
    )


# --- 50 runs that pass none -----------------------------------------------------------------------


def without_saddles(seed: int) -> tuple[str, RunConfig]:
    """Five families, ten runs each: what may look like a saddle and is none."""
    rng = np.random.default_rng(2000 + seed)
    family = seed % 5
    x = circle(16, float(rng.uniform()))
    y = teacher(x, rng.uniform(0, 360, 2), [1.0, 0.5], 2)
    wide = {"kind": "squared-relu", "width": 24, "signs": "alternate"}
    init = {"kind": "gaussian", "scale": 0.3, "seed": seed}
    if family == 0:
        return "fitted from a moderate start", config(x, y, wide, init, lr=5e-3, steps=6000)
    if family == 1:
        noisy = y + rng.normal(size=16)
        model = {"kind": "squared-relu", "width": 24}
        return "minimum with a residual", config(x, noisy, model, init, lr=5e-3, steps=6000)
    if family == 2:
        return "too large a step", config(
            x, y, wide, init, lr=float(rng.uniform(0.06, 0.12)), steps=3000, every=1
        )
    if family == 3:
        labels = np.where(x[:, 0] > 0, 1.0, -1.0)
        model = {"kind": "two-layer-relu", "width": 10}
        return "logistic, risk to zero", config(
            x, labels, model, {"kind": "gaussian", "scale": 0.5, "seed": seed},
            loss="logistic", lr=0.1, steps=6000,
        )  # fmt: skip
    return "slow steady descent", config(x, y, wide, init, lr=2e-5, steps=4000)


# --- what was true --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """Saddles of a run with its future known: (start, end) steps in which to tell each one."""

    windows: tuple[tuple[int, int], ...]


def truth(run: Trained, log_risk_zero: float) -> Truth:
    """The origin, while log 𝓛 is within 1 % of that at 0, if the risk later falls by 10 %; then every
    lowest gradient between two peaks at least five times as high, with the risk level within 5 % while the
    gradient is within a factor 2 of it, and falling by 10 % afterwards."""
    step, r, g = run.step, run.log_risk, run.grad_norm_log
    windows = []
    inside = np.abs(r - log_risk_zero) <= 0.01
    start = 0
    if inside[0] and (r[-1] < log_risk_zero - 0.1):
        start = int(np.flatnonzero(~inside)[0])
        windows.append((int(step[0]), int(step[start])))
    low = start
    while True:
        valleys = [i for i in range(low + 1, len(g) - 1) if _is_valley(g, r, i, start)]
        if not valleys:
            break
        i = valleys[0]
        out = int(np.flatnonzero(g[i:] >= g[i] + np.log(5.0))[0]) + i
        windows.append((int(step[i]), int(step[out])))
        start = low = out
    return Truth(tuple(windows))


def _is_valley(g: np.ndarray, r: np.ndarray, i: int, start: int) -> bool:
    """Whether record i is the lowest between two higher peaks, level, and left again."""
    high = np.log(5.0)
    if g[start : i + 1].max() < g[i] + high or g[start:i].min() < g[i]:
        return False
    rise = np.flatnonzero(g[i:] >= g[i] + high)
    if not rise.size or g[i : i + rise[0]].min() < g[i] or r[-1] > r[i] - 0.1:
        return False
    near = np.flatnonzero(g[start:i] >= g[i] + np.log(2.0))[-1] + start
    after = i + int(np.flatnonzero(g[i:] >= g[i] + np.log(1.1))[0])
    return bool(r[near] - r[after] <= 0.05)
