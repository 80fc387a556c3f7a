"""A study as one data set whose dimensions are the grid's keys: for notebooks, exports and figures.

```python
study = workbench.open_study("runs/20260101-120000-escape-1a2b")
study.saddle_escape_step.sel(saddle=1).median("init.seed")
```

A dimension is called as its key is in a configuration, dots included; keys that go together share the first
one's dimension and are coordinates along it. What has many numbers a member (series, θ, directions) is read
from the shards when it is looked at, and only that part; numbers and texts of one a member are in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from xarray import Dataset, Variable
from xarray.core.indexing import LazilyIndexedArray

from workbench import __version__
from workbench.arrays import Array
from workbench.config.study import study_to_toml
from workbench.study.columns import SADDLE_PREFIX, spec_of, tail_dims
from workbench.study.gathered import Gathered
from workbench.study.grid import Dimension
from workbench.study.stored import StoredStudy
from workbench.study.values import SADDLE

STEP = "step"


def open_study(path: Path | str) -> Dataset:
    """The data set of the study in a folder.

    Raises:
        BadInput: the folder holds no study.
        StorageError: its plan cannot be read.
    """
    return study_dataset(StoredStudy(Path(path)))


def study_dataset(study: StoredStudy) -> Dataset:
    """A study as far as it has come, over the grid's dimensions, further axes after them.

    `member` (its number), `status`, `reason`, `last_step`, `seconds`; each kept series by its name along
    `step`, and `last_…` where the member is or ended; `saddle_count`, and `saddle_…` along `saddle`, numbered
    from 1 and as long as the most that a member met; `end_…`; `theta` along `parameter`. What is missing is
    NaN or "". The attribute `left_out` says what has no place in it. A shard that is damaged leaves its
    members missing, with the sentence as their reason.
    """
    found = Gathered(study)
    grid = tuple(dimension.name for dimension in study.grid.dimensions)
    dataset = Dataset(coords=_coordinates(study.grid.dimensions))
    for name, array in found.columns.items():
        dataset[name] = _variable(name, grid, array)
    if found.most_saddles:
        numbers = np.arange(1, found.most_saddles + 1)
        said = {"units": "1", "long_name": "which of a member's saddles, from the first"}
        dataset.coords[SADDLE] = Variable((SADDLE,), numbers, said)
    for name, array in found.saddles.items():
        dataset[name] = _variable(name, (*grid, SADDLE), array)
    if len(found.step):
        dataset.coords[STEP] = _variable(STEP, (STEP,), found.step)
    for name, values in found.lazy().items():
        own = _own_dims(name, values.ndim - len(grid), name in found.series)
        lengths = dict(zip(own, values.shape[len(grid) :], strict=True))
        # Axes of one name may differ in length where members have other shapes.
        own = tuple(
            dim if dataset.sizes.get(dim, length) == length else f"{name}_{dim}"
            for dim, length in lengths.items()
        )
        dataset[name] = _variable(name, (*grid, *own), LazilyIndexedArray(values))
    dataset.attrs.update(_about(study, found))
    return dataset


def _variable(name: str, dims: tuple[str, ...], values: Any) -> Variable:
    spec = spec_of(name)
    said = {"long_name": spec.long_name, "source": spec.source}
    return Variable(dims, values, {"units": spec.units, **said} if spec.units else said)


def _own_dims(name: str, count: int, series: bool) -> tuple[str, ...]:
    """The axes that a quantity has beside the grid's."""
    if series:
        return (STEP, *tail_dims(name, count - 1))
    if name.startswith(SADDLE_PREFIX):
        return (SADDLE, *tail_dims(name, count - 1))
    return tail_dims(name, count)


def _coordinates(dimensions: Iterable[Dimension]) -> dict[str, Variable]:
    found = {}
    for dimension in dimensions:
        for k, key in enumerate(dimension.keys):
            values = coordinate([choice[k] for choice in dimension.values])
            found[key] = Variable((dimension.name,), values, {"long_name": key})
    return found


def coordinate(values: Sequence[Any]) -> Array:
    """Choices of a key as an array: numbers, truth values, else texts; lists and tables as JSON."""
    kinds = {type(value) for value in values}
    if kinds == {bool} or kinds <= {int, float}:
        return np.array(values)
    return np.array([text_of(value) for value in values], dtype=object)


def text_of(choice: Any) -> str:
    """A choice as it stands among texts."""
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)


def _about(study: StoredStudy, found: Gathered) -> dict[str, Any]:
    about: dict[str, Any] = {
        "study_id": study.study_id,
        "name": study.name,
        "members": study.count,
        "configuration": study_to_toml(study.config),
        "workbench": __version__,
    }
    if found.left_out:
        about["left_out"] = " ".join(found.left_out)
    return about
