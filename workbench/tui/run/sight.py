"""What part of the charts is in sight, chosen by keys and mouse: ranges of y, and means over records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from workbench.tui.widgets.chart import ChartModel, Curve
from workbench.tui.widgets.scale import Floats, Kind

MEANS = (0, 9, 33, 129)
"""Records about a record whose mean is drawn; 0: the values as they are."""
ZOOM = 2.0
PAN = 0.25
"""Of what is in sight, how much a key moves it."""


@dataclass
class Sight:
    """`y`: chosen ranges of y by chart and title, as a place shows several charts in turn. `mean`: records
    whose mean is drawn, 0 for none."""

    y: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    mean: int = 0

    def next_mean(self) -> int:
        """Values as they are, and means over more and more records, in turn."""
        self.mean = MEANS[(MEANS.index(self.mean) + 1) % len(MEANS)]
        return self.mean

    def seen(self, name: str, model: ChartModel) -> ChartModel:
        """A chart as it was chosen to be looked at; its title says so."""
        wanted = self.y.get((name, model.title))
        said = f"{model.title}  y zoomed" if wanted is not None else model.title
        if self.mean and model.curves and model.y_kind is not Kind.ANGLE:
            model = replace(model, curves=averaged(model.curves, self.mean))
            said += f"  mean of {self.mean}"
        return replace(model, title=said, y_range=wanted or model.y_range)


def averaged(curves: tuple[Curve, ...], records: int) -> tuple[Curve, ...]:
    """Every line as the mean over `records` records about each, its own values faint behind it."""
    raw = tuple(replace(c, color="faint", label="") for c in curves)
    means = tuple(replace(c, y=running_mean(c.y, records)) for c in curves)
    return raw + means


def running_mean(y: Floats, records: int) -> Floats:
    """(K,) the mean of the finite values among the `records` (odd) nearest, fewer at the ends; NaN where
    there are none, and where y itself is not finite."""
    # Slow to load, and wanted by nobody before means are asked for.
    from scipy.ndimage import uniform_filter1d

    if not y.size:
        return y
    there = np.isfinite(y)
    # Sums of two running means: what lies beyond the ends, and what is not finite, weighs nothing.
    total = uniform_filter1d(np.where(there, y, 0.0), records, mode="constant")
    weight = uniform_filter1d(there.astype(np.float64), records, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, total / weight, np.nan)
