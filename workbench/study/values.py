"""One value a member, out of a study's data set: an outcome that figures colour by, fit and count."""

from __future__ import annotations

import numpy as np
from xarray import DataArray, Dataset

from workbench.errors import BadInput, clean_text, unknown

SADDLE = "saddle"
"""The axis of a member's saddles, numbered from 1."""
MEMBER = "member"
"""Member numbers over the grid: its dimensions are the grid's."""
ENDED = ("finished", "stalled")
UNFINISHED = ("waiting", "running", "lost", "missing")


def grid_dims(dataset: Dataset) -> tuple[str, ...]:
    """The dimensions of the grid, in its order."""
    return tuple(str(dim) for dim in dataset[MEMBER].dims)


def outcome_names(dataset: Dataset) -> list[str]:
    """Names of all that has one value a member, a value a saddle included."""
    grid = set(grid_dims(dataset))
    return [
        str(name) for name, array in dataset.data_vars.items() if set(array.dims) - {SADDLE} == grid
    ]


def values_of(dataset: Dataset, name: str, saddle: int = 1, where: str = "") -> DataArray:
    """One value a member over the grid's dimensions: NaN or '' where there is none.

    Args:
        dataset: what `study_dataset` gives, or a part of it.
        name: a variable with a value a member, or a value a saddle: then that of saddle number `saddle`.
        saddle: from 1.
        where: named in a refusal.

    Raises:
        BadInput: no such outcome, or no member of the study has met so many saddles.
    """
    names = outcome_names(dataset)
    if name not in names:
        if name in dataset.data_vars:
            others = [str(d) for d in dataset[name].dims if d not in (*grid_dims(dataset), SADDLE)]
            raise BadInput(
                f"'{clean_text(name, 80)}' is no single value a member, as it has values along "
                f"{', '.join(others)}; allowed: {', '.join(sorted(names))}."
            )
        raise unknown("outcome", name, names, where)
    array = dataset[name]
    if SADDLE not in array.dims:
        return array.load()
    met = array.sizes[SADDLE]
    if not 1 <= saddle <= met:
        most = f"the most that a member met are {met}" if met else "no member has met a saddle"
        raise BadInput(f"there is no saddle number {saddle}: {most}.")
    return array.isel({SADDLE: saddle - 1}, drop=True).load()


def is_text(values: DataArray) -> bool:
    """Whether these are words, not numbers."""
    return values.dtype.kind in "OUST"


def status_of_members(dataset: Dataset) -> np.ndarray:
    """Words over the grid: finished, stalled, diverged, failed, running, waiting, lost, missing."""
    status: np.ndarray = dataset["status"].values
    return status
