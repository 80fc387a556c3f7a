"""The network of a run and the θ's it stored, for figures that evaluate it anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.data.dataset import Dataset
from workbench.errors import BadInput
from workbench.figures.series import RunSeries
from workbench.losses.registry import loss_of
from workbench.record.checkpoint import list_checkpoints, load_checkpoint
from workbench.record.schema import STEP

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A run's configuration, samples and network, its weights not set; `steps` at which θ is stored."""

    config: RunConfig
    data: Dataset
    network: nn.Module
    steps: Int[np.ndarray, " K"]
    series: RunSeries

    def theta(self, step: int) -> Float[np.ndarray, " P"]:
        """θ at one of the steps: from its checkpoint, else from the recorded series."""
        reader = self.series.reader
        for found, path in list_checkpoints(reader.folder):
            if found == step:
                return np.asarray(load_checkpoint(path).arrays["theta"], dtype=np.float64)
        row = int(np.flatnonzero(np.asarray(reader.read(STEP)) == step)[0])
        return np.asarray(reader.read("theta", slice(row, row + 1)))[0]


def stored_network(series: RunSeries, figure: str) -> StoredNetwork:
    """What `figure` evaluates; no user code is imported.

    Raises:
        BadInput: the network is a class of the user's, or the run holds no samples or no θ.
    """
    from workbench.models.build import build_model

    config = parse_config(series.config, f"the configuration of run '{series.name}'")
    reader = series.reader
    why = ""
    if config.model.kind == "torch":
        why = "its network is a class of your own, and figures import none"
    elif reader.x is None or reader.y is None:
        why = "it holds no samples"
    steps: list[Array] = [np.array([s for s, _ in list_checkpoints(reader.folder)], dtype=np.int64)]
    if series.has("theta"):
        steps.append(np.asarray(reader.read(STEP), dtype=np.int64))
    found = np.unique(np.concatenate(steps))
    if not why and not found.size:
        why = "it has no state stored"
    if why:
        raise BadInput(f"figure '{figure}' cannot be drawn: of run '{series.name}', {why}.")
    x, y = np.asarray(reader.x, dtype=np.float64), np.asarray(reader.y, dtype=np.float64)
    data = Dataset(x, y, "data")
    outputs = loss_of(config.loss.kind).outputs(y)
    network = build_model(config.model, x.shape[1:], outputs, config.init.seed)
    return StoredNetwork(config, data, network, found.astype(np.int64), series)
