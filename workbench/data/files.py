"""Tables of the user's own: CSV, NPZ (never a pickle), HDF5. Every refusal names the file."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable

import numpy as np

from workbench.arrays import Float
from workbench.config.data import CsvData, Hdf5Data, NpzData
from workbench.data.archive import read_arrays
from workbench.data.dataset import Dataset, checked_dataset, to_binary
from workbench.data.reading import MOST_NUMBERS, existing_file, reading
from workbench.errors import BadInput, clean_text, unknown


def load_csv(config: CsvData) -> Dataset:
    """Numbers separated by commas; a first line that is not all numbers names the columns.

    Where the targets are the inputs, every column but a named label is an input.
    """
    path = existing_file(config.path)
    shown = clean_text(str(path))
    with (
        reading(path, "a text table with a line a sample is needed"),
        path.open(newline="", encoding="utf-8-sig") as file,
    ):
        header, table = _table(csv.reader(file), shown)
    width = table.shape[1]
    if config.targets == "inputs" and not config.label:
        return _finish(table, np.zeros(len(table)), config)
    if width < 2:
        raise BadInput(f"{shown} has one column; at least one input and the label are needed.")
    columns = [width - 1]
    if isinstance(config.targets, tuple):
        columns = [_column(header, name, "target column", shown) for name in config.targets]
    elif config.label:
        columns = [_column(header, config.label, "label column", shown)]
    if len(columns) == width:
        raise BadInput(f"{shown}: every column is a target; one input at least is needed.")
    return _finish(np.delete(table, columns, axis=1), table[:, columns], config)


def _column(header: list[str] | None, name: str, what: str, shown: str) -> int:
    """The place of a named column; raises BadInput where there is none."""
    if header is None or name not in header:
        listed = [clean_text(known, 60) for known in header or ["(no header line)"]]
        raise unknown(what, name, listed, shown)
    return header.index(name)


def _table(
    lines: Iterable[list[str]], shown: str
) -> tuple[list[str] | None, Float[np.ndarray, "n columns"]]:
    """The names of the columns, None where there are none, and the numbers below."""
    header, width, values = None, 0, array("d")
    for number, row in enumerate(lines, start=1):
        if not any(row):
            continue
        numbers = _numbers(row)
        if not width:
            width = len(row)
            if numbers is None:
                header = [name.strip() for name in row]
                continue
        if numbers is None or len(row) != width:
            what = f"{len(row)} columns" if len(row) != width else f"'{_first_word(row)}'"
            raise BadInput(f"{shown} line {number} holds {what}, and {width} numbers are needed.")
        values.extend(numbers)
        if len(values) > MOST_NUMBERS:
            raise BadInput(
                f"{shown} holds more than {MOST_NUMBERS:,} numbers; no more are allowed."
            )
    if not width:
        raise BadInput(f"{shown} is empty; a line a sample is needed.")
    if not values:
        raise BadInput(f"{shown} holds a header and no samples.")
    return header, np.array(values).reshape(-1, width)


def load_npz(config: NpzData) -> Dataset:
    """Arrays `x` and `y` (or as named) of an NPZ archive; object arrays are refused. Where the targets are
    the inputs, no y is read."""
    names = _names(config)
    needed = f"an NPZ archive of numbers with {_quoted(names)} is needed"
    arrays = read_arrays(existing_file(config.path), clean_text(needed), names)
    return _pair([arrays[name] for name in names], config)


def load_hdf5(config: Hdf5Data) -> Dataset:
    """Datasets `x` and `y` (or as named, with their path) of an HDF5 file. Where the targets are the inputs,
    no y is read."""
    from workbench.data.hdf5 import read_datasets

    names = _names(config)
    needed = f"an HDF5 file of numbers with {_quoted(names)} is needed"
    return _pair(read_datasets(existing_file(config.path), names, clean_text(needed)), config)


def _names(config: NpzData | Hdf5Data) -> tuple[str, ...]:
    """The arrays to read: those of the inputs and, unless the targets are these, of the labels."""
    return (config.x,) if config.targets == "inputs" else (config.x, config.y)


def _quoted(names: tuple[str, ...]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _pair(arrays: list[np.ndarray], config: NpzData | Hdf5Data) -> Dataset:
    x, *rest = arrays
    return _finish(x, rest[0] if rest else np.zeros(len(x) if x.ndim else 0), config)


def _numbers(row: list[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in row]
    except ValueError:
        return None


def _first_word(row: list[str]) -> str:
    return clean_text(next(cell for cell in row if _numbers([cell]) is None), 40)


def _finish(x: np.ndarray, y: np.ndarray, config: CsvData | NpzData | Hdf5Data) -> Dataset:
    data = checked_dataset(x, y, clean_text(config.path))
    if not config.binary:
        return data
    return Dataset(data.x, to_binary(data.y, data.name), data.name)
