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

import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput, clean_text, unknown
from workbench.record.atomic import put_in_place, remove_quietly, write_error
from workbench.record.compact import Progress, copy_run
from workbench.record.export_netcdf import notes_of, shown_attributes, write_netcdf
from workbench.record.inspections import tables_of
from workbench.record.overlay import H5_ERRORS
from workbench.record.reader import RunReader
from workbench.record.start import shape_text
from workbench.record.tables import GROUP

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
            series, no pickles. Inspections and the names in θ are in all but CSV, as tables.
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
    copy_run(reader, target, packed=True, progress=progress, attributes=notes_of(reader))
    return []


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
    if reader.n_samples is not None:
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
            "attributes": np.array(json.dumps(shown_attributes(reader))),
            **_names(reader),
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


def _names(reader: RunReader) -> dict[str, Array | None]:
    """The table of names in θ; none of a file without it."""
    parts = reader.start.parameters if reader.start is not None else ()
    if not parts:
        return {}
    return {
        "parameter_name": np.array([part.name for part in parts]),
        "parameter_shape": np.array([shape_text(part.shape) for part in parts]),
        "parameter_offset": np.array([part.offset for part in parts], dtype="i8"),
    }


_WRITERS: dict[str, _Writer] = {
    ".h5": _write_h5,
    ".nc": write_netcdf,
    ".csv": _write_csv,
    ".npz": _write_npz,
}
