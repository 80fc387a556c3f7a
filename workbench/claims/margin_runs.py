"""Runs whose risk goes to 0, with what claims about margins read of them: γ~, γ̄, directions, certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.run import RunConfig
from workbench.data.load import load_dataset
from workbench.inspector.gated_network import GatedNetwork
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.loss import MarginLoss
from workbench.measures.directions import unit
from workbench.measures.margins import margin_normalized, margin_smoothed, sample_margins
from workbench.measures.norms import layer_norms, norm
from workbench.models.structure import Structure
from workbench.run.network import network_of
from workbench.theory.margin.patterned import gates_of
from workbench.theory.margin.problem import MarginPoint


@dataclass(frozen=True, eq=False)
class MarginRun:
    """T records of a run on separable data, from the first with 𝓛 < ℓ(0) on (t_0), with its network; at
    least the last two.

    `time_log` (T) natural; `log_risk` (T) of the summed risk; `order` L, `layer_orders` k_1..k_m.
    """

    name: str
    trained: TrainedRun
    risk: RiskModel
    loss: MarginLoss
    order: float
    layer_orders: tuple[float, ...] | None
    time_log: Float[np.ndarray, " T"]
    log_risk: Float[np.ndarray, " T"]
    theta: Float[np.ndarray, "T P"]

    @property
    def structure(self) -> Structure:
        """The network's."""
        return self.trained.structure

    @property
    def samples(self) -> int:
        """N."""
        return len(self.risk.y)

    @cached_property
    def rho(self) -> Float[np.ndarray, " T"]:
        """‖θ‖."""
        return norm(self.theta)

    @cached_property
    def direction(self) -> Float[np.ndarray, "T P"]:
        """θ^."""
        return unit(self.theta)

    @cached_property
    def q(self) -> Float[np.ndarray, "T n"]:
        """Sample margins, by the network itself."""
        outputs = np.stack([self.risk.outputs(theta) for theta in self.theta])
        return sample_margins(outputs, self.risk.y)

    @cached_property
    def normalized(self) -> Float[np.ndarray, " T"]:
        """γ̄."""
        return margin_normalized(self.q.min(axis=1), self.rho, self.order)

    @cached_property
    def smoothed(self) -> Float[np.ndarray, " T"]:
        """γ~."""
        return margin_smoothed(self.log_risk, self.rho, self.order, self.loss)

    @cached_property
    def layers(self) -> Float[np.ndarray, "T m"]:
        """Norms of the layers."""
        return layer_norms(self.theta, self.structure)

    def state(self, index: int) -> InspectedState:
        """A record as the inspector sees it."""
        return InspectedState.of(
            self.risk, self.structure, self.theta[index], order=self.order, learning_rate=1.0
        )

    def point(self, index: int) -> tuple[GatedNetwork, MarginPoint]:
        """The network with its gates held, and the record scaled to q_min = 1.

        Raises:
            ValueError: a margin is not above 0, or Euler's identity is broken.
        """
        state = self.state(index)
        network = GatedNetwork(state)
        return network, self.point_at(network, state.theta)

    def point_at(self, network: GatedNetwork, theta: Float[np.ndarray, " P"]) -> MarginPoint:
        """Any θ scaled to q_min = 1, with the gradients of all constraints."""
        gates = gates_of(network.heights(theta), network.low)
        q = network.margins(theta, gates)
        rows = network.rows(theta, gates, np.arange(len(q)))
        return MarginPoint.at(theta, q, rows, self.order)

    def by_height(self, heights: Sequence[float]) -> Int[np.ndarray, " k"]:
        """The first record at or past each value of −log 𝓛, those that are reached, each once."""
        reached = [h for h in heights if h <= -self.log_risk[-1]]
        return np.unique([int(np.argmax(-self.log_risk >= h)) for h in reached]).astype(np.int64)


def margin_run(lab: Lab, config: RunConfig) -> MarginRun:
    """Train, and keep what comes after t_0.

    Raises:
        WorkbenchError: the run failed, or cannot be stored.
        ValueError: the network is not homogeneous, or the loss none of margins.
    """
    data = load_dataset(config.data)
    trained = lab.train(config)
    network = network_of(config, data)
    loss = network.loss
    if not isinstance(loss, MarginLoss):
        raise ValueError(f"the {loss.name} loss of {config.name} has no margins")
    measured = network.homogeneity
    if measured.order is None:
        raise ValueError(f"the network of {config.name} is not homogeneous")
    extra = float(np.log(data.n)) if config.loss.reduction == "mean" else 0.0
    total = trained.log_risk + extra
    above = np.flatnonzero(~(total < loss.log_separating))
    start = int(above[-1]) + 1 if len(above) else 0
    # A run that does not separate keeps its last records: its claim is to fail, not to stop.
    start = max(0, min(start, len(total) - 2))
    return MarginRun(
        config.name,
        trained,
        network.risk(),
        loss,
        measured.order,
        measured.layer_orders,
        trained.time_log[start:],
        total[start:],
        trained.theta[start:],
    )


def largest_fall(values: Float[np.ndarray, " T"]) -> float:
    """The largest relative fall from a record to the next, 0 where none falls; NaN for fewer than two."""
    if len(values) < 2 or not np.isfinite(values).all():
        return float("nan")
    return max(0.0, float(np.max((values[:-1] - values[1:]) / np.abs(values[:-1]))))


def windows(log_rho: Float[np.ndarray, " T"], count: int) -> list[tuple[int, int]]:
    """Up to `count` pairs of neighbouring records about evenly spread in log ρ."""
    if len(log_rho) < 2:
        return []
    grid = np.linspace(log_rho[0], log_rho[-1], count + 1)
    last = len(log_rho) - 1
    ends = np.unique([*np.minimum(np.searchsorted(log_rho, grid[:-1]), last).tolist(), last])
    return [(int(a), int(b)) for a, b in pairwise(ends)]


def moved(direction: Float[np.ndarray, "T P"], ends: tuple[int, int]) -> float:
    """‖θ^(b) − θ^(a)‖² over a window."""
    difference: Array = direction[ends[1]] - direction[ends[0]]
    return float(difference @ difference)
