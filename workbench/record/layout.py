"""The inside of a run file: built whole, before its first row, because SWMR can add nothing later.

/                 attributes (text as strings, `status` of fixed length so that it can change)
/n_committed      rows of /series that are complete; everything past it is not yet data
/counters_crc32   checksum of this and the other counters (workbench.record.counters)
/data/x, /data/y  the samples (workbench.record.samples), those held out in /data/test; of large ones a
                  link to their file, and its hash (workbench.record.reference)
/start, /parameter  what only the start gives, the names in θ (workbench.record.start)
/series/<name>    first axis `step`, unlimited; every other axis has its dimension scale
/series/n_committed   the same dataset as /n_committed, where xarray sees it
/events/step, kind, text, n_committed
/inspections      tables (workbench.record.tables)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput, unknown
from workbench.measures.panel import SeriesSpec
from workbench.protocol.status import RunStatus
from workbench.record.chunks import LARGEST_CHUNK, chunk_shape
from workbench.record.counters import build_counters
from workbench.record.reference import Reference
from workbench.record.samples import HELD_OUT, build_samples
from workbench.record.schema import SCHEMA_VERSION, SERIES, STEP
from workbench.record.seal import seal_attributes
from workbench.record.start import Start, build_start
from workbench.record.tables import build_tables
from workbench.record.texts import KIND_BYTES, STATUS_BYTES, TEXT_BYTES, truncated
from workbench.record.values import Value

LIBVER = ("v110", "v112")


@dataclass(frozen=True)
class SeriesLayout:
    """A series as one run records it.

    `shape` is one row's shape, () for a scalar. `attributes` are written next to the schema's own
    (for example `subset`: what was thinned). `dims` renames the axes where the schema's names
    would clash with another size, for example `("neuron_subset", "component")`. `spec` replaces
    the schema's entry for a series this version does not know.
    """

    name: str
    shape: tuple[int, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict)
    dims: tuple[str, ...] | None = None
    spec: SeriesSpec | None = None

    def resolved(self) -> SeriesSpec:
        """The schema's entry with this run's axis names.

        Raises:
            BadInput: the name is not in the schema, or the axes do not fit `shape`.
        """
        spec = self.spec or SERIES.get(self.name)
        if spec is None:
            raise unknown("series", self.name, SERIES)
        if self.dims is not None:
            spec = replace(spec, dims=self.dims)
        if len(spec.dims) != len(self.shape):
            raise BadInput(
                f"series '{self.name}' has axes {spec.dims}, so a row of shape {self.shape} "
                "does not fit."
            )
        return spec


def with_step(series: Sequence[SeriesLayout]) -> list[SeriesLayout]:
    """The series with `step` first, added if it was left out."""
    others = [layout for layout in series if layout.name != STEP]
    if len({layout.name for layout in others}) != len(others):
        raise BadInput("a series is listed twice in the layout of a run.")
    given = [layout for layout in series if layout.name == STEP]
    return [*(given or [SeriesLayout(STEP)]), *others]


def _attribute(value: Value) -> Any:
    """A value HDF5 can hold: strings without NUL or lone surrogates."""
    if isinstance(value, str):
        return value.replace("\0", " ").encode("utf-8", "replace").decode()
    return value


def _dimension_sizes(series: Sequence[SeriesLayout]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    owner: dict[str, str] = {}
    for layout in series:
        for dim, size in zip(layout.resolved().dims, layout.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise BadInput(
                    f"axis '{dim}' has size {sizes[dim]} in '{owner[dim]}' and {size} in "
                    f"'{layout.name}'; give one of them other `dims`."
                )
            owner.setdefault(dim, layout.name)
    return sizes


def _fill(dtype: np.dtype[Any]) -> float | int:
    return float("nan") if dtype.kind == "f" else -1


def _build_series(
    group: Any,
    series: Sequence[SeriesLayout],
    coordinates: Mapping[str, Array],
    *,
    packed: bool,
) -> None:
    options = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if packed else {}
    scales: dict[str, Any] = {}
    for dim, size in _dimension_sizes(series).items():
        values = np.asarray(coordinates.get(dim, np.arange(size)))
        if values.shape != (size,):
            raise BadInput(
                f"the coordinate of axis '{dim}' has shape {values.shape}, not ({size},)."
            )
        chunks = values.shape if 0 < values.nbytes <= LARGEST_CHUNK else None
        scales[dim] = group.create_dataset(
            dim, data=values, chunks=chunks, fletcher32=chunks is not None
        )
        scales[dim].make_scale(dim)
    for layout in with_step(series):
        spec = layout.resolved()
        dtype = np.dtype(spec.dtype)
        dataset = group.create_dataset(
            layout.name,
            shape=(0, *layout.shape),
            maxshape=(None, *layout.shape),
            chunks=chunk_shape(layout.shape, dtype.itemsize, packed=packed),
            dtype=dtype,
            fillvalue=_fill(dtype),
            fletcher32=True,
            **options,
        )
        if layout.name == STEP:
            scales[STEP] = dataset
            dataset.make_scale(STEP)
        else:
            for axis, dim in enumerate((STEP, *spec.dims)):
                dataset.dims[axis].attach_scale(scales[dim])
        described = {"units": spec.units, "long_name": spec.long_name, "source": spec.source}
        for key, value in {**layout.attributes, **described}.items():
            dataset.attrs[key] = _attribute(value)
        seal_attributes(dataset)


def _build_events(group: Any) -> None:
    kinds = {
        "step": (np.dtype("i8"), -1),
        "kind": (h5py.string_dtype("utf-8", KIND_BYTES), None),
        "text": (h5py.string_dtype("utf-8", TEXT_BYTES), None),
    }
    for name, (dtype, fill) in kinds.items():
        group.create_dataset(
            name,
            shape=(0,),
            maxshape=(None,),
            chunks=(64,),
            dtype=dtype,
            fillvalue=fill,
            fletcher32=True,
        )
        group[name].attrs["long_name"] = f"{name} of each event"
    group["step"].make_scale("step")
    for name in ("kind", "text"):
        group[name].dims[0].attach_scale(group["step"])


def build(
    file: Any,
    *,
    attributes: Mapping[str, Value],
    status: RunStatus,
    x: Array | Reference | None,
    y: Array | Reference | None,
    series: Sequence[SeriesLayout],
    coordinates: Mapping[str, Array],
    packed: bool = False,
    direction_width: int | None = None,
    start: Start | None = None,
    test: tuple[Array | Reference, Array | Reference] | None = None,
) -> None:
    """Create every group, dataset, scale and attribute of a run in an empty h5py file.

    `packed` makes the compressed layout of a finished run (which cannot be appended to while
    readers look), and stores `status` as ordinary text. `direction_width`: numbers of a KKT direction
    in the tables of kept inspections, None to leave directions out. `start`: what only the start gives.
    `test`: held-out samples and their labels, None without any.

    Raises:
        BadInput: an unknown series, a clash of axis sizes, or a coordinate of the wrong length.
    """
    file.attrs["schema_version"] = SCHEMA_VERSION
    for key, value in attributes.items():
        if key not in ("schema_version", "status"):
            file.attrs[key] = _attribute(value)
    if packed:
        file.attrs["status"] = _attribute(status.value)
    else:
        raw = np.array(truncated(status.value, STATUS_BYTES), dtype=f"S{STATUS_BYTES}")
        file.attrs.create("status", raw, dtype=f"S{STATUS_BYTES}")
    group = file.create_group("series")
    _build_series(group, series, coordinates, packed=packed)
    build_samples(file.create_group("data"), x, y)
    if test is not None:
        build_samples(file.create_group(HELD_OUT), *test)
    if start is not None:
        build_start(file, start)
    _build_events(file.create_group("events"))
    build_tables(file, direction_width, packed=packed)
    build_counters(file)
    seal_attributes(file)
