"""How far the predictor has come from the kernel's: lazy training, and when it ends (Lyu et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array
from workbench.measures.panel import Measure, Records, SeriesSpec

DISTANCE = SeriesSpec(
    "kernel_distance",
    (),
    "1",
    "distance of the outputs from those of the tangent kernel's predictor of the start, on held-out samples "
    "where there are any: ‖Φ − f‖/‖f‖ of the square loss, of ±1 labels that of Φ/‖Φ‖ and f/‖f‖",
    "Lyu et al. 2024, §3; JT20 §5",
)


def _kernel_distance(records: Records) -> Mapping[str, Array]:
    kernel = records.panel.kernel
    if kernel is None:
        return {}
    outputs = records.rows.outputs if kernel.of_training else records.test_outputs
    if outputs is None:
        return {}
    return {DISTANCE.name: np.array([kernel.distance(row) for row in outputs])}


KERNEL_DISTANCE = Measure((DISTANCE,), _kernel_distance)
