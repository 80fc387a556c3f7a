"""Some of a study's members, by their settings: what a figure is drawn of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xarray import Dataset

from workbench.errors import BadInput, clean_text, unknown
from workbench.study.gather import text_of
from workbench.study.grid import parse_choices
from workbench.study.values import grid_dims, is_text


def choices_of(texts: Sequence[str], where: str) -> dict[str, tuple[Any, ...]]:
    """The choices by key in texts like `model.width=10,20`, as `workbench sweep` reads them.

    Raises:
        BadInput: a text has no `=`, or a key stands twice; `where` names the option.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        key, sign, choices = text.partition("=")
        if not sign or not key.strip():
            raise BadInput(f"{where} '{clean_text(text, 80)}' is no KEY=CHOICES.")
        if key.strip() in found:
            raise BadInput(f"{where} names '{clean_text(key, 60)}' twice.")
        found[key.strip()] = parse_choices(choices)
    return found


def part_of(dataset: Dataset, choices: Mapping[str, Sequence[Any]], where: str = "") -> Dataset:
    """The members whose settings are among the choices, every dimension kept.

    Raises:
        BadInput: no such key in the grid, or a choice that no member has; `where` names the option.
    """
    dims = grid_dims(dataset)
    keys = [str(k) for k, c in dataset.coords.items() if c.ndim == 1 and c.dims[0] in dims]
    for key, wanted in choices.items():
        if key not in keys:
            raise unknown("key", key, keys, where)
        values, text = dataset[key].values.tolist(), is_text(dataset[key])
        sought = [text_of(choice) if text else choice for choice in wanted]
        for choice in sought:
            if choice not in values:
                raise unknown(f"value of {key}", str(choice), map(str, values), where)
        kept = [place for place, value in enumerate(values) if value in sought]
        dataset = dataset.isel({dataset[key].dims[0]: kept})
    return dataset
