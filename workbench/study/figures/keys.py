"""The grid's keys on a page: which ones a figure is over, what their values and names read as."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from xarray import Dataset

from workbench.errors import BadInput, clean_text, unknown
from workbench.study.values import grid_dims


def keys_of(dataset: Dataset) -> list[str]:
    """The grid's keys, those that go together with a dimension's first one included."""
    dims = grid_dims(dataset)
    return [
        str(name)
        for name in dataset.coords
        if dataset[name].ndim == 1 and dataset[name].dims[0] in dims
    ]


def is_seed(key: str) -> bool:
    """Whether members along this key are draws of the same: what figures take together unasked."""
    return key.rsplit(".", 1)[-1] == "seed"


def dims_over(
    dataset: Dataset, keys: Sequence[str], figure: str, *, default: int, most: int, few: int = 0
) -> list[tuple[str, str]]:
    """(key, its dimension) of the keys asked for, else of the first `default` with choices that are no seed.

    `few`: unasked, no key with more choices than this; 0: any.

    Raises:
        BadInput: no such key in the grid, more keys than `most`, two of one dimension.
    """
    dims = grid_dims(dataset)
    if not keys:
        sizes = dataset.sizes
        free = [d for d in dims if not is_seed(d) and 1 < sizes[d] <= (few or sizes[d])]
        return [(d, d) for d in free[:default]]
    if len(keys) > most:
        shown = clean_text(", ".join(keys), 120)
        raise BadInput(
            f"figure '{figure}' is drawn over {most} keys at most, and --over names {shown}."
        )
    known = keys_of(dataset)
    found: list[tuple[str, str]] = []
    for key in keys:
        if key not in known:
            raise unknown("key", key, known, "--over")
        dim = str(dataset[key].dims[0])
        if dim in [other for _, other in found]:
            raise BadInput(
                f"--over '{clean_text(key, 60)}' and '{clean_text(found[0][0], 60)}' go together; "
                "name keys of two dimensions."
            )
        found.append((key, dim))
    return found


def plain(text: str, limit: int = 60) -> str:
    """Words from a file as matplotlib shows them: control characters dropped, no formula begun."""
    return clean_text(text, limit).replace("$", r"\$")


def value_text(value: Any) -> str:
    """A value as a tick, a legend or a cell says it: very small and large numbers as powers of ten, words as
    they are."""
    if isinstance(value, str):
        return plain(value, 24)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    number = float(value)
    if not math.isfinite(number):
        return "–"
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number):,}".replace("-", "−")
    if 1e-2 <= abs(number) < 1e6:
        return f"{number:,.4g}".replace("-", "−") if abs(number) < 1e4 else f"{number:,.0f}"
    return _power(number)


def _power(number: float) -> str:
    """As a × 10^k."""
    mantissa, exponent = f"{number:.3e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = rf"10^{{{int(exponent)}}}"
    if mantissa in ("1", "-1"):
        return f"${mantissa[:-1]}{power}$"
    return rf"${mantissa}\times{power}$"


def value_texts(dataset: Dataset, key: str) -> list[str]:
    """Every value of a key."""
    values = dataset[key].values.tolist()
    if dataset[key].dtype.kind == "f":
        return number_texts(values)
    return [value_text(value) for value in values]


def number_texts(values: Sequence[float]) -> list[str]:
    """Numbers, all as powers of ten where one is."""
    texts = [value_text(value) for value in values]
    if any("10^" in text for text in texts):
        return [_power(value) if value else "0" for value in values]
    return texts


def count_text(counts: Sequence[int] | np.ndarray) -> str:
    """`N = 100`, or `N = 97–100` where counts differ."""
    low, high = int(np.min(counts)), int(np.max(counts))
    return f"N = {low:,}" if low == high else f"N = {low:,}–{high:,}"
