"""How far θ is from the saddles it passes, under the risk (KH24 Fig. 4a)."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Array
from workbench.config.init import InlineInit
from workbench.errors import BadInput
from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.residual import run_structure
from workbench.figures.risk import curves as risk_curves
from workbench.figures.series import Along, RunSeries
from workbench.models.start import first_theta
from workbench.protocol.events import SaddleFound
from workbench.record.schema import STEP

DISTANCE = r"$\|\theta-\theta_{\mathrm{saddle}}\|$"


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """The risk; below, the distance to the point that the start is noise around, else to θ where the watch
    told a saddle, the first few of them.

    Raises:
        BadInput: there is no such point, or no θ is stored at two records.
    """
    saddles = _saddles(series)
    if not saddles:
        raise BadInput(
            f"figure 'distance' cannot be drawn: run '{series.name}' began as noise around no point, and at "
            "no saddle it told is θ stored."
        )
    along, theta = _states(series, options)
    lines = [
        Curve(along.x, np.linalg.norm(theta - point, axis=1), name, dashes)
        for (name, point), dashes in zip(saddles, DASHES, strict=False)
    ]
    return [*risk_curves(series, options), Panel(DISTANCE, tuple(lines), log=True, named=True)]


def _saddles(series: RunSeries) -> list[tuple[str, Array]]:
    """(name, θ) of each."""
    start = series.run.config.init
    structure = run_structure(series)
    if isinstance(start, InlineInit) and start.noise and structure is not None:
        point = first_theta(start.model_copy(update={"noise": 0.0}), structure)
        return [("the start without its noise", point)]
    told = dict.fromkeys(e.step for e in series.reader.events() if e.kind == SaddleFound.kind)
    stored = set(series.run.steps.tolist())
    return [
        (f"the saddle of step {step:,}", series.run.theta(step)) for step in told if step in stored
    ]


def _states(series: RunSeries, options: FigureOptions) -> tuple[Along, Array]:
    """Records of which θ is known, and θ (K, P): as recorded, else of the checkpoints."""
    along = series.along(options, thin=True)
    if series.has("theta"):
        return along, along.read("theta").astype(np.float64)
    whole = series.along(options)
    steps = series.scalar(STEP)[whole.rows]
    kept = np.flatnonzero(np.isin(steps, series.run.checkpoints))
    if len(kept) < 2:
        raise BadInput(
            f"figure 'distance' cannot be drawn: run '{series.name}' stored θ at fewer than two records."
        )
    theta = np.stack([series.run.theta(int(step)) for step in steps[kept]])
    return Along(series, whole.x[kept], whole.rows[kept]), theta
