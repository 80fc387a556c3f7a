"""Reading a run: live, finished or lost, without ever writing to it.

The file is read through `workbench.record.overlay`, so a killed writer's file needs no recovery to
be looked at, and a live one no SWMR. A reader shows the records that were committed when it was
opened or last refreshed. Whatever is wrong with a file becomes one `StorageError` sentence.

Several threads may use one reader: it lets one of them at the file at a time, the others wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

import h5py
import numpy as np

from workbench.arrays import Array
from workbench.errors import StorageError, clean_text, unknown
from workbench.measures.panel import SeriesSpec
from workbench.protocol.events import RunEvent
from workbench.protocol.inspections import RecordedInspection
from workbench.protocol.status import RunStatus, status_of
from workbench.record.chunks import chunk_shape
from workbench.record.counters import Counters
from workbench.record.data_file import read_referred
from workbench.record.layout import SeriesLayout
from workbench.record.lock import is_alive
from workbench.record.overlay import Overlay, reading
from workbench.record.plain import dataset_at, group_at, require_plain_dataset
from workbench.record.reference import Reference, read_reference, references_in
from workbench.record.samples import HELD_OUT, read_samples
from workbench.record.schema import (
    RUN_FILE,
    SCHEMA_VERSION,
    SERIES,
    STEP,
)
from workbench.record.seal import CHECKSUM, require_seal
from workbench.record.start import Start, read_start
from workbench.record.table_files import NONE, Counts, read_inspections
from workbench.record.tables import width_in
from workbench.record.values import Value, attribute_value, root_attributes, text_value

BLOCK_BYTES = 8 * 1024 * 1024
_ATTEMPTS = 6
_OWN_ATTRIBUTES = frozenset(
    {
        "units",
        "long_name",
        "source",
        "CLASS",
        "NAME",
        "REFERENCE_LIST",
        "DIMENSION_LIST",
        "DIMENSION_LABELS",
        CHECKSUM,
    }
)
T = TypeVar("T")


class RunReader:
    """A run opened read-only; also a context manager.

    Args:
        path: a run folder, or an .h5 file written by the workbench.

    Attributes:
        path: the .h5 file.
        folder: the folder it lies in.
        attributes: the root attributes: numbers, and text without control characters (one line
            each, except `config`).
        n_records: committed records, as of opening or the last `refresh`.

    Raises:
        StorageError: the file is missing, damaged, no HDF5, no run, or of a later schema.
    """

    def __init__(self, path: Path) -> None:
        path = Path(path)
        try:
            self.path = path / RUN_FILE if path.is_dir() else path
        except OSError as error:
            raise StorageError(
                f"cannot read '{clean_text(str(path))}': {error.strerror}."
            ) from error
        self.folder = self.path.parent
        self.attributes: Mapping[str, Value] = MappingProxyType({})
        self.n_records = 0
        self._n_events = 0
        self._kept_counts: Counts = NONE
        self._source: Overlay | None = None
        self._file: Any = None
        self._series: dict[str, Any] = {}
        self._alone = threading.RLock()
        self._names = clean_text(str(self.path))
        self._restored = False
        self.refresh()

    @property
    def live(self) -> bool:
        """Whether some process is writing the run now."""
        return self.path.name == RUN_FILE and is_alive(self.folder)

    @property
    def status(self) -> RunStatus:
        """The stored status, or `lost` if that needs a living writer and there is none."""
        stored = status_of(str(self.attributes.get("status", "")))
        return RunStatus.LOST if stored.needs_writer and not self.live else stored

    def refresh(self) -> int:
        """Look again: afterwards the records committed by now can be read.

        Returns:
            How many there are.
        """
        return self._retried(self._open, reopen=False)

    def series_names(self) -> list[str]:
        """The recorded series, `step` included, in the schema's order."""
        order = {name: place for place, name in enumerate(SERIES)}

        def load() -> list[str]:
            group = self._file["series"]
            return [name for name in group if self._find(name) is not None]

        return sorted(self._retried(load), key=lambda name: (order.get(name, len(order)), name))

    def has(self, name: str) -> bool:
        """Whether a series was recorded."""
        return self._retried(lambda: self._find(name)) is not None

    def spec(self, name: str) -> SeriesSpec:
        """Axes, units and origin of a series, as its file says.

        Raises:
            BadInput: the run has no such series.
        """
        with self._alone, reading(self.path):
            dataset = self._dataset(name)
            self._require_seal(dataset)
            dims = tuple(_axis_name(dataset, name, axis) for axis in range(1, dataset.ndim))
            text = {
                key: text_value(dataset.attrs.get(key, ""))
                for key in ("units", "long_name", "source")
            }
            return SeriesSpec(name, dims, dtype=dataset.dtype.str[1:], **text)

    def layout(self, name: str) -> SeriesLayout:
        """A series as it would be laid out again, extra attributes included."""
        with self._alone, reading(self.path):
            dataset = self._dataset(name)
            self._require_seal(dataset)
            found = {
                key: attribute_value(dataset.attrs[key])
                for key in dataset.attrs
                if key not in _OWN_ATTRIBUTES
            }
            extra = {key: value for key, value in found.items() if value is not None}
            return SeriesLayout(name, tuple(dataset.shape[1:]), extra, spec=self.spec(name))

    def coordinate(self, dim: str) -> Array | None:
        """The values along an axis, or None if the file has none."""

        def load() -> Array | None:
            dataset = dataset_at(self._file["series"], dim)
            return None if dataset is None or dataset.ndim != 1 else np.asarray(dataset[()])

        return self._retried(load)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of all committed records of a series."""
        with self._alone:
            return (self.n_records, *self._dataset(name).shape[1:])

    def read(self, name: str, rows: slice | Array | None = None) -> Array:
        """Committed records of a series, first axis the records chosen.

        Args:
            rows: a slice, an array of record indices (any order, repeats, negative from the
                end), or None for all.

        Raises:
            BadInput: the run has no such series.
            StorageError: the file is damaged there.
            IndexError: an index is out of range.
        """
        self._dataset(name)
        if rows is None or isinstance(rows, slice):
            start, stop, stride = (rows or slice(None)).indices(self.n_records)
            if stride < 0:
                index = np.arange(self.n_records)[rows]
                return self.read(name, index)
            stop = max(start, stop)
            return self._retried(lambda: np.asarray(self._find(name)[start:stop:stride]))
        index = np.asarray(rows, dtype=np.int64)
        index = np.where(index < 0, index + self.n_records, index)
        if index.size and (index.min() < 0 or index.max() >= self.n_records):
            raise IndexError(f"record index out of range: the run has {self.n_records} records")
        return self._retried(lambda: _pick(self._find(name), index))

    def blocks(self, name: str) -> Iterator[tuple[int, Array]]:
        """All committed records in blocks of at most about 8 MiB, cut where chunks of a packed file begin:
        (first index, block)."""
        with self._alone:
            dataset = self._dataset(name)
            size, row = dataset.dtype.itemsize, tuple(dataset.shape[1:])
        chunk = chunk_shape(row, size, packed=True)[0]
        rows = chunk * max(1, BLOCK_BYTES // max(1, chunk * size * math.prod(row)))
        for start in range(0, self.n_records, rows):
            yield start, self.read(name, slice(start, start + rows))

    def events(self) -> list[RunEvent]:
        """The committed events, in the order they happened."""

        def load() -> list[RunEvent]:
            if not self._n_events:
                return []
            held = [dataset_at(self._file, f"events/{name}") for name in ("step", "kind", "text")]
            if not all(0 <= self._n_events <= len(column) for column in held):
                raise ValueError(f"it counts {self._n_events} events and holds fewer")
            columns = [column[: self._n_events] for column in held]
            return [
                RunEvent(int(step), text_value(kind, 64), text_value(text, 1000))
                for step, kind, text in zip(*columns, strict=True)
            ]

        return self._retried(load)

    def inspections(self) -> list[RecordedInspection]:
        """The inspections kept in the run, by rising step, each with what became of its forecast."""
        return self._retried(lambda: read_inspections(self._file, self._kept_counts))

    @property
    def direction_width(self) -> int | None:
        """Numbers of the KKT directions kept with them, None where the file has no place for them."""
        return self._retried(lambda: width_in(self._file))

    @property
    def x(self) -> Array | None:
        """The inputs, first axis n; None if the run has none. StorageError: they lie in a file of their own,
        which is missing or damaged."""
        return self._values(self.kept("x"))

    @property
    def y(self) -> Array | None:
        """The labels; None if the run has none. Raises as `x`."""
        return self._values(self.kept("y"))

    @property
    def test(self) -> tuple[Array, Array] | None:
        """Held-out inputs and labels; None if the run has none. Raises as `x`."""
        x, y = (self._values(self.kept(name, HELD_OUT)) for name in ("x", "y"))
        return None if x is None or y is None else (x, y)

    @property
    def references(self) -> list[Reference]:
        """The samples that lie in files of their own."""
        return self._retried(lambda: references_in(self._file))

    def kept(self, name: str, group: str = "data") -> Array | Reference | None:
        """Samples as the file has them: the values, or where they lie; None if it has none."""

        def load() -> Array | Reference | None:
            found = self._placed(name, group)
            return found if found is None or isinstance(found, Reference) else read_samples(found)

        return self._retried(load)

    def _placed(self, name: str, group: str = "data") -> Any:
        """The dataset of samples in this file, or where they lie; None if there are none."""
        held: Any = self._file
        for part in group.split("/"):
            held = None if held is None else group_at(held, part)
        found = None if held is None else read_reference(held, name)
        return found or dataset_at(self._file, f"{group}/{name}")

    def _values(self, found: Array | Reference | None) -> Array | None:
        return read_referred(self.folder, found) if isinstance(found, Reference) else found

    @property
    def start(self) -> Start | None:
        """What only the start gave; None in files of before it was kept."""
        return self._retried(lambda: read_start(self._file))

    @property
    def n_samples(self) -> int | None:
        """The number of samples of the data set, without reading them."""

        def load() -> int | None:
            found = self._placed("x")
            return None if found is None or not found.shape else int(found.shape[0])

        return self._retried(load)

    @property
    def config_text(self) -> str:
        """The run's configuration as TOML text, empty if the file has none."""
        return str(self.attributes.get("config", ""))

    def close(self) -> None:
        """Let the file go; twice is once."""
        with self._alone:
            file, self._file, self._series = self._file, None, {}
            source, self._source = self._source, None
            if file is not None:
                with reading(self.path):
                    file.close()
            if source is not None:
                source.close()

    def __enter__(self) -> RunReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _dataset(self, name: str) -> Any:
        dataset = self._retried(lambda: self._find(name))
        if dataset is None:
            raise unknown(
                "series", name, self.series_names(), f"'{clean_text(self.folder.name, 80)}'"
            )
        return dataset

    def _find(self, name: str) -> Any:
        """A series' dataset, opened once; None if there is no such series.

        A series is a numeric dataset that grows along its first axis, linked in this very file.
        """
        if name not in self._series:
            group = self._file["series"]
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return None
            dataset = group[name]
            if (
                not isinstance(dataset, h5py.Dataset)
                or dataset.maxshape[:1] != (None,)
                or dataset.dtype.kind not in "iuf"
                or clean_text(name) != name
            ):
                return None
            if not 0 <= self.n_records <= dataset.shape[0]:
                raise StorageError(
                    f"'{self._names}' is damaged: it counts {self.n_records} records and "
                    f"'{name}' holds {dataset.shape[0]}."
                )
            require_plain_dataset(dataset, name)
            self._series[name] = dataset
        return self._series[name]

    def _retried(self, action: Callable[[], T], *, reopen: bool = True) -> T:
        """Do `action`; on a live file, whose metadata may be caught half-written, open it anew.

        At last, and at once where nobody writes, with torn headers as they were before.
        """
        with self._alone:
            tries = None
            while True:
                try:
                    with reading(self.path):
                        if reopen and self._file is None:
                            self._open()
                        return action()
                except StorageError:
                    if self._restored:
                        raise
                    tries = (_ATTEMPTS if self.live else 1) if tries is None else tries
                    tries -= 1
                    if tries:
                        time.sleep(0.02 * (_ATTEMPTS - tries))
                    else:
                        self._restored = True
                    self.close()

    def _open(self) -> int:
        """Open a fresh snapshot.

        The counters are taken from a first look and the rows from a second: what was counted at
        the first lies within the file's size at the second.
        """
        counts = None
        if self.live:
            with Overlay(self.path) as source, h5py.File(source, "r") as file:
                counts = self._counts(file)
        self.close()
        source = Overlay(self.path, restored=self._restored)
        try:
            file = h5py.File(source, "r")
            self._source, self._file = source, file
            self._check(file)
            self.attributes = MappingProxyType(root_attributes(file))
            self.n_records, self._n_events, self._kept_counts = counts or self._counts(file)
            if self._find(STEP) is None:
                raise StorageError(f"'{self._names}' is damaged: its step numbers are missing.")
        except BaseException:
            self.close()
            source.close()
            raise
        return self.n_records

    def _counts(self, file: Any) -> tuple[int, int, Counts]:
        """Committed records and events, and rows of the tables of inspections."""
        try:
            return Counters(file).read()
        except StorageError as error:
            raise StorageError(f"'{self._names}' is damaged: {error}") from error

    def _check(self, file: Any) -> None:
        group = group_at(file, "series")
        if group is None or STEP not in group or "n_committed" not in file:
            raise StorageError(f"'{self._names}' is an HDF5 file but no run: it has no records.")
        version = int(file.attrs.get("schema_version", 0))
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"'{self._names}' was written by a later workbench (schema {version}; this one "
                f"reads up to {SCHEMA_VERSION})."
            )
        self._require_seal(file)

    def _require_seal(self, held: Any) -> None:
        try:
            require_seal(held)
        except StorageError as error:
            raise StorageError(f"'{self._names}' is damaged: {error}") from error


def _axis_name(dataset: Any, name: str, axis: int) -> str:
    """What a series' axis is called in its file."""
    scales = dataset.dims[axis]
    if not len(scales):
        return f"{name}_axis_{axis}"
    if scales[0].shape != (dataset.shape[axis],):
        raise ValueError(f"axis {axis} of '{name}' is not as long as what it is numbered by")
    found = scales[0].name.rsplit("/", 1)[-1]
    return found if found and found == clean_text(found, 80) else f"{name}_axis_{axis}"


def _pick(dataset: Any, index: Array) -> Array:
    """Rows of a dataset by index, in the order asked for."""
    if not index.size:
        return np.asarray(dataset[0:0])
    unique, inverse = np.unique(index, return_inverse=True)
    low, high = int(unique[0]), int(unique[-1]) + 1
    row = dataset.dtype.itemsize * math.prod(dataset.shape[1:])
    if (high - low) * row <= BLOCK_BYTES:
        found = np.asarray(dataset[low:high])[unique - low]
    else:
        found = np.asarray(dataset[unique])
    return found[inverse.reshape(index.shape)]
