"""θ's direction: its angle to the gradient, and how far it has travelled (JT20)."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.arrays import Array
from workbench.measures.panel import Measure, Records, SeriesSpec

_SERIES = (
    SeriesSpec("alignment", (), "1", "cosine between θ and the negative gradient", "JT20 Thm 4.1"),
    SeriesSpec(
        "path_length",
        (),
        "1",
        "length of θ/‖θ‖'s path as a polygon over all steps, Σ_k ‖θ^_{k+1} − θ^_k‖ ≤ ζ = ∫ ‖dθ^/ds‖ ds",
        "JT20 Thm 3.1",
    ),
)


def _direction(records: Records) -> Mapping[str, Array]:
    rows = records.rows
    return {
        "alignment": records.alignment,
        "path_length": rows.path_length.copy(),
    }


DIRECTION = Measure(_SERIES, _direction)
