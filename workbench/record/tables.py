"""`/inspections`: what is kept of looks into a run's states, as flat tables beside the series.

/inspections/<column>            a row an inspection
/inspections/points/<column>     a row a KKT point; `inspection` is the row of the table above
/inspections/neurons/<column>    a row a neuron
/inspections/outcomes/<column>   a row for what became of a forecast
/inspections/n_committed         rows of the four that are complete, one number each

The four counts are one dataset, so that a kill never counts an inspection without its points. Rows
are only ever appended: in a file that is still written a step may stand twice, and the later row
holds; copies (finished runs, exports) have it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from workbench.protocol.inspections import MOST_NEURONS, MOST_POINT_NUMBERS, MOST_POINTS
from workbench.record.chunks import chunk_shape
from workbench.record.plain import dataset_at

GROUP = "inspections"
COUNTER = "n_committed"
LONG_TEXT = 2_048
SHORT_TEXT = 512
DIRECTION = "direction"
COMPONENT = "component"


@dataclass(frozen=True)
class ColumnSpec:
    """A column: its type (`S` and a number: UTF-8 of at most so many bytes), units, meaning, source."""

    name: str
    dtype: str
    long_name: str
    source: str = "this inspection"
    units: str = "1"
    later: bool = False
    """Whether files of before it was known lack it; what is not known is −1 or NaN."""

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return self.dtype.startswith("S")

    @property
    def unknown(self) -> float | None:
        """What stands for a number that is not known; None for a text."""
        return None if self.is_text else np.nan if self.dtype == "f8" else -1

    @property
    def stored(self) -> Any:
        """The type in the file."""
        if self.is_text:
            return h5py.string_dtype("utf-8", int(self.dtype[1:]))
        return np.dtype(self.dtype)


_OF = ColumnSpec("inspection", "i8", "row of /inspections that this belongs to")
_INSPECTIONS = (
    ColumnSpec("step", "i8", "step of the state that was inspected"),
    ColumnSpec("time", "f8", "training time of that state", "LL20 Thm 4.3, T = Σ η"),
    ColumnSpec("cause", "S16", "why: 'saddle', one was told here; 'asked', by a person"),
    ColumnSpec("verdict", "S16", "what the state is", "KH24 Thm 5.1, 5.5"),
    ColumnSpec("regime", "S16", "which weights are small", "KH24 §5.1, §5.3"),
    ColumnSpec(
        "dimension",
        "i8",
        "numbers of u, the last of a direction; 0: points of the whole θ",
        "KH24 §5.1",
    ),
    ColumnSpec("method", "S16", "how KKT points were found: exact, multistart, none", "KH24 §5.1"),
    ColumnSpec("complete", "i1", "1 if every KKT point is known, else 0", "KH24 §5.1"),
    ColumnSpec(
        "radius", "f8", "norm at which a neuron counts as having left; NaN: none", "KH24 §5.3"
    ),
    ColumnSpec(
        "share", "f8", "share of the risk that a neuron of that norm changes", "KH24 Lemma 5.2"
    ),
    ColumnSpec("first", "i8", "neuron forecast to leave first; -1: none", "KH24 §5.3"),
    ColumnSpec("large", "i8", "number of large neurons", "KH24 §5.3, (w_n, w_z)"),
    ColumnSpec("small", "i8", "number of small neurons", "KH24 §5.3, (w_n, w_z)"),
    ColumnSpec("points_found", "i8", "KKT points found; those kept may be fewer", "KH24 §5.1"),
    ColumnSpec("evidence", f"S{LONG_TEXT}", "what the verdict rests on, in sentences"),
    ColumnSpec("limits", f"S{LONG_TEXT}", "what cannot be said, and why, in sentences"),
    ColumnSpec(
        "runner_up",
        "i8",
        "the other neuron, where it is undecided between two which leaves first; -1: none",
        "KH24 §5.3",
        later=True,
    ),
    ColumnSpec("last_step", "i8", "step at which the run was to end; -1: not known", later=True),
)
_POINTS = (
    _OF,
    ColumnSpec("value", "f8", "N at the point", "KH24 §5.1"),
    ColumnSpec("multiplier", "f8", "Lagrange multiplier λ = L N", "KH24 §5.1"),
    ColumnSpec("residual", "f8", "distance of λw to ∂N(w), over a bound of ‖∂N‖", "KH24 §5.1"),
    ColumnSpec("kind", "S8", "max, min, saddle or flat, on the sphere"),
    ColumnSpec("basin", "f8", "share of directions that flow here; NaN: not computed", "KH24 §5.1"),
    ColumnSpec("sign", "f8", "sign of the residual that is correlated with", "KH24 Thm 5.5"),
)
_DIRECTION = ColumnSpec(
    DIRECTION, "f8", "unit direction: u, or (v, u), or the whole θ", "KH24 §5.1"
)
_NEURONS = (
    _OF,
    ColumnSpec("index", "i8", "the neuron"),
    ColumnSpec("norm", "f8", "norm of its weights", "KH24 Cor. 5.4.1"),
    ColumnSpec("small", "i1", "1 if it is a small neuron, else 0", "KH24 §5.3"),
    ColumnSpec(
        "target",
        "i8",
        "KKT point it heads to, counted from this inspection's first kept one; -1: not known",
        "KH24 Thm 5.5",
    ),
    ColumnSpec("cosine", "f8", "cosine with that point", "KH24 Thm 5.5"),
    ColumnSpec("rate", "f8", "d log‖w‖/dt, t the training time", "KH24 Lemma 5.2"),
    ColumnSpec("escape_time", "f8", "training time until ‖w‖ = radius; inf: never", "KH24 §5.3"),
    ColumnSpec("escape_steps", "f8", "that time over the learning rate", "KH24 §5.3", "steps"),
    ColumnSpec(
        "escape_time_low",
        "f8",
        "least escape_time in its interval; NaN: not known",
        "KH24 §5.3",
        later=True,
    ),
    ColumnSpec(
        "escape_time_high",
        "f8",
        "most escape_time in its interval; inf: may never leave",
        "KH24 §5.3",
        later=True,
    ),
    ColumnSpec(
        "escape_steps_low",
        "f8",
        "escape_time_low over the learning rate",
        "KH24 §5.3",
        "steps",
        later=True,
    ),
    ColumnSpec(
        "escape_steps_high",
        "f8",
        "escape_time_high over the learning rate",
        "KH24 §5.3",
        "steps",
        later=True,
    ),
    ColumnSpec(
        "angle_bound",
        "f8",
        "most that its direction is off the target's when it leaves",
        "KH24 Cor. 5.4.1",
        "degrees",
        later=True,
    ),
    ColumnSpec("confidence", "f8", "that it is the first to leave, 0 to 1", later=True),
)
_OUTCOMES = (
    _OF,
    ColumnSpec("step", "i8", "step at which the forecast was decided"),
    ColumnSpec(
        "kind", "S8", "left: a neuron did; late: none in twice the time; void: θ was moved by hand"
    ),
    ColumnSpec("neuron", "i8", "neuron that left first; -1: none"),
    ColumnSpec("time", "f8", "training time from the inspection until it left"),
    ColumnSpec("time_error", "f8", "forecast time over that time, minus 1"),
    ColumnSpec(
        "angle_error", "f8", "angle to the KKT direction named", "KH24 Cor. 5.4.1", units="degrees"
    ),
    ColumnSpec("text", f"S{SHORT_TEXT}", "the same as a sentence"),
    ColumnSpec(
        "time_inside",
        "i8",
        "1: that time is in the forecast's interval; 0: not; -1: no interval",
        later=True,
    ),
    ColumnSpec(
        "angle_inside",
        "i8",
        "1: that angle is within the forecast's bound; 0: not; -1: no bound",
        later=True,
    ),
)
TABLES: dict[str, tuple[ColumnSpec, ...]] = {
    "inspections": _INSPECTIONS,
    "points": _POINTS,
    "neurons": _NEURONS,
    "outcomes": _OUTCOMES,
}
"""Columns of every table, the one that labels its rows first; `direction` is besides."""
_NOTES = {
    "inspections": "where a step stands twice, the later row holds",
    "points": f"at most {MOST_POINTS} an inspection, and at most {MOST_POINT_NUMBERS} components: "
    "those that neurons head to, then by falling value",
    "neurons": f"at most {MOST_NEURONS} an inspection: those named to leave first, then small ones, then "
    "large ones, by falling norm",
    "outcomes": "an inspection without a row here made no forecast, or it is still open",
}


def path_of(table: str) -> str:
    """The group of a table."""
    return GROUP if table == GROUP else f"{GROUP}/{table}"


def columns_of(table: str, width: int | None) -> tuple[ColumnSpec, ...]:
    """The columns of a table in a run whose KKT directions have `width` numbers (None: not kept)."""
    specs = TABLES[table]
    return (*specs, _DIRECTION) if table == "points" and width is not None else specs


def has_tables(file: Any) -> bool:
    """Whether a file has the tables: one written before they were known has not."""
    counter = dataset_at(file, f"{GROUP}/{COUNTER}")
    return counter is not None and counter.shape == (len(TABLES),)


def lacks_columns(file: Any) -> bool:
    """Whether a file with the tables was written before some of their columns were known."""
    return any(
        spec.later and spec.name not in file[path_of(table)]
        for table, specs in TABLES.items()
        for spec in specs
    )


def width_in(file: Any) -> int | None:
    """Numbers of a KKT direction in a file, None where it keeps none."""
    dataset = dataset_at(file, f"{path_of('points')}/{DIRECTION}")
    return None if dataset is None or dataset.ndim != 2 else int(dataset.shape[1])


def build_tables(file: Any, width: int | None, *, packed: bool) -> None:
    """Create the four tables, empty, in a file that is being built.

    `width`: numbers of a KKT direction, at least 1; None leaves directions out.
    """
    options: Mapping[str, Any] = (
        {"compression": "gzip", "compression_opts": 4, "shuffle": True} if packed else {}
    )
    for table in TABLES:
        group = file.create_group(path_of(table))
        group.attrs["note"] = _NOTES[table]
        scale = None
        for spec in columns_of(table, width):
            row = () if spec.name != DIRECTION or width is None else (width,)
            dataset = group.create_dataset(
                spec.name,
                shape=(0, *row),
                maxshape=(None, *row),
                chunks=chunk_shape(row, np.dtype(spec.stored).itemsize, packed=packed),
                dtype=spec.stored,
                fillvalue=spec.unknown,
                fletcher32=True,
                **options,
            )
            for key in ("units", "long_name", "source"):
                dataset.attrs[key] = getattr(spec, key)
            if scale is None:
                scale = dataset
                scale.make_scale(spec.name)
            else:
                dataset.dims[0].attach_scale(scale)
            if row and width is not None:
                component = group.create_dataset(COMPONENT, data=np.arange(width))
                component.make_scale(COMPONENT)
                dataset.dims[1].attach_scale(component)
    names = np.array(list(TABLES), dtype=h5py.string_dtype("utf-8", 16))
    group = file[GROUP]
    table_names = group.create_dataset("table", data=names)
    table_names.make_scale("table")
    counter = group.create_dataset(COUNTER, data=np.zeros(len(TABLES), dtype=np.int64))
    counter.attrs["long_name"] = "rows of each table that are complete"
    counter.dims[0].attach_scale(table_names)
