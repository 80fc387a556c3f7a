"""A run as a file for other tools: HDF5, netCDF, CSV or NPZ, chosen by the suffix.

Every writer streams blocks of records, so a run larger than memory can be exported. The file is
written under another name and renamed.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput, clean_text, unknown
from workbench.record.atomic import put_in_place, remove_quietly, write_error
from workbench.record.compact import Progress, copy_run
from workbench.record.handle import created
from workbench.record.inspections import tables_of
from workbench.record.overlay import H5_ERRORS
from workbench.record.reader import RunReader
from workbench.record.samples import HELD_OUT
from workbench.record.schema import STEP
from workbench.record.tables import DIRECTION, GROUP, TABLES, columns_of, path_of

CSV_WIDEST = 64
"""Series with more numbers a record than this are left out of CSV files."""
_CSV_ROWS = 4096


def _no_progress(fraction: float) -> None:
    del fraction


def export_run(
    source: RunReader | Path, target: Path, *, progress: Progress | None = None
) -> list[str]:
    """Write the committed records of a run to `target`; an existing file is replaced.

    Args:
        source: a reader, a run folder or an .h5 file.
        target: its suffix decides: `.h5` a compressed copy; `.nc` netCDF4 with named dimensions;
            `.csv` one row a record, vectors of up to 64 numbers as columns; `.npz` one array a
            series, no pickles. Inspections are in all but CSV, as tables.
        progress: told the fraction done, 0 to 1.

    Returns:
        What was left out, a sentence each.

    Raises:
        BadInput: the suffix is unknown, the target's folder is missing, or the target is the run.
        StorageError: the run is damaged, or the target cannot be written.
    """
    target = Path(target)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise unknown("export format", target.suffix or target.name, _WRITERS)
    if not target.parent.is_dir():
        raise BadInput(f"there is no folder '{clean_text(str(target.parent))}' to export to.")
    if isinstance(source, RunReader):
        return _export(source, target, write, progress or _no_progress)
    with RunReader(source) as reader:
        return _export(reader, target, write, progress or _no_progress)


_Writer = Callable[[RunReader, Path, Progress], list[str]]


def _export(reader: RunReader, target: Path, write: _Writer, progress: Progress) -> list[str]:
    if target.exists() and os.path.samefile(target, reader.path):
        raise BadInput(f"'{clean_text(str(target))}' is the run itself; export to another file.")
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        left_out = write(reader, temporary, progress)
        put_in_place(temporary, target)
        progress(1.0)
        return left_out
    except H5_ERRORS as error:
        raise write_error(target, error) from error
    finally:
        remove_quietly(temporary)


def _write_h5(reader: RunReader, target: Path, progress: Progress) -> list[str]:
    copy_run(reader, target, packed=True, progress=progress)
    return []


def _write_nc(reader: RunReader, target: Path, progress: Progress) -> list[str]:
    """netCDF4 with the series in the root group and the data set and events in groups."""
    names = reader.series_names()
    with created(target) as plain, h5netcdf.File(plain, "r+") as file:
        file.dimensions[STEP] = reader.n_records
        for key, value in _attributes(reader).items():
            file.attrs[key] = value
        for place, name in enumerate(names):
            spec = reader.spec(name)
            for dim, size in zip(spec.dims, reader.shape(name)[1:], strict=True):
                if dim not in file.dimensions:
                    file.dimensions[dim] = size
                    values = reader.coordinate(dim)
                    values = np.arange(size) if values is None else values
                    file.create_variable(dim, (dim,), values.dtype)[:] = values
            options: dict[str, Any] = {"compression": "gzip", "shuffle": True} if spec.dims else {}
            options["fletcher32"] = reader.n_records > 0
            variable = file.create_variable(name, (STEP, *spec.dims), spec.dtype, **options)
            for key, value in reader.layout(name).attributes.items():
                variable.attrs[key] = value
            for key in ("units", "long_name", "source"):
                variable.attrs[key] = getattr(spec, key)
            for start, block in reader.blocks(name):
                variable[start : start + len(block)] = block
                plain.check()
            progress((place + 1) / len(names))
        _write_nc_groups(reader, file)
    return []


def _write_nc_samples(group: Any, x: Array | None, y: Array | None) -> None:
    for name, values in (("x", x), ("y", y)):
        if values is not None:
            for axis, size in enumerate(values.shape):
                group.dimensions[f"{name}_{axis}"] = size
            dims = tuple(f"{name}_{axis}" for axis in range(values.ndim))
            group.create_variable(name, dims, values.dtype, data=values)


def _write_nc_groups(reader: RunReader, file: Any) -> None:
    _write_nc_samples(file.create_group("data"), reader.x, reader.y)
    held_out = reader.test
    if held_out is not None:
        _write_nc_samples(file.create_group(HELD_OUT), *held_out)
    group = file.create_group("events")
    events = reader.events()
    group.dimensions["event"] = len(events)
    steps = np.array([event.step for event in events], dtype="i8")
    group.create_variable("step", ("event",), "i8", data=steps)
    for key in ("kind", "text"):
        raw = [getattr(event, key).encode() for event in events]
        texts = np.array(raw, dtype=f"S{max([1, *map(len, raw)])}")
        group.create_variable(key, ("event",), texts.dtype, data=texts)
    _write_nc_inspections(reader, file)


def _write_nc_inspections(reader: RunReader, file: Any) -> None:
    """Every table of kept inspections in its group, its rows along `row`."""
    width = reader.direction_width
    tables = tables_of(reader.inspections(), width)
    for table in TABLES:
        columns = tables.get(table, {})
        group = file.create_group(path_of(table))
        group.dimensions["row"] = len(next(iter(columns.values()), ()))
        for spec in columns_of(table, width):
            values = columns.get(spec.name)
            dims: tuple[str, ...] = ("row",)
            if spec.name == DIRECTION:
                group.dimensions["component"] = width
                dims = ("row", "component")
            if values is None:
                values = np.zeros((0, *(width or 0 for _ in dims[1:])), dtype=spec.dtype)
            variable = group.create_variable(spec.name, dims, values.dtype, data=values)
            for key in ("units", "long_name", "source"):
                variable.attrs[key] = getattr(spec, key)


def _write_csv(reader: RunReader, target: Path, progress: Progress) -> list[str]:
    """One header line, then one line a record; floats with the digits that give them back."""
    names, left_out = [], []
    for name in reader.series_names():
        width = math.prod(reader.shape(name)[1:])
        if width <= CSV_WIDEST:
            names.append(name)
        else:
            left_out.append(f"'{name}' has {width} numbers a record, more than {CSV_WIDEST}.")
    kept = len(reader.inspections())
    if kept:
        left_out.append(f"{kept} kept inspections: a CSV file holds one table.")
    header = [column for name in names for column in _columns(name, reader.shape(name)[1:])]
    if reader.x is not None:
        left_out.append("the data set: a CSV file holds one table.")
    with open(target, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for start in range(0, reader.n_records, _CSV_ROWS):
            rows = slice(start, start + _CSV_ROWS)
            blocks = [_cells(reader.read(name, rows)) for name in names]
            writer.writerows(
                [cell for cells in record for cell in cells] for record in zip(*blocks, strict=True)
            )
            progress(min(1.0, (start + _CSV_ROWS) / reader.n_records))
    return left_out


def _columns(name: str, row: tuple[int, ...]) -> list[str]:
    """`name`, or `name_0_1` for every index of a row."""
    return ["_".join([name, *map(str, index)]) for index in np.ndindex(*row)]


def _cells(values: Array) -> list[list[str]]:
    """Each record's numbers as text that reads back to the same number."""
    return [[repr(cell) for cell in record] for record in values.reshape(len(values), -1).tolist()]


def _write_npz(reader: RunReader, target: Path, progress: Progress) -> list[str]:
    names = reader.series_names()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for place, name in enumerate(names):
            _add_blocks(archive, reader, name)
            progress((place + 1) / len(names))
        events = reader.events()
        extra: dict[str, Array | None] = {
            "data_x": reader.x,
            "data_y": reader.y,
            "events_step": np.array([event.step for event in events], dtype="i8"),
            "events_kind": np.array([event.kind for event in events], dtype="U"),
            "events_text": np.array([event.text for event in events], dtype="U"),
            "attributes": np.array(json.dumps(_attributes(reader))),
        }
        for dim in sorted({dim for name in names for dim in reader.spec(name).dims}):
            extra[f"axis_{dim}"] = reader.coordinate(dim)
        for table, columns in tables_of(reader.inspections(), reader.direction_width).items():
            prefix = table if table == GROUP else f"{GROUP}_{table}"
            for column, cells in columns.items():
                # Texts as numpy's own, so that they read back as text.
                texts = cells.dtype.kind == "S"
                extra[f"{prefix}_{column}"] = np.char.decode(cells, "utf-8") if texts else cells
        for name, values in extra.items():
            if values is not None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, values, allow_pickle=False)
    return []


def _add_blocks(archive: zipfile.ZipFile, reader: RunReader, name: str) -> None:
    """One series as an .npy member, block by block."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header,
        {
            "descr": reader.read(name, slice(0, 0)).dtype.str,
            "fortran_order": False,
            "shape": reader.shape(name),
        },
    )
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        stream.write(header.getvalue())
        for _, block in reader.blocks(name):
            stream.write(block.tobytes())


def _attributes(reader: RunReader) -> dict[str, Any]:
    """The root attributes, with the status as a reader sees it."""
    return {**reader.attributes, "status": reader.status.value}


_WRITERS: dict[str, _Writer] = {
    ".h5": _write_h5,
    ".nc": _write_nc,
    ".csv": _write_csv,
    ".npz": _write_npz,
}
