"""Which series a run has, and their values: from a step program's rows to named arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.losses.loss import Loss, Reduction
from workbench.measures.directions import cosine, divided
from workbench.measures.held_out import HeldOut
from workbench.measures.kernel_predictor import KernelPredictor
from workbench.measures.layers import LayerMeasures
from workbench.measures.margins import margin_normalized, sample_margins
from workbench.measures.norms import layer_norms
from workbench.measures.own import OwnSeries
from workbench.measures.rows import Rows
from workbench.measures.sharpness import Sharpness, Stability
from workbench.measures.unit_margin import UnitMargin
from workbench.models.structure import Structure
from workbench.norms.l2 import L2
from workbench.norms.norm import Norm

WIDE_SAMPLES = 4_096
WIDE_NEURONS = 4_096
WIDE_DIRECTIONS = 256
WIDE_DIRECTION_NUMBERS = 16_384
WIDE_THETA = 4_096
BLOCK_BYTES = 2 * 2**20
"""Of the rows that are measured at once: what measures make of them stays in the processor's cache."""


@dataclass(frozen=True)
class SeriesSpec:
    """One recorded quantity.

    `dims` names the axes after the first, which is always `step`; an empty tuple is a scalar
    series of shape (T,). `units` is `1` for pure numbers; `source` cites the paper and equation.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    source: str
    dtype: str = "f8"


@dataclass(frozen=True)
class Measure:
    """Series that belong together: what they are called, and their values at the records of a run.

    `compute` gives the arrays by name, (T, …) each; a series that does not apply to the run is left out, of
    every record alike. The last bit of a row depends on that row alone.
    """

    series: tuple[SeriesSpec, ...]
    compute: Callable[[Records], Mapping[str, Array]]


@dataclass(frozen=True)
class Panel:
    """The measures of one run, and what they need to know of it.

    `measures` are the workbench's own, in the order of the file, `own` those of the user. `order` is L (None:
    not homogeneous, then margins are normalized by their median, and `unit` measures the smallest at θ/ρ
    where that is cheap), `layer_orders` k_1..k_m. Margins and accuracy apply to labels ±1 or classes only;
    `classifies` says so. `random`: every pass of the network draws numbers, as dropout does. `rule_series`
    names the series that the step rule itself hands over, `layers` measures how the layers align. `only`:
    the series of a file that is gone on with, None for all: a file keeps the series it began with. `held`
    has the held-out samples, None without any. `norms`: those besides ℓ2 that margins are measured in, by
    name. `sharpness` has the risk's Hessian, None where it is not asked for, and `stability` what steps are
    stable below, None for rules that no such bound is known of. `weight_decay`: λ of the term (λ/2)‖θ‖² that
    steps descend beside the risk. `kernel` has the tangent kernel's predictor, None where it is not
    asked for.
    """

    measures: tuple[Measure, ...]
    structure: Structure
    y: Float[np.ndarray, "n ..."]
    d: int
    loss: Loss
    reduction: Reduction
    classifies: bool
    outputs: int = 1
    order: float | None = None
    layer_orders: tuple[float, ...] | None = None
    random: bool = False
    keep_theta: bool = True
    rule_series: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    layers: LayerMeasures | None = None
    own: tuple[OwnSeries, ...] = ()
    unit: UnitMargin | None = None
    held: HeldOut | None = None
    norms: Mapping[str, Norm] = field(default_factory=dict)
    sharpness: Sharpness | None = None
    stability: Stability | None = None
    weight_decay: float = 0.0
    kernel: KernelPredictor | None = None

    @property
    def log_n(self) -> float:
        """What makes the logarithm of the run's risk that of the summed one: log n where it averages."""
        return float(np.log(self.y.shape[0])) if self.reduction == "mean" else 0.0

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
        brief = self if self.held is None else replace(self, held=self.held.first)
        values = brief.compute(self.probe())
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
        count = max(1, BLOCK_BYTES // rows.bytes_a_record)
        if len(rows) <= count:
            return self._measured(rows)
        whole: dict[str, Array] = {}
        for start in range(0, len(rows), count):
            # At once to its place, so that the next block finds this one's memory.
            for name, part in self._measured(rows.part(start, start + count)).items():
                if start == 0:
                    whole[name] = np.empty((len(rows), *part.shape[1:]), part.dtype)
                whole[name][start : start + count] = part
        return whole

    def _measured(self, rows: Rows) -> dict[str, Array]:
        records = Records(self, rows)
        values: dict[str, Array] = {}
        for measure in self.measures:
            values.update(measure.compute(records))
        for series in self.own:
            values[series.name] = series.compute(rows)
        return values

    def kept(self, values: dict[str, Array]) -> dict[str, Array]:
        """Those that go to the file."""
        if self.only is None:
            return values
        return {name: array for name, array in values.items() if name in self.only}


@dataclass(frozen=True)
class Records:
    """T records of a run as measures see them: its `panel`, the `rows`, and what several measures start
    from, computed once."""

    panel: Panel
    rows: Rows

    @cached_property
    def rho(self) -> Float[np.ndarray, " T"]:
        """ρ = ‖θ‖."""
        return L2().norm(self.rows.theta)

    @cached_property
    def grad_norm(self) -> Float[np.ndarray, " T"]:
        """‖∇𝓛‖ without its scale."""
        return L2().norm(self.rows.gradient)

    @cached_property
    def directions(self) -> tuple[Float[np.ndarray, "T P"], Float[np.ndarray, "T P"]]:
        """θ/‖θ‖ and ∇𝓛/‖∇𝓛‖; zero stays zero."""
        return divided(self.rows.theta, self.rho), divided(self.rows.gradient, self.grad_norm)

    @cached_property
    def alignment(self) -> Float[np.ndarray, " T"]:
        """cos(θ, −∇𝓛)."""
        return cosine(self.directions, (self.rho, self.grad_norm))

    @cached_property
    def log_risk(self) -> Float[np.ndarray, " T"]:
        """log 𝓛 with the run's reduction."""
        panel = self.panel
        return panel.loss.log_risk(self.rows.outputs, panel.y, panel.reduction)

    @cached_property
    def grad_norm_log(self) -> Float[np.ndarray, " T"]:
        """log ‖∇𝓛‖ of that risk."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.grad_norm) + self.rows.gradient_log_scale)

    @cached_property
    def layer_norm(self) -> Float[np.ndarray, "T m"]:
        """ρ_k of every layer."""
        return layer_norms(self.rows.theta, self.panel.structure)

    @cached_property
    def test_outputs(self) -> tuple[Float[np.ndarray, "m ..."], ...] | None:
        """Φ of the held-out samples at every record; None without any."""
        rows, held = self.rows, self.panel.held
        if held is None:
            return None
        memory = rows.memory if len(rows.memory) else ({},) * len(rows)
        return tuple(held.outputs(rows.theta[row], memory[row]) for row in range(len(rows)))

    @cached_property
    def q(self) -> Float[np.ndarray, "T n"]:
        """The samples' margins, where the run classifies."""
        return sample_margins(self.rows.outputs, self.panel.y)

    @cached_property
    def q_min(self) -> Float[np.ndarray, " T"]:
        """The smallest of them."""
        return np.asarray(self.q.min(axis=-1))

    @cached_property
    def q_normalized(self) -> Float[np.ndarray, "T n"] | None:
        """q_i/ρ^L, None without an order."""
        order = self.panel.order
        return None if order is None else margin_normalized(self.q, self.rho, order)


def _spread(count: int, most: int) -> Int[np.ndarray, " k"]:
    """All of range(count), or `most` of them spread evenly."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)
