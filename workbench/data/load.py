"""From the [data] table to a Dataset."""

from __future__ import annotations

import numpy as np

from workbench.config.data import (
    Cifar10Data,
    CircleData,
    CsvData,
    DataConfig,
    DigitsData,
    GaussianData,
    InlineData,
    LinearTeacherData,
    MnistData,
    NpzData,
    OwnData,
    PlanarData,
    SplitData,
    TwoCirclesData,
)
from workbench.data.cifar10 import cifar10
from workbench.data.dataset import Dataset, checked_dataset
from workbench.data.digits import digits
from workbench.data.files import load_csv, load_hdf5, load_npz
from workbench.data.held_out import split_off, with_held_out
from workbench.data.jt20_planar import jt20_planar
from workbench.data.linear_teacher import linear_teacher
from workbench.data.mnist import mnist
from workbench.data.own import own_dataset
from workbench.data.reconstructing import reconstructing
from workbench.data.synthetic import circle, gaussian_separable
from workbench.data.two_circles import two_circles
from workbench.errors import BadInput


def load_dataset(config: DataConfig) -> Dataset:
    """The dataset a configuration names, with its held-out part; raises BadInput when it cannot be had."""
    data = _labelled(config)
    return reconstructing(data) if config.targets == "inputs" else data


def _labelled(config: DataConfig) -> Dataset:
    """The samples with their labels, and the held-out ones with theirs."""
    data, test = _loaded(config), config.test
    if test is None:
        return data
    if isinstance(test, SplitData):
        return split_off(data, test.split, test.seed)
    try:
        held_out = _loaded(test)
    except BadInput as error:
        raise BadInput(f"data.test: {error}") from error
    return with_held_out(data, held_out)


def require_repeatable(config: DataConfig, dataset: Dataset) -> None:
    """Refuse classes of the user's that give other samples when they are asked again; raises BadInput."""
    for first, again in zip(_parts(dataset), _parts(load_dataset(config)), strict=True):
        if not (np.array_equal(again.x, first.x) and np.array_equal(again.y, first.y)):
            raise BadInput(
                f"{first.name} gives other samples every time it is asked, and every process of a study "
                "asks; draw them from a generator with a seed of data.arguments."
            )


def _parts(dataset: Dataset) -> tuple[Dataset, ...]:
    return (dataset,) if dataset.test is None else (dataset, dataset.test)


def _loaded(config: DataConfig) -> Dataset:
    """The samples of one table."""
    match config:
        case CircleData():
            return circle(config.n, config.offset)
        case GaussianData():
            return gaussian_separable(
                config.n, config.d, config.margin, config.seed, config.relevant
            )
        case TwoCirclesData():
            return two_circles(config.n, config.radius, config.distance, config.angle)
        case PlanarData():
            return jt20_planar(config.n, config.margin, config.width, config.seed)
        case LinearTeacherData():
            return linear_teacher(
                config.n, config.d, config.outputs, config.singular_values, config.seed
            )
        case DigitsData():
            return digits(config.classes, config.n, config.seed)
        case MnistData():
            return mnist(config)
        case Cifar10Data():
            return cifar10(config)
        case CsvData():
            return load_csv(config)
        case NpzData():
            return load_npz(config)
        case InlineData():
            return _inline(config)
        case OwnData():
            return own_dataset(config)
    return load_hdf5(config)


def _inline(config: InlineData) -> Dataset:
    targets = [row for row in config.y if isinstance(row, tuple)]
    for key, rows in (("data.x", config.x), ("data.y", targets)):
        widths = {len(row) for row in rows}
        if len(widths) > 1 or (key == "data.x" and not widths):
            raise BadInput(f"{key}: rows have {sorted(widths)} numbers; all need the same count.")
    return checked_dataset(np.array(config.x), np.array(config.y), "data.x and data.y")
