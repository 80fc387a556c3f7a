"""γ^ at every record of a run with the exponential loss (LL20 Appendices E.1, E.2).

t_0 is where the risk falls below e^{−ℓ_0} with the least ℓ_0 that one form of κ allows, so that a record's
value depends on its own risk and norm alone, and lies as near to γ~ as it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from workbench.arrays import Array
from workbench.losses.exponential import Exponential
from workbench.measures.margin_discrete import DiscreteMargin
from workbench.measures.panel import Measure, Records, SeriesSpec

LEAST_HEIGHT = 1.0
"""ℓ_0 for orders up to 2; above it is 2 − 2/L."""

_SERIES = (
    SeriesSpec(
        "margin_discrete",
        (),
        "1",
        "margin γ^ = e^{φ(𝓛)} / ρ^L, which descent with small steps never lowers, NaN before log 1/𝓛 = "
        "max(1, 2 − 2/L)",
        "LL20 App. E.1, E.2",
    ),
)


def _margin_discrete(records: Records) -> Mapping[str, Array]:
    panel, order = records.panel, records.panel.order
    applies = (
        panel.classifies
        and isinstance(panel.loss, Exponential)
        and order is not None
        and order >= 1
    )
    if not applies or order is None:
        return {}
    log_risk = records.log_risk + panel.log_n
    return {"margin_discrete": _of_order(order).margin(log_risk, records.rho)}


@lru_cache
def _of_order(order: float) -> DiscreteMargin:
    """γ^ with the least ℓ_0."""
    return DiscreteMargin(order, max(LEAST_HEIGHT, 2.0 - 2.0 / order))


MARGIN_DISCRETE = Measure(_SERIES, _margin_discrete)
