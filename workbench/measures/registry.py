"""Every measure of the workbench, in the order in which a file lists its series."""

from __future__ import annotations

from workbench.measures.panel import Measure
from workbench.measures.series.direction import DIRECTION
from workbench.measures.series.held_out import HELD_OUT
from workbench.measures.series.kernel_distance import KERNEL_DISTANCE
from workbench.measures.series.layers import LAYERS
from workbench.measures.series.margin_discrete import MARGIN_DISCRETE
from workbench.measures.series.margin_kkt import MARGIN_KKT
from workbench.measures.series.margin_norms import MARGIN_NORMS
from workbench.measures.series.margins import EVERY, SMALLEST
from workbench.measures.series.neurons import NEURONS
from workbench.measures.series.sharpness import SHARPNESS
from workbench.measures.series.state import STATE, STEP_SIZE
from workbench.measures.series.theta import THETA
from workbench.measures.series.weight_decay import WEIGHT_DECAY

MEASURES: tuple[Measure, ...] = (
    STATE,
    SMALLEST,
    DIRECTION,
    EVERY,
    NEURONS,
    LAYERS,
    MARGIN_KKT,
    MARGIN_DISCRETE,
    MARGIN_NORMS,
    HELD_OUT,
    KERNEL_DISTANCE,
    SHARPNESS,
    WEIGHT_DECAY,
    THETA,
    STEP_SIZE,
)
