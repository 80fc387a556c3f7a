"""A run as netCDF4: its axes called as in run.h5, its texts as strings.

The series lie in the root group; `data`, `data/test`, `events` and the tables of inspections in groups of the
names that run.h5 has for them, the names in θ in `parameters`. What labels the rows of a group is the
coordinate of its first axis: `step` of the events and the inspections, `name` of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np

from workbench.arrays import Array
from workbench.record.compact import Progress
from workbench.record.handle import created
from workbench.record.inspections import tables_of
from workbench.record.notes import read_notes
from workbench.record.reader import RunReader
from workbench.record.samples import HELD_OUT, POINT, axis_label
from workbench.record.schema import RUN_FILE, STEP
from workbench.record.start import NAME, shape_text
from workbench.record.tables import COMPONENT, DIRECTION, TABLES, columns_of, path_of

TEXT = h5py.string_dtype()


def write_netcdf(reader: RunReader, target: Path, progress: Progress) -> list[str]:
    """Write the committed records to a new file, series by series; nothing is left out."""
    names = reader.series_names()
    with created(target) as plain, h5netcdf.File(plain, "r+") as file:
        for key, value in shown_attributes(reader).items():
            file.attrs[key] = value
        file.dimensions[STEP] = reader.n_records
        for place, name in enumerate(names):
            _write_series(file, reader, name, plain.check)
            progress((place + 1) / len(names))
        _write_groups(file, reader)
    return []


def shown_attributes(reader: RunReader) -> dict[str, Any]:
    """The root attributes, with the status as a reader sees it, and the tags and the note of the run."""
    return {**reader.attributes, "status": reader.status.value, **notes_of(reader)}


def notes_of(reader: RunReader) -> dict[str, str]:
    """Tags and note as attributes, of a run in its folder: beside another file they are another's."""
    return read_notes(reader.folder).attributes() if reader.path.name == RUN_FILE else {}


def _write_series(file: Any, reader: RunReader, name: str, check: Callable[[], None]) -> None:
    spec = reader.spec(name)
    for dim, size in zip(spec.dims, reader.shape(name)[1:], strict=True):
        _add_axis(file, dim, size, reader.coordinate(dim))
    options: dict[str, Any] = {"compression": "gzip", "shuffle": True} if spec.dims else {}
    options["fletcher32"] = reader.n_records > 0
    variable = file.create_variable(name, (STEP, *spec.dims), spec.dtype, **options)
    for key, value in reader.layout(name).attributes.items():
        variable.attrs[key] = value
    _describe(variable, spec)
    for start, block in reader.blocks(name):
        variable[start : start + len(block)] = block
        check()


def _write_groups(file: Any, reader: RunReader) -> None:
    _write_samples(file.create_group("data"), reader.x, reader.y)
    held_out = reader.test
    if held_out is not None:
        _write_samples(file.create_group(HELD_OUT), *held_out)
    parts = () if reader.start is None else reader.start.parameters
    if parts:
        columns = {
            NAME: np.array([part.name for part in parts], dtype=object),
            "shape": np.array([shape_text(part.shape) for part in parts], dtype=object),
            "offset": np.array([part.offset for part in parts], dtype="i8"),
        }
        # The root has an axis of θ that is called `parameter`.
        _write_columns(file.create_group("parameters"), NAME, columns)
    events = reader.events()
    columns = {
        STEP: np.array([event.step for event in events], dtype="i8"),
        "kind": np.array([event.kind for event in events], dtype=object),
        "text": np.array([event.text for event in events], dtype=object),
    }
    _write_columns(file.create_group("events"), STEP, columns)
    _write_inspections(file, reader)


def _write_samples(group: Any, x: Array | None, y: Array | None) -> None:
    count = next((len(values) for values in (x, y) if values is not None), 0)
    for name, values in (("x", x), ("y", y)):
        if values is None:
            continue
        dims = tuple(
            POINT if axis == 0 and size == count else axis_label(name, axis)
            for axis, size in enumerate(values.shape)
        )
        for dim, size in zip(dims, values.shape, strict=True):
            _add_axis(group, dim, size)
        group.create_variable(name, dims, values.dtype, data=values)


def _write_inspections(file: Any, reader: RunReader) -> None:
    """Every table of kept inspections in its group, its rows along its first column."""
    width = reader.direction_width
    tables = tables_of(reader.inspections(), width)
    for table in TABLES:
        specs = columns_of(table, width)
        columns = {}
        for spec in specs:
            row = (width or 0,) if spec.name == DIRECTION else ()
            values = tables.get(table, {}).get(spec.name, np.zeros((0, *row), dtype=spec.dtype))
            texts = values.dtype.kind == "S"
            columns[spec.name] = np.char.decode(values, "utf-8").astype(object) if texts else values
        group = file.create_group(path_of(table))
        _write_columns(group, specs[0].name, columns)
        for spec in specs:
            _describe(group[spec.name], spec)


def _write_columns(group: Any, dim: str, columns: Mapping[str, Array]) -> None:
    """Columns along one axis, which the first of them labels; a second one is that of directions."""
    group.dimensions[dim] = len(next(iter(columns.values())))
    for name, values in columns.items():
        dims: tuple[str, ...] = (dim,)
        if values.ndim == 2:
            _add_axis(group, COMPONENT, values.shape[1])
            dims = (dim, COMPONENT)
        kind = TEXT if values.dtype.kind == "O" else values.dtype
        variable = group.create_variable(name, dims, kind)
        if values.size:
            variable[:] = values


def _add_axis(group: Any, dim: str, size: int, values: Array | None = None) -> None:
    """A named axis with its coordinate, numbered from 0 unless it has values; nothing where it is there."""
    if dim in group.dimensions:
        return
    group.dimensions[dim] = size
    found = np.arange(size) if values is None else values
    group.create_variable(dim, (dim,), found.dtype)[:] = found


def _describe(variable: Any, spec: Any) -> None:
    for key in ("units", "long_name", "source"):
        variable.attrs[key] = getattr(spec, key)
