"""The [data] tables: one a kind of dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import ConfigDict, Field, field_validator, model_validator

from workbench.config.section import (
    CLASS,
    Finite,
    Natural,
    NonNegative,
    Positive,
    Samples,
    Section,
    Seed,
)

MOST_DRAWN = 1 << 26
"""Numbers that a synthetic dataset draws at once."""


class DataTable(Section):
    """Samples; `test` names others that are held out of the training, `targets` what is learned of them
    where that is not the labels."""

    targets: Literal["inputs"] | tuple[str, ...] | None = Field(
        None,
        description="'inputs': the targets are the inputs (n, d), as an autoencoder's are; csv: names of the "
        "columns that are the targets (n, k)",
    )
    test: TestConfig | None = Field(
        None,
        discriminator="kind",
        description="held-out samples: a table of their own, or split = 0.2, a share of these",
    )

    @field_validator("test", mode="before")
    @classmethod
    def _a_split_needs_no_kind(cls, table: Any) -> Any:
        if isinstance(table, Mapping) and "kind" not in table and "split" in table:
            return {"kind": "split", **table}
        return table

    @field_validator("targets", mode="before")
    @classmethod
    def _inputs_or_a_list(cls, targets: Any) -> Any:
        if isinstance(targets, str) and targets != "inputs":
            raise ValueError(
                "allowed are 'inputs' and, of kind 'csv', a list of columns such as ['y1', 'y2']"
            )
        return targets

    @model_validator(mode="after")
    def _targets_fit(self) -> DataTable:
        names = self.targets if isinstance(self.targets, tuple) else None
        if names is not None and not isinstance(self, CsvData):
            raise ValueError(
                "data.targets names columns, which data.kind 'csv' has; allowed here: 'inputs'"
            )
        if names is not None and (not names or len(set(names)) != len(names) or "" in names):
            raise ValueError(
                f"data.targets = {list(names)} has to name one column or more, each once"
            )
        if isinstance(self, FileData) and self.targets is not None and self.binary:
            raise ValueError(
                "data.binary maps labels to −1 and 1, and data.targets asks for targets; leave one out"
            )
        if isinstance(self, CsvData) and names is not None and self.label:
            raise ValueError("data.label and data.targets both name what is learned; leave one out")
        return self

    @model_validator(mode="after")
    def _held_out(self) -> DataTable:
        if not isinstance(self.test, DataTable):
            return self
        if self.test.test is not None:
            raise ValueError(
                "held-out samples have no held-out part of their own; leave out data.test.test"
            )
        if (self.test.targets == "inputs") != (self.targets == "inputs"):
            raise ValueError(
                "the targets are the inputs of the training samples or of those held out only; set "
                "targets = 'inputs' in both, or in neither"
            )
        if self.test == self.model_copy(update={"test": None}):
            raise ValueError(
                "data.test names the training samples themselves; name others, or hold a share out by "
                "data.test.split"
            )
        return self


class SplitData(Section):
    """A share of the samples, held out by a draw of its own; as large of every class that has two or more."""

    kind: Literal["split"] = "split"
    split: float = Field(gt=0.0, lt=1.0, description="share of the samples that is held out")
    seed: Seed = 0


class CircleData(DataTable):
    """KH24 Fig. 1 and 4: unit inputs on the circle, y = 5 max(0, x_1)² + 4 max(0, −x_1)²."""

    kind: Literal["kh24-circle"]
    n: Samples = Field(50, description="number of equispaced inputs")
    offset: Finite = Field(0.0, description="rotation in steps of 2π/n; 0.5 puts 0° between inputs")


class GaussianData(DataTable):
    """Gaussian inputs labelled by a random hyperplane, points closer to it than `margin` redrawn."""

    kind: Literal["gaussian-separable"]
    n: Samples = 100
    d: Samples = 2
    margin: NonNegative = Field(0.1, description="least |⟨x, teacher⟩|, teacher of norm 1")
    relevant: Natural = Field(
        0,
        description="coordinates that the teacher has, the first ones, each ±1/√k; 0: all, random",
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _few_enough(self) -> GaussianData:
        if self.relevant > self.d:
            raise ValueError(
                f"relevant = {self.relevant:,} is more than the d = {self.d:,} coordinates of an input"
            )
        return _drawn(self, self.n * self.d, f"n = {self.n:,} times d = {self.d:,}")


class ClassesData(DataTable):
    """Pictures of ten classes, grey or colour values scaled to 0..1."""

    classes: tuple[int, ...] = Field(
        tuple(range(10)), description="classes kept; two of them become labels −1 and 1"
    )
    n: Natural = Field(0, description="keep a seeded random subset of this size; 0: all")
    seed: Seed = 0

    @field_validator("classes")
    @classmethod
    def _distinct_digits(cls, classes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise ValueError("two or more distinct classes are needed")
        if any(c not in range(10) for c in classes):
            raise ValueError("classes are 0 to 9")
        return classes


class DigitsData(ClassesData):
    """scikit-learn's 8×8 handwritten digits (1,797 samples)."""

    kind: Literal["digits"]


class FolderData(ClassesData):
    """Pictures in files of the user's own."""

    path: str = Field(
        description="the folder of the files; relative to the TOML file that names it"
    )
    split: Literal["train", "test"] = "train"


class MnistData(FolderData):
    """MNIST's IDX files, plain or gzipped: x (n, 784)."""

    kind: Literal["mnist"]


class Cifar10Data(FolderData):
    """CIFAR-10's python batches: x (n, 3072), channel by channel."""

    kind: Literal["cifar10"]


class LinearTeacherData(DataTable):
    """Whitened inputs, (1/n) Σ x xᵀ = I, and the outputs y = A x of a linear teacher with the singular values
    given: deep linear networks learn one after the other (Saxe, McClelland, Ganguli 2014)."""

    kind: Literal["linear-teacher"]
    n: Samples = 100
    d: Samples = 6
    outputs: Samples = Field(4, description="targets a sample")
    singular_values: tuple[Positive, ...] = Field(
        (4.0, 2.0, 1.0), description="of A; the risk falls in stairs where they are distinct"
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _whitened(self) -> LinearTeacherData:
        if self.d > self.n:
            raise ValueError(
                f"d = {self.d:,} inputs cannot be whitened with n = {self.n:,} samples; n must be d or more"
            )
        most = min(self.d, self.outputs)
        if not 0 < len(self.singular_values) <= most:
            raise ValueError(
                f"singular_values holds {len(self.singular_values)} numbers, and a matrix of "
                f"{self.outputs:,} × {self.d:,} has 1 to {most:,} of them"
            )
        return _drawn(
            self,
            self.n * max(self.d, self.outputs),
            f"n = {self.n:,} times d = {self.d:,} or outputs = {self.outputs:,}",
        )


class TwoCirclesData(DataTable):
    """Points on two circles around ±distance·e, y = ±1; JT19 Fig. 2. The margin is distance − radius."""

    kind: Literal["two-circles"]
    n: Annotated[Samples, Field(ge=2)] = 100
    radius: NonNegative = 0.2
    distance: Positive = Field(0.6, description="of each centre from the origin")
    angle: Finite = Field(30.0, description="of e, in degrees")

    @model_validator(mode="after")
    def _separable(self) -> TwoCirclesData:
        if self.radius >= self.distance:
            raise ValueError(
                f"radius = {self.radius:g} is not below distance = {self.distance:g}, so no line through "
                "the origin separates the circles"
            )
        return self


class PlanarData(DataTable):
    """JT20 Fig. 1: points of the plane and a 1, labelled by a random network, low margins deleted."""

    kind: Literal["jt20-planar"]
    n: Annotated[Samples, Field(ge=2)] = 200
    margin: NonNegative = Field(
        0.25, description="least |value|, in root mean squares of the network"
    )
    width: Annotated[int, Field(ge=1, le=10_000)] = Field(
        8, description="neurons of the network that labels"
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _few_enough(self) -> PlanarData:
        return _drawn(self, self.n * self.width, f"n = {self.n:,} times width = {self.width:,}")


Drawn = TypeVar("Drawn", GaussianData, LinearTeacherData, PlanarData)


def _drawn(table: Drawn, count: int, product: str) -> Drawn:
    """The table, unless it asks for more numbers than are drawn at once."""
    if count > MOST_DRAWN:
        raise ValueError(
            f"{product} is more than the {MOST_DRAWN:,} numbers that are drawn at once"
        )
    return table


class FileData(DataTable):
    """A table of the user's own: CSV, or arrays in NPZ or HDF5."""

    path: str = Field(description="the file; relative to the TOML file that names it")
    binary: bool = Field(False, description="map the smaller of two labels to −1, the larger to 1")


class CsvData(FileData):
    """Comma-separated numbers; the last column is the label unless `label` names another, or `targets`
    several."""

    kind: Literal["csv"]
    label: str = Field("", description="name of the label column; empty: the last one")


class NpzData(FileData):
    """A NumPy archive with x (n, …) and y (n), or (n, k) targets."""

    kind: Literal["npz"]
    x: str = "x"
    y: str = "y"


class Hdf5Data(FileData):
    """An HDF5 file with datasets x (n, …) and y (n), or (n, k) targets."""

    kind: Literal["hdf5"]
    x: str = "x"
    y: str = "y"


class InlineData(DataTable):
    """The samples themselves."""

    kind: Literal["inline"]
    x: tuple[tuple[float, ...], ...]
    y: tuple[float, ...] | tuple[tuple[float, ...], ...] = Field(
        description="a label a sample, or a list of targets"
    )


class OwnData(DataTable):
    """Samples of your own, by a class that gives them: `package.module:Class(**arguments)`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True
    )
    kind: Literal["torch"]
    class_path: str = Field(alias="class", pattern=CLASS)
    arguments: dict[str, Any] = Field(default_factory=dict)


AnyData = (
    CircleData
    | GaussianData
    | TwoCirclesData
    | PlanarData
    | LinearTeacherData
    | DigitsData
    | MnistData
    | Cifar10Data
    | CsvData
    | NpzData
    | Hdf5Data
    | InlineData
    | OwnData
)
TestConfig = SplitData | AnyData
DataConfig = Annotated[AnyData, Field(discriminator="kind")]

for _table in get_args(AnyData):
    _table.model_rebuild()
