"""A measure of the user's own: one record in, a number or an array out.

    class L1Norm:
        name, axes, units = "l1_norm", (), "1"
        long_name, source = "sum of the weights' sizes", "my notes, eq. (3)"

        def measure(self, record):
            return abs(record.theta).sum()

It is called with one record at a time and remembers nothing, so that a record's value depends on nothing
beside it. Snapshots call it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from workbench.arrays import Array, Float
from workbench.errors import BadInput, clean_text
from workbench.measures.rows import Rows
from workbench.models.structure import Structure

NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Record:
    """One record: θ (P), Φ(θ; x_i) (n) or (n, C), the risk's gradient as exp(gradient_log_scale) · gradient
    (P), the samples and their labels; float64, not to be written into."""

    step: int
    time: float
    theta: Float[np.ndarray, " P"]
    outputs: Float[np.ndarray, "n ..."]
    gradient: Float[np.ndarray, " P"]
    gradient_log_scale: float
    x: Float[np.ndarray, "n ..."]
    y: Float[np.ndarray, "n ..."]
    structure: Structure

    def parameter(self, name: str) -> Array:
        """θ's part of that name, in its shape."""
        return np.asarray(self.structure.view(self.theta, name))


@runtime_checkable
class OwnMeasure(Protocol):
    """What a class in measures.classes provides; `axes` names the axes of a value, () for a number."""

    name: str
    axes: tuple[str, ...]
    units: str
    long_name: str
    source: str

    def measure(self, record: Record) -> Any:
        """The value at a record."""
        ...


@dataclass(frozen=True, eq=False)
class OwnSeries:
    """An `OwnMeasure` over a run's samples; `shape` is that of one value."""

    made: OwnMeasure
    path: str
    x: Float[np.ndarray, "n ..."]
    y: Float[np.ndarray, "n ..."]
    structure: Structure
    shape: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The series' name."""
        return self.made.name

    def compute(self, rows: Rows) -> Float[np.ndarray, "T ..."]:
        """Its value at every record; BadInput naming the class where it fails or changes its shape."""
        values = [self.value(rows, row) for row in range(len(rows))]
        return np.stack(values) if values else np.zeros((0, *self.shape))

    def value(self, rows: Rows, row: int) -> Array:
        """Its value at one record, of the shape it had at first."""
        found = self.first(rows, row)
        if found.shape != self.shape:
            raise BadInput(
                f"measures.classes '{self.path}' gives shape {found.shape} at step {int(rows.step[row]):,}, "
                f"and gave {self.shape} before."
            )
        return found

    def first(self, rows: Rows, row: int) -> Array:
        """Its value at one record, of whatever shape."""
        record = Record(
            int(rows.step[row]),
            float(rows.time[row]),
            _still(rows.theta[row]),
            _still(rows.outputs[row]),
            _still(rows.gradient[row]),
            float(rows.gradient_log_scale[row]),
            _still(self.x),
            _still(self.y),
            self.structure,
        )
        try:
            return np.array(self.made.measure(record), dtype=np.float64)
        except Exception as error:
            raise BadInput(
                f"measures.classes '{self.path}' fails at step {record.step:,}: "
                f"{type(error).__name__}: {clean_text(str(error))}."
            ) from error


def own_series(
    paths: Sequence[str],
    probe: Rows,
    taken: Sequence[str],
    samples: tuple[Array, Array],
    structure: Structure,
) -> tuple[OwnSeries, ...]:
    """The series of the classes at `package.module:Class`, each tried on the one record of `probe`.

    `taken` are the names of the workbench's own series. Raises BadInput when a class cannot be made, lacks
    what it should declare, or declares what does not fit.
    """
    found: dict[str, OwnSeries] = {}
    for path in paths:
        made = _made(path)
        name = made.name
        if name in taken or name in found:
            raise BadInput(
                f"measures.classes '{path}': there is a series '{name}' already; give it another name."
            )
        series = OwnSeries(made, path, *samples, structure)
        shape = series.first(probe, 0).shape
        if len(shape) != len(made.axes):
            raise BadInput(
                f"measures.classes '{path}' declares the axes {tuple(made.axes)} and gives values of shape "
                f"{shape}; they must agree."
            )
        found[name] = OwnSeries(made, path, *samples, structure, shape)
    return tuple(found.values())


def _made(path: str) -> OwnMeasure:
    """The measure itself, with its declarations checked."""
    # Who only reads a file needs no torch.
    from workbench.models.imported import imported_class

    cls = imported_class(path, "measures.classes")
    key = f"measures.classes '{path}'"
    if not callable(getattr(cls, "measure", None)):
        raise BadInput(f"{key} has no method measure(record), which gives the value at a record.")
    try:
        made: Any = cls()
    except Exception as error:
        raise BadInput(f"{key} fails as it is made: {clean_text(str(error))}.") from error
    for attribute in ("name", "units", "long_name", "source"):
        if not isinstance(getattr(made, attribute, None), str):
            raise BadInput(f"{key} declares no {attribute}, a text.")
    axes = getattr(made, "axes", None)
    if not isinstance(axes, tuple):
        raise BadInput(f"{key} declares no axes, a tuple of names; () for a number.")
    for name in (made.name, *axes):
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise BadInput(
                f"{key} declares the name {clean_text(repr(name), 60)}; allowed are lower-case letters, "
                "digits and _."
            )
    if made.name in axes or "step" in axes:
        raise BadInput(f"{key}: an axis may be called neither 'step' nor as the series itself.")
    return made


def _still(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view
