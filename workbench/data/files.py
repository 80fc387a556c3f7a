"""Tables of the user's own: CSV, NPZ (never a pickle), HDF5. Every refusal names the file."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np

from workbench.config.data import CsvData, Hdf5Data, NpzData
from workbench.data.dataset import Dataset, checked_dataset, to_binary
from workbench.errors import BadInput, clean_text, unknown


def load_csv(config: CsvData) -> Dataset:
    """Numbers separated by commas; a first line that is not all numbers names the columns."""
    path = _existing(config.path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(i, row) for i, row in enumerate(csv.reader(file), start=1) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} is not a text table: {clean_text(str(error))}.") from error
    if not rows:
        raise BadInput(f"{path} is empty; a line a sample is needed.")
    header = None if _numbers(rows[0][1]) is not None else [c.strip() for c in rows.pop(0)[1]]
    if not rows:
        raise BadInput(f"{path} holds a header and no samples.")
    width = len(header) if header else len(rows[0][1])
    values = []
    for line, row in rows:
        numbers = _numbers(row)
        if numbers is None or len(row) != width:
            what = f"{len(row)} columns" if len(row) != width else f"'{_first_word(row)}'"
            raise BadInput(f"{path} line {line} holds {what}, and {width} numbers are needed.")
        values.append(numbers)
    table = np.array(values)
    if width < 2:
        raise BadInput(f"{path} has one column; at least one input and the label are needed.")
    column = width - 1
    if config.label:
        if header is None or config.label not in header:
            raise unknown("label column", config.label, header or ["(no header line)"], str(path))
        column = header.index(config.label)
    return _finish(np.delete(table, column, axis=1), table[:, column], config)


def load_npz(config: NpzData) -> Dataset:
    """Arrays `x` and `y` (or as named) of an NPZ archive; object arrays are refused."""
    path = _existing(config.path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise BadInput(f"{path} is a single array; an NPZ archive with x and y is needed.")
            arrays = [_member(archive, name, archive.files, path) for name in (config.x, config.y)]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = "it holds Python objects" if "pickle" in str(error).lower() else "it is damaged"
        raise BadInput(
            f"{path} cannot be read as NPZ arrays of numbers: {reason} or of another kind."
        ) from error
    return _finish(arrays[0], arrays[1], config)


def load_hdf5(config: Hdf5Data) -> Dataset:
    """Datasets `x` and `y` (or as named, with their path) of an HDF5 file."""
    import h5py

    path = _existing(config.path)
    try:
        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visititems(
                lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
            )
            arrays = [
                np.asarray(_member(file, name.strip("/"), names, path)[()])
                for name in (config.x, config.y)
            ]
    except OSError as error:
        raise BadInput(f"{path} is not a readable HDF5 file.") from error
    return _finish(arrays[0], arrays[1], config)


def _existing(text: str) -> Path:
    if not text:
        raise BadInput("data.path is empty; the path of a file is needed.")
    path = Path(text).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise BadInput(f"data.path: {clean_text(str(path))} {what}; a readable file is needed.")
    if path.stat().st_size == 0:
        raise BadInput(f"data.path: {clean_text(str(path))} is empty.")
    return path


def _member(archive, name: str, names: list[str], path: Path):  # type: ignore[no-untyped-def]
    """An array of an archive by name; raises BadInput with the names there are."""
    if name not in names:
        raise unknown("array", name, [clean_text(n, 60) for n in names[:30]], str(path))
    return archive[name]


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
