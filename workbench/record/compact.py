"""Copying a run, record by record, into a freshly laid out file: compressed, or for appending.

Everything is built anew from what a reader sees, because copying HDF5 groups breaks the references
between series and dimension scales; only committed records and events come along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from workbench.arrays import Array
from workbench.errors import StorageError, clean_text
from workbench.protocol.status import RunStatus
from workbench.record.atomic import remove_quietly, write_error
from workbench.record.counters import Counters
from workbench.record.handle import created
from workbench.record.inspections import tables_of
from workbench.record.layout import build
from workbench.record.overlay import H5_ERRORS, Overlay, reading
from workbench.record.packing import write_packed
from workbench.record.plain import require_plain
from workbench.record.reader import RunReader
from workbench.record.reference import Reference
from workbench.record.samples import HELD_OUT
from workbench.record.schema import STEP
from workbench.record.table_files import counts_in, fill_tables
from workbench.record.tables import has_tables, lacks_columns, width_in
from workbench.record.texts import KIND_BYTES, TEXT_BYTES, truncated
from workbench.record.values import Value

Progress = Callable[[float], None]
"""Told the fraction done, 0 to 1."""


def must_rewrite(path: Path, direction_width: int | None = None) -> bool:
    """Whether a run file cannot be appended to as it is: it is compressed, which SWMR does not
    allow, or has no place for inspections, for all that is kept of them today, or for their directions
    though `direction_width` is given.

    Raises:
        StorageError: it is damaged, or holds what no run does: it is to be written to.
    """
    with reading(path), Overlay(path) as source, h5py.File(source, "r") as file:
        require_plain(file)
        packed = file["series"][STEP].compression is not None
        lacking = direction_width is not None and width_in(file) is None
        return packed or lacking or not has_tables(file) or lacks_columns(file)


def copy_run(
    reader: RunReader,
    target: Path,
    *,
    packed: bool,
    status: RunStatus | None = None,
    progress: Progress | None = None,
    direction_width: int | None = None,
    attributes: Mapping[str, Value] | None = None,
    whole: bool = True,
) -> None:
    """Write what `reader` sees to a new file `target` (the caller puts it in place).

    `direction_width`: numbers of a KKT direction, where the source keeps none. `attributes`: root
    attributes that are other than the source's. `whole`: samples that lie in files of their own come along;
    else the copy refers to them too, as one in the same folder can.

    Raises:
        StorageError: the run is damaged, or the target cannot be written.
    """
    try:
        with created(target) as file:
            changed = {**reader.attributes, **(attributes or {})}
            found = status or reader.status
            _fill(reader, file, packed, found, progress, direction_width, changed, whole)
    except H5_ERRORS as error:
        remove_quietly(target)
        raise write_error(target, error) from error
    except BaseException:
        remove_quietly(target)
        raise


def copy_file(
    source: Path,
    target: Path,
    *,
    packed: bool,
    status: RunStatus | None = None,
    progress: Progress | None = None,
    direction_width: int | None = None,
    attributes: Mapping[str, Value] | None = None,
) -> None:
    """`copy_run` by path, for a copy that takes the place of its source; raises StorageError alike."""
    with RunReader(source) as reader:
        copy_run(
            reader,
            target,
            packed=packed,
            status=status,
            progress=progress,
            direction_width=direction_width,
            attributes=attributes,
            whole=False,
        )


def compare(source: Path, copy: Path) -> None:
    """Read both files and refuse a copy that differs from its source.

    Raises:
        StorageError: a record, an event or an inspection is missing or different, or a file is damaged.
    """
    with RunReader(source) as one, RunReader(copy) as other:
        same = one.n_records == other.n_records and one.series_names() == other.series_names()
        same = same and one.events() == other.events() and _same_inspections(one, other)
        for name in one.series_names() if same else []:
            for start, block in one.blocks(name):
                found = other.read(name, slice(start, start + len(block)))
                same = same and block.dtype == found.dtype and block.shape == found.shape
                same = same and np.array_equal(_bytes_of(block), _bytes_of(found))
        if not same:
            raise StorageError(f"'{clean_text(str(copy))}' is not what was to be copied.")


def _bytes_of(block: Array) -> Array:
    """The same memory as bytes."""
    return np.ascontiguousarray(block).reshape(-1).view(np.uint8)


def _same_inspections(one: RunReader, other: RunReader) -> bool:
    tables, found = (tables_of(r.inspections(), r.direction_width) for r in (one, other))
    return tables.keys() == found.keys() and all(
        values.tobytes() == found[table][name].tobytes()
        for table, columns in tables.items()
        for name, values in columns.items()
    )


def _held_out(reader: RunReader) -> tuple[Array | Reference, Array | Reference] | None:
    """Held-out samples and labels as the file has them."""
    x, y = (reader.kept(name, HELD_OUT) for name in ("x", "y"))
    return None if x is None or y is None else (x, y)


def _fill(
    reader: RunReader,
    file: Any,
    packed: bool,
    status: RunStatus,
    progress: Progress | None,
    direction_width: int | None,
    attributes: Mapping[str, Value],
    whole: bool,
) -> None:
    layouts = [reader.layout(name) for name in reader.series_names()]
    dims = {dim for layout in layouts for dim in layout.resolved().dims}
    coordinates: dict[str, Array] = {}
    for dim in dims:
        values = reader.coordinate(dim)
        if values is not None:
            coordinates[dim] = values
    build(
        file,
        attributes=attributes,
        status=status,
        x=reader.x if whole else reader.kept("x"),
        y=reader.y if whole else reader.kept("y"),
        series=layouts,
        coordinates=coordinates,
        packed=packed,
        direction_width=reader.direction_width or direction_width,
        start=reader.start,
        test=reader.test if whole else _held_out(reader),
    )
    total = max(1, reader.n_records * len(layouts))
    for place, layout in enumerate(layouts):
        dataset = file["series"][layout.name]
        dataset.resize(reader.n_records, axis=0)
        for start, block in reader.blocks(layout.name):
            if packed:
                write_packed(dataset, start, block)
            else:
                dataset[start : start + len(block)] = block
            file.check()
            if progress is not None:
                progress((place * reader.n_records + start + len(block)) / total)
    events = reader.events()
    columns: dict[str, Any] = {
        "step": np.array([event.step for event in events], dtype="i8"),
        "kind": [truncated(event.kind, KIND_BYTES) for event in events],
        "text": [truncated(event.text, TEXT_BYTES) for event in events],
    }
    for name, column in columns.items():
        dataset = file["events"][name]
        dataset.resize(len(events), axis=0)
        if events:
            dataset[:] = column
    fill_tables(file, reader.inspections())
    Counters(file).write(reader.n_records, len(events), counts_in(file))
