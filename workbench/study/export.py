"""A study as one file for other tools: netCDF, HDF5, CSV or NPZ, chosen by the suffix.

What is large is read and written in blocks of members, so a study larger than memory can be exported. The
file is written under another name and renamed.
"""

from __future__ import annotations

import csv
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
from xarray import Dataset, Variable

from workbench.arrays import Array
from workbench.errors import BadInput, clean_text, unknown
from workbench.record.atomic import put_in_place, remove_quietly, write_error
from workbench.record.handle import created
from workbench.record.notes import read_notes
from workbench.record.overlay import H5_ERRORS
from workbench.study.gather import STEP, study_dataset
from workbench.study.stored import StoredStudy
from workbench.study.values import SADDLE, grid_dims

Progress = Callable[[float], None]
BLOCK_BYTES = 64 * 2**20
"""Of one quantity that are in memory at once."""
TEXT = np.dtype("O", metadata={"vlen": str})
"""HDF5's text of any length, as h5py marks it in a type of numpy."""
CSV_WIDEST = 64
"""What has more numbers a member than this is left out of CSV files."""


def export_study(
    study: StoredStudy, target: Path, *, progress: Progress | None = None
) -> list[str]:
    """Write a study as far as it has come to `target`; an existing file is replaced.

    Args:
        study: on disk.
        target: its suffix decides: `.nc` and `.h5` netCDF4 with the grid's keys as dimensions, which HDF5's
            readers open too; `.csv` one row a member, without series; `.npz` one array a variable, its last
            axes named in `dimensions`, no pickles.
        progress: told the fraction done, 0 to 1.

    Returns:
        What was left out, a sentence each.

    Raises:
        BadInput: the suffix is unknown, the target's folder is missing, or the target lies in the study.
        StorageError: the study is damaged, or the target cannot be written.
    """
    target = Path(target)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise unknown("export format", target.suffix or target.name, _WRITERS)
    if not target.parent.is_dir():
        raise BadInput(f"there is no folder '{clean_text(str(target.parent))}' to export to.")
    if target.resolve().is_relative_to(study.folder.resolve()):
        raise BadInput(
            f"'{clean_text(str(target))}' lies in the study itself; export to another folder."
        )
    dataset = study_dataset(study)
    dataset.attrs.update(read_notes(study.folder).attributes())
    told = [dataset.attrs["left_out"]] if "left_out" in dataset.attrs else []
    temporary = target.with_name(f".{target.name}.tmp")
    tell = progress or (lambda fraction: None)
    try:
        left_out = write(dataset, temporary, _Done(dataset, tell))
        put_in_place(temporary, target)
        tell(1.0)
        return [*told, *left_out]
    except H5_ERRORS as error:
        raise write_error(target, error) from error
    finally:
        remove_quietly(temporary)


class _Done:
    """How many of all bytes are done, told as a fraction."""

    def __init__(self, dataset: Dataset, tell: Progress) -> None:
        self._total = max(1, sum(v.size * v.dtype.itemsize for v in dataset.variables.values()))
        self._bytes, self._tell = 0, tell

    def add(self, array: Array) -> None:
        """So much more is written."""
        self._bytes += array.nbytes
        self._tell(min(1.0, self._bytes / self._total))


def blocks_of(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[slice, ...]]:
    """Slices of the leading axes that part an array, in C order, into blocks of at most `BLOCK_BYTES`."""
    row = math.prod(shape[1:]) * itemsize
    if not shape or row * shape[0] <= BLOCK_BYTES:
        yield ()
    elif row <= BLOCK_BYTES:
        rows = BLOCK_BYTES // row
        for start in range(0, shape[0], rows):
            yield (slice(start, start + rows),)
    else:
        for start in range(shape[0]):
            for inner in blocks_of(shape[1:], itemsize):
                yield (slice(start, start + 1), *inner)


def _is_text(variable: Variable) -> bool:
    return variable.dtype.kind in "OUST"


def _ordered(dataset: Dataset) -> list[str]:
    """Coordinates first, then what one has of a member, then the rest."""
    names = [str(name) for name in dataset.variables]
    return sorted(
        names, key=lambda n: (n not in dataset.coords, dataset[n].ndim > len(grid_dims(dataset)))
    )


def _write_nc(dataset: Dataset, target: Path, done: _Done) -> list[str]:
    """netCDF4; truth values as bytes that xarray reads as such."""
    with created(target) as plain, h5netcdf.File(plain, "r+") as file:
        for dim, size in dataset.sizes.items():
            file.dimensions[str(dim)] = size
        for key, value in dataset.attrs.items():
            file.attrs[key] = value
        for name in _ordered(dataset):
            variable = dataset.variables[name]
            written = _write_variable(file, name, variable, done, plain.check)
            # What belongs to an axis besides the one that is called like it, as CF has it.
            if name not in dataset.coords and (beside := _beside(dataset, variable)):
                written.attrs["coordinates"] = beside
    return []


def _beside(dataset: Dataset, variable: Variable) -> str:
    return " ".join(
        str(name)
        for name, array in dataset.coords.items()
        if name not in dataset.dims and set(array.dims) <= set(variable.dims)
    )


def _write_variable(
    file: Any, name: str, variable: Variable, done: _Done, check: Callable[[], None]
) -> Any:
    text, truth = _is_text(variable), variable.dtype.kind == "b"
    kind: Any = TEXT if text else np.dtype("i1") if truth else variable.dtype
    options: dict[str, Any] = {}
    if variable.ndim and not text:
        options = {"fletcher32": True}
        if variable.ndim > 1:
            options |= {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    written = file.create_variable(name, tuple(map(str, variable.dims)), kind, **options)
    for key, value in variable.attrs.items():
        written.attrs[key] = value
    if truth:
        written.attrs["dtype"] = "bool"
    for block in blocks_of(variable.shape, variable.dtype.itemsize):
        values = variable[block].values
        written[block or ...] = values.astype(kind) if truth else values
        check()
        done.add(np.asarray(values))
    return written


def _write_csv(dataset: Dataset, target: Path, done: _Done) -> list[str]:
    """One header line, then one line a member in the grid's order; what is missing is an empty cell."""
    dims = grid_dims(dataset)
    names, left_out = [], []
    for name in _ordered(dataset):
        array = dataset[name]
        if name in (STEP, SADDLE):
            continue
        width = math.prod(n for dim, n in array.sizes.items() if dim not in dims)
        if STEP in array.dims:
            left_out.append(f"series '{name}': a CSV file has one row a member.")
        elif width > CSV_WIDEST:
            left_out.append(f"'{name}' has {width} numbers a member, more than {CSV_WIDEST}.")
        else:
            names.append(name)
    shape = tuple(dataset.sizes[dim] for dim in dims)
    with open(target, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([c for name in names for c in _columns(dataset, name)])
        for block in blocks_of(shape, 8 * max(1, CSV_WIDEST) * len(names)):
            part = dataset[names].isel(dict(zip(dims, block, strict=False)))
            columns = [c for name in names for c in _cells(part, name, dims)]
            writer.writerows(zip(*columns, strict=True))
            done.add(np.empty(len(columns[0]) * len(columns)))
    return left_out


def _columns(dataset: Dataset, name: str) -> list[str]:
    """`name`, or `name_1_0` for every index of its own axes; saddles are counted from 1."""
    own = [d for d in dataset[name].dims if d not in grid_dims(dataset)]
    sizes = [dataset.sizes[dim] for dim in own]
    first = [1 if dim == SADDLE else 0 for dim in own]
    return [
        "_".join([name, *(str(k + f) for k, f in zip(index, first, strict=True))])
        for index in np.ndindex(*sizes)
    ]


def _cells(part: Dataset, name: str, dims: tuple[str, ...]) -> Iterator[list[str]]:
    """The columns of a variable as text, a cell a member; numbers read back to the same number."""
    shape = tuple(part.sizes[dim] for dim in dims)
    array = part[name]
    own = [d for d in array.dims if d not in dims]
    values = array.values
    if not set(dims) <= set(array.dims):
        at = [part.sizes[d] if d in array.dims else 1 for d in dims]
        values = np.broadcast_to(values.reshape(at), shape)
    count = math.prod(shape)
    flat = values.reshape(count, -1) if own or dims else values.reshape(1, -1)
    for column in flat.T:
        yield [_cell(value) for value in column.tolist()]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def _write_npz(dataset: Dataset, target: Path, done: _Done) -> list[str]:
    """Every variable under its name; `dimensions` and `attributes` are JSON."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name in _ordered(dataset):
            _add(archive, name, dataset.variables[name], done)
        named = {str(n): [str(d) for d in v.dims] for n, v in dataset.variables.items()}
        attributes = {key: _plain(value) for key, value in dataset.attrs.items()}
        for name, table in (("dimensions", named), ("attributes", attributes)):
            with archive.open(f"{name}.npy", "w") as stream:
                text = np.array(json.dumps(table, ensure_ascii=False))
                np.lib.format.write_array(stream, text, allow_pickle=False)
    return []


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _add(archive: zipfile.ZipFile, name: str, variable: Variable, done: _Done) -> None:
    """One variable as an .npy member, block by block; texts at once, as numpy's own."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        if _is_text(variable):
            texts = np.array(variable.values.tolist(), dtype=np.str_)
            np.lib.format.write_array(stream, texts, allow_pickle=False)
            done.add(variable.values)
            return
        header = {"descr": variable.dtype.str, "fortran_order": False, "shape": variable.shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks_of(variable.shape, variable.dtype.itemsize):
            values = np.asarray(variable[block].values)
            stream.write(np.ascontiguousarray(values).tobytes())
            done.add(values)


_WRITERS: dict[str, Callable[[Dataset, Path, _Done], list[str]]] = {
    ".nc": _write_nc,
    ".h5": _write_nc,
    ".csv": _write_csv,
    ".npz": _write_npz,
}
