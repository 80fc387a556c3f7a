"""The term that weight decay adds to the risk, as a series of its own: the risk stays that of the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array
from workbench.measures.panel import Measure, Records, SeriesSpec

DECAY_LOG = SeriesSpec(
    "decay_log",
    (),
    "1",
    "natural logarithm of (λ/2)ρ², the term of weight decay λ that is descended beside the risk",
    "train.weight_decay",
)


def _weight_decay(records: Records) -> Mapping[str, Array]:
    if not records.panel.weight_decay:
        return {}
    with np.errstate(divide="ignore"):
        found = np.log(0.5 * records.panel.weight_decay) + 2.0 * np.log(records.rho)
    return {DECAY_LOG.name: np.asarray(found)}


WEIGHT_DECAY = Measure((DECAY_LOG,), _weight_decay)
