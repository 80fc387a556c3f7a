"""The network of a run, for figures that evaluate it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import BadInput
from workbench.figures.series import RunSeries

if TYPE_CHECKING:
    from workbench.run.network import ConfiguredNetwork


def network_for(series: RunSeries, figure: str) -> ConfiguredNetwork:
    """The network that `figure` evaluates, its weights not set; no user code is imported.

    Raises:
        BadInput: the network or the loss is a class of the user's, or the run holds no samples or no θ.
    """
    run, why = series.run, ""
    if run.config.own_code:
        why = "its network or loss is a class of your own, and figures import none"
    elif run.reader.x is None or run.reader.y is None:
        why = "it holds no samples"
    elif not run.steps.size:
        why = "it has no state stored"
    if why:
        raise BadInput(f"figure '{figure}' cannot be drawn: of run '{series.name}', {why}.")
    return run.network()
