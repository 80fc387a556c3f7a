"""All parameters, where they are few."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.arrays import Array
from workbench.measures.panel import WIDE_THETA, Measure, Records, SeriesSpec

_SERIES = (SeriesSpec("theta", ("parameter",), "1", "all parameters θ, flattened", "KH24 §2"),)


def _theta(records: Records) -> Mapping[str, Array]:
    panel = records.panel
    if not panel.keep_theta or panel.structure.size > WIDE_THETA:
        return {}
    return {"theta": records.rows.theta.copy()}


THETA = Measure(_SERIES, _theta)
