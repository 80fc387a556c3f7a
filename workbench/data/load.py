"""From the [data] table to a Dataset."""

from __future__ import annotations

import numpy as np

from workbench.config_data import (
    CircleData,
    CsvData,
    DataConfig,
    DigitsData,
    GaussianData,
    InlineData,
    NpzData,
)
from workbench.data.dataset import Dataset, checked_dataset
from workbench.data.digits import digits
from workbench.data.files import load_csv, load_hdf5, load_npz
from workbench.data.synthetic import circle, gaussian_separable
from workbench.errors import BadInput


def load_dataset(config: DataConfig) -> Dataset:
    """The dataset a configuration names; raises BadInput when it cannot be had."""
    if isinstance(config, CircleData):
        return circle(config.n, config.offset)
    if isinstance(config, GaussianData):
        return gaussian_separable(config.n, config.d, config.margin, config.seed)
    if isinstance(config, DigitsData):
        return digits(config.classes, config.n, config.seed)
    if isinstance(config, CsvData):
        return load_csv(config)
    if isinstance(config, NpzData):
        return load_npz(config)
    if isinstance(config, InlineData):
        return _inline(config)
    return load_hdf5(config)


def _inline(config: InlineData) -> Dataset:
    widths = {len(row) for row in config.x}
    if len(widths) != 1:
        raise BadInput(f"data.x: rows have {sorted(widths)} numbers; all need the same count.")
    return checked_dataset(np.array(config.x), np.array(config.y), "data.x and data.y")
