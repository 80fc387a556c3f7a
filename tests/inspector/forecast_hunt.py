"""Random teachers for the hunt after wrong forecasts, and what became of every forecast of their runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.protocol.inspections import RecordedInspection
from workbench.record.reader import RunReader
from workbench.run.session import Session


def hunted(seed: int, *, steps: int = 6000, planar: bool = False) -> RunConfig:
    """Squared ReLU (even seeds) or two-layer ReLU; random inputs, widths, scales, signs, noise, steps."""
    rng = np.random.default_rng(seed)
    squared = seed % 2 == 0
    d = 2 if planar else int(rng.choice([2, 2, 3, 4]))
    n = int(rng.integers(6, 30)) + 4 * d
    x = rng.normal(size=(n, d))
    if rng.uniform() < 0.5:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    teachers = rng.normal(size=(int(rng.integers(1, 5)), d))
    teachers /= np.linalg.norm(teachers, axis=1, keepdims=True)
    weights = rng.uniform(0.3, 1.5, len(teachers))
    both = not squared or rng.uniform() < 0.5
    if both:
        weights *= rng.choice([-1, 1], len(teachers))
    y = np.maximum(x @ teachers.T, 0.0) ** (2 if squared else 1) @ weights
    if rng.uniform() < 0.3:
        y = y + 0.1 * rng.normal(size=n)
    scale = 10.0 ** -rng.uniform(3, 8)
    if squared:
        stiff = 2 * np.linalg.norm((x * np.abs(y)[:, None]).T @ x, 2)
    else:
        stiff = np.linalg.norm(x, 2) * np.linalg.norm(y)
    model = {
        "kind": "squared-relu" if squared else "two-layer-relu",
        "width": int(rng.integers(4, 25)),
    }
    if squared and both:
        model["signs"] = "alternate"
    balanced = not squared and rng.uniform() < 0.5
    return parse_config(
        {
            "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
            "model": model,
            "init": {
                "kind": "balanced" if balanced else "gaussian",
                "scale": scale,
                "seed": seed,
            },
            "loss": {"kind": "square"},
            "train": {"lr": float(rng.uniform(0.01, 0.05) / stiff), "steps": steps},
            "record": {"every": 5, "theta": False},
            "pause": {"at_saddle": False},
            "checkpoint": {"every": 1_000_000},
            "device": {"kind": "cpu"},
        },
        "hunt",
    )


def forecasts_of(config: RunConfig, folder: Path) -> list[RecordedInspection]:
    """What the run keeps of its saddles, those without a forecast left out."""
    session = Session.create(config, folder, attended=False)
    session.start()
    assert session.wait(300)
    session.close()
    assert session.engine.error is None, session.engine.error
    with RunReader(session.folder) as reader:
        return [kept for kept in reader.inspections() if kept.forecasts]


@dataclass(frozen=True)
class Tally:
    """Forecasts that were decided: counts, and of the first neuron named the relative width of its interval
    and the bound on its direction."""

    decided: int
    one_name: int
    one_name_right: int
    two_names: int
    two_names_right: int
    time_inside: int
    angle_inside: int
    with_angle: int
    widths: np.ndarray
    drifting: np.ndarray
    bounds: np.ndarray

    @classmethod
    def of(cls, forecasts: list[RecordedInspection]) -> Tally:
        """Count; `drifting` is the widths beside large neurons."""
        told = [(k, k.outcome) for k in forecasts if k.outcome is not None]
        told = [(k, o) for k, o in told if o.kind != "void"]
        alone = [o.neuron in k.names for k, o in told if len(k.names) == 1]
        among = [o.neuron in k.names for k, o in told if len(k.names) == 2]
        rows = [(k, k.row(k.first)) for k, _ in told]
        width = np.array(
            [
                (k.neurons.escape_time_high[r] - k.neurons.escape_time_low[r]) / k.wait
                for k, r in rows
            ]
        )
        return cls(
            decided=len(told),
            one_name=len(alone),
            one_name_right=sum(alone),
            two_names=len(among),
            two_names_right=sum(among),
            time_inside=sum(o.time_inside == 1 for _, o in told),
            angle_inside=sum(o.angle_inside == 1 for _, o in told),
            with_angle=sum(o.angle_inside >= 0 for _, o in told),
            widths=width,
            drifting=width[[k.large > 0 for k, _ in told]],
            bounds=np.array([k.neurons.angle_bound[r] for k, r in rows]),
        )

    def __str__(self) -> str:
        return (
            f"{self.decided} forecasts: one name {self.one_name}, right {self.one_name_right}; two names "
            f"{self.two_names}, right {self.two_names_right}; time inside {self.time_inside}; direction "
            f"inside {self.angle_inside} of {self.with_angle}; median width {np.median(self.widths):.2%}, "
            f"beside large neurons {np.median(self.drifting):.2%}; median bound "
            f"{np.nanmedian(self.bounds):.2f}°"
        )
