"""Which series a run has, and their values: from a step program's rows to named arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.losses.loss import Loss, MarginLoss, Reduction
from workbench.measures.directions import (
    alignment,
    neuron_angles,
    neuron_directions,
)
from workbench.measures.layers import LayerMeasures
from workbench.measures.margins import (
    accuracy,
    margin_multi,
    margin_normalized,
    margin_smoothed,
    margins_median_normalized,
    sample_margins,
)
from workbench.measures.norms import layer_norms, neuron_norms
from workbench.measures.own import OwnSeries
from workbench.measures.rows import Rows
from workbench.measures.unit_margin import UnitMargin
from workbench.models.structure import Structure
from workbench.norms.l2 import L2

WIDE_SAMPLES = 4_096
WIDE_NEURONS = 4_096
WIDE_DIRECTIONS = 256
WIDE_DIRECTION_NUMBERS = 16_384
WIDE_THETA = 4_096
QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Panel:
    """The measures of one run.

    `order` is L (None: not homogeneous, then margins are normalized by their median, and `unit` measures the
    smallest at θ/ρ where that is cheap), `layer_orders` k_1..k_m. Margins and accuracy apply to labels ±1 or
    classes only; `classifies` says so. `rule_series` names the series that the step rule itself hands over,
    `layers` measures how the layers align, `own` are measures of the user's. `only`: the series of a file
    that is gone on with, None for all: a file keeps the series it began with.
    """

    structure: Structure
    y: Float[np.ndarray, " n"]
    d: int
    loss: Loss
    reduction: Reduction
    classifies: bool
    outputs: int = 1
    order: float | None = None
    layer_orders: tuple[float, ...] | None = None
    keep_theta: bool = True
    rule_series: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    layers: LayerMeasures | None = None
    own: tuple[OwnSeries, ...] = ()
    unit: UnitMargin | None = None

    @property
    def samples(self) -> Int[np.ndarray, " k"]:
        """Indices of the samples whose margins are kept one by one."""
        return _spread(self.y.shape[0], WIDE_SAMPLES)

    @property
    def neuron_count(self) -> int:
        """H, or 0 where the network declares no neurons."""
        neurons = self.structure.neurons
        return self.structure.parameter(neurons.incoming).shape[0] if neurons else 0

    @property
    def neurons(self) -> Int[np.ndarray, " k"]:
        """Indices of the neurons whose norm and angle are kept."""
        return _spread(self.neuron_count, WIDE_NEURONS)

    @property
    def direction_neurons(self) -> Int[np.ndarray, " k"]:
        """Indices of the neurons whose whole direction is kept."""
        room = max(1, WIDE_DIRECTION_NUMBERS // max(1, self.d))
        return _spread(self.neuron_count, min(WIDE_DIRECTIONS, room))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The series this run has besides step, each with its shape a record."""
        values = self.compute(self.probe())
        return {name: array.shape[1:] for name, array in values.items() if name != "step"}

    def probe(self) -> Rows:
        """A record of the right shapes."""
        n, p = self.y.shape[0], self.structure.size
        c = () if self.outputs == 1 else (self.outputs,)
        return Rows(
            step=np.zeros(1, dtype=np.int64),
            time=np.zeros(1),
            path_length=np.zeros(1),
            theta=np.ones((1, p)),
            outputs=np.zeros((1, n, *c)),
            gradient=np.ones((1, p)),
            gradient_log_scale=np.zeros(1),
            rule_series={name: np.zeros(1) for name in self.rule_series},
        )

    def compute(self, rows: Rows) -> dict[str, Array]:
        """Every series at every record of `rows`, (T, …) each."""
        theta = rows.theta
        rho = L2().norm(theta)
        risk = self.loss.log_risk(rows.outputs, self.y, self.reduction)
        with np.errstate(divide="ignore"):
            gradient = np.log(L2().norm(rows.gradient)) + rows.gradient_log_scale
        values: dict[str, Array] = {
            "step": rows.step.copy(),
            "time": rows.time.copy(),
            "log_risk": risk,
            "rho": rho,
            "grad_norm_log": gradient,
            "alignment": alignment(theta, rows.gradient),
            "path_length": rows.path_length.copy(),
            "layer_norm": layer_norms(theta, self.structure),
        }
        for name in self.rule_series:
            values[name] = rows.rule_series[name].copy()
        if self.classifies:
            self._margins(values, rows)
        if self.layers is not None:
            values.update(self.layers.compute(theta, values.get("margin_multi")))
        if self.structure.neurons is not None:
            self._neurons(values, theta)
        if self.keep_theta and self.structure.size <= WIDE_THETA:
            values["theta"] = theta.copy()
        for series in self.own:
            values[series.name] = series.compute(rows)
        return values

    def kept(self, values: dict[str, Array]) -> dict[str, Array]:
        """Those that go to the file."""
        if self.only is None:
            return values
        return {name: array for name, array in values.items() if name in self.only}

    def _margins(self, values: dict[str, Array], rows: Rows) -> None:
        """Margins of every kind the run has."""
        q = sample_margins(rows.outputs, self.y)
        q_min = q.min(axis=-1)
        values["q_min"] = q_min
        values["accuracy"] = accuracy(rows.outputs, self.y)
        if self.order is not None:
            rho = values["rho"]
            normalized = margin_normalized(q, rho, self.order)
            values["margin_normalized"] = normalized.min(axis=-1)
            if isinstance(self.loss, MarginLoss):
                extra = np.log(self.y.shape[0]) if self.reduction == "mean" else 0.0
                values["margin_smoothed"] = margin_smoothed(
                    values["log_risk"] + extra, rho, self.order, self.loss
                )
            values["margins"] = normalized[:, self.samples]
            if q.shape[1] > WIDE_SAMPLES:
                values["margins_quantiles"] = np.quantile(normalized, QUANTILES, axis=1).T
        else:
            values["margins_median_normalized"] = margins_median_normalized(q)[:, self.samples]
            if self.unit is not None:
                values["margin_normalized"] = self.unit.compute(rows.theta)
        if self.layer_orders is not None:
            values["margin_multi"] = margin_multi(q_min, values["layer_norm"], self.layer_orders)

    def _neurons(self, values: dict[str, Array], theta: Float[np.ndarray, "T P"]) -> None:
        """Norms, angles and directions of the neurons that are kept."""
        values["neuron_norm"] = neuron_norms(theta, self.structure)[:, self.neurons]
        if self.structure.incoming(theta).shape[-1] == 2:
            values["neuron_angle"] = neuron_angles(theta, self.structure)[:, self.neurons]
        directions = neuron_directions(theta, self.structure)
        values["neuron_direction"] = directions[:, self.direction_neurons]


def _spread(count: int, most: int) -> Int[np.ndarray, " k"]:
    """All of range(count), or `most` of them spread evenly."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)
