"""A run's typed configuration: TOML in and out, `--set` overrides, refusals in one sentence.

Every key is a field below; unknown keys are refused with the nearest known one. A configuration is
frozen: what a run was started with is what its file says.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from workbench.config_errors import sentence
from workbench.errors import BadInput, clean_text

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Leak = Annotated[float, Field(gt=-1, le=1)]


class Section(BaseModel):
    """A frozen table of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


# --- data ---------------------------------------------------------------------------------------


class CircleData(Section):
    """KH24 Fig. 1 and 4: unit inputs on the circle, y = 5 max(0, x_1)² + 4 max(0, −x_1)²."""

    kind: Literal["kh24-circle"]
    n: Count = Field(50, description="number of equispaced inputs")
    offset: float = Field(0.0, description="rotation in steps of 2π/n; 0.5 puts 0° between inputs")


class GaussianData(Section):
    """Gaussian inputs labelled by a random hyperplane, points closer to it than `margin` redrawn."""

    kind: Literal["gaussian-separable"]
    n: Count = 100
    d: Count = 2
    margin: NonNegative = Field(0.1, description="least |⟨x, teacher⟩|, teacher of norm 1")
    seed: Seed = 0


class DigitsData(Section):
    """scikit-learn's 8×8 handwritten digits, grey values scaled to 0..1 (1,797 samples)."""

    kind: Literal["digits"]
    classes: tuple[int, ...] = Field(
        tuple(range(10)), description="digits kept; two of them become labels −1 and 1"
    )
    n: Natural = Field(0, description="keep a seeded random subset of this size; 0: all")
    seed: Seed = 0

    @field_validator("classes")
    @classmethod
    def _distinct_digits(cls, classes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise ValueError("two or more distinct digits are needed")
        if any(c not in range(10) for c in classes):
            raise ValueError("digits are 0 to 9")
        return classes


class FileData(Section):
    """A table of the user's own: CSV, or arrays in NPZ or HDF5."""

    path: str = Field(description="the file; relative to the TOML file that names it")
    binary: bool = Field(False, description="map the smaller of two labels to −1, the larger to 1")


class CsvData(FileData):
    """Comma-separated numbers; the last column is the label unless `label` names another."""

    kind: Literal["csv"]
    label: str = Field("", description="name of the label column; empty: the last one")


class NpzData(FileData):
    """A NumPy archive with x (n, …) and y (n)."""

    kind: Literal["npz"]
    x: str = "x"
    y: str = "y"


class Hdf5Data(FileData):
    """An HDF5 file with datasets x (n, …) and y (n)."""

    kind: Literal["hdf5"]
    x: str = "x"
    y: str = "y"


class InlineData(Section):
    """The samples themselves."""

    kind: Literal["inline"]
    x: tuple[tuple[float, ...], ...]
    y: tuple[float, ...]


DataConfig = Annotated[
    CircleData | GaussianData | DigitsData | CsvData | NpzData | Hdf5Data | InlineData,
    Field(discriminator="kind"),
]

# --- models -------------------------------------------------------------------------------------


class SquaredReluModel(Section):
    """Σ_k s_k σ(⟨u_k, x⟩)², σ(t) = max(t, leak·t), fixed signs s_k; 2-homogeneous."""

    kind: Literal["squared-relu"]
    width: Count = 20
    leak: Leak = 0.0
    signs: Literal["plus", "random", "alternate"] = "plus"


class TwoLayerReluModel(Section):
    """Σ_k v_k σ(⟨u_k, x⟩), both layers trained; 2-homogeneous."""

    kind: Literal["two-layer-relu"]
    width: Count = 20
    leak: Leak = 0.0


class DeepReluModel(Section):
    """w_L σ(… σ(w_1 x)), no biases; L-homogeneous."""

    kind: Literal["deep-relu"]
    widths: tuple[Count, ...] = Field((32, 32), min_length=1, description="hidden layers' widths")
    leak: Leak = 0.0


class TwoTrainableReluModel(Section):
    """⟨v, σ(w_2 σ(w_1 x))⟩ with v fixed at ±1: exactly two trainable layers (KH24 §5.4)."""

    kind: Literal["two-trainable-relu"]
    widths: tuple[Count, Count] = (10, 10)
    leak: Leak = 0.0
    signs: Literal["plus", "random", "alternate"] = "alternate"


class TorchModel(Section):
    """Any torch.nn.Module by import path, called as `package.module:Class(**arguments)`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True
    )
    kind: Literal["torch"]
    class_path: str = Field(alias="class", pattern=r"^[\w.]+:[\w.]+$")
    arguments: dict[str, Any] = Field(default_factory=dict)


ModelConfig = Annotated[
    SquaredReluModel | TwoLayerReluModel | DeepReluModel | TwoTrainableReluModel | TorchModel,
    Field(discriminator="kind"),
]

# --- start, loss, training ----------------------------------------------------------------------


class GaussianInit(Section):
    """Every weight N(0, scale²)."""

    kind: Literal["gaussian"] = "gaussian"
    scale: NonNegative = Field(1e-5, description="standard deviation")
    seed: Seed = 0


class HeInit(Section):
    """He-normal weights, N(0, 2/fan-in), times `scale`."""

    kind: Literal["he"]
    scale: NonNegative = 1.0
    seed: Seed = 0


class BalancedInit(Section):
    """Layers with W_{k+1}ᵀW_{k+1} = W_kW_kᵀ (JT19 eq. 2.4 at zero), every singular value `scale`."""

    kind: Literal["balanced"]
    scale: NonNegative = 1e-3
    seed: Seed = 0


class FileInit(Section):
    """Weights from an NPZ file, by parameter name, plus seeded noise of deviation `noise`."""

    kind: Literal["file"]
    path: str
    noise: NonNegative = 0.0
    seed: Seed = 0


class InlineInit(Section):
    """The weights themselves, by parameter name, plus seeded noise of deviation `noise`."""

    kind: Literal["inline"]
    values: dict[str, Any]
    noise: NonNegative = 0.0
    seed: Seed = 0


InitConfig = Annotated[
    GaussianInit | HeInit | BalancedInit | FileInit | InlineInit, Field(discriminator="kind")
]


class LossConfig(Section):
    """The loss of one sample, and whether the risk sums or averages it."""

    kind: Literal["square", "logistic", "exponential", "cross-entropy"] = "square"
    reduction: Literal["sum", "mean"] = "sum"


class TrainConfig(Section):
    """How θ moves."""

    rule: Literal["constant"] = "constant"
    lr: Positive = 1e-3
    steps: Natural = Field(10_000, description="the step at which the run is finished")
    batch: Natural = Field(0, description="samples a step; 0: the full batch")


class RecordConfig(Section):
    """What goes to the file, and when."""

    every: Count | Literal["log"] = Field(
        10, description="steps between records, or 'log': 1, 2, … then about 50 a decade"
    )
    theta: bool = Field(True, description="keep θ at every record when it has ≤ 4,096 numbers")


class CheckpointConfig(Section):
    """Whole engine states on disk; one is always written at pause, stop and finish."""

    every: Count = 5_000
    keep: Count = 5


class PauseConfig(Section):
    """When the run stops by itself and waits."""

    at_saddle: bool = True
    at: tuple[Natural, ...] = Field((), description="steps to pause at")
    risk_below: NonNegative = Field(0.0, description="pause once the risk is below; 0: never")


class DeviceConfig(Section):
    """Where and in which precision."""

    kind: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["float64", "float32"] = "float64"
    engine: Literal["auto", "eager"] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 1


class RunConfig(Section):
    """Everything a run needs, and nothing else."""

    name: str = Field("", max_length=80)
    description: str = Field("", description="one line: what this is, and what to look for")
    data: DataConfig
    model: ModelConfig
    init: InitConfig = GaussianInit()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    record: RecordConfig = RecordConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    pause: PauseConfig = PauseConfig()
    device: DeviceConfig = DeviceConfig()

    @model_validator(mode="after")
    def _loss_fits_model(self) -> RunConfig:
        single = ("squared-relu", "two-layer-relu", "two-trainable-relu")
        if self.loss.kind == "cross-entropy" and self.model.kind in single:
            raise ValueError(
                f"loss.kind 'cross-entropy' needs one output a class, and model.kind "
                f"'{self.model.kind}' has one output; allowed here: square, logistic, exponential"
            )
        return self


def parse_config(values: Mapping[str, Any], where: str) -> RunConfig:
    """The configuration in `values`; raises BadInput naming key, value and what is allowed."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise BadInput(sentence(error, RunConfig, where)) from error


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file, with relative data and start paths made absolute beside it."""
    try:
        text = path.read_text(encoding="utf-8")
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; a TOML file is needed.") from None
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist; a TOML file is needed.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {clean_text(str(error))}.") from error
    values = parse_toml(text, str(path))
    for section in ("data", "init"):
        table = values.get(section)
        if isinstance(table, dict) and isinstance(table.get("path"), str) and table["path"]:
            table["path"] = str((path.parent / Path(table["path"]).expanduser()).resolve())
    return values


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table in TOML text; raises BadInput with the line that is wrong."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where} is not valid TOML: {clean_text(str(error))}.") from error


def override(values: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """`values` with `section.key=value` settings applied; values are TOML, bare words are strings.

    Setting `section.kind` to another kind drops the section's other keys that came before it, as
    they belonged to the old kind.
    """
    result: dict[str, Any] = {
        k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()
    }
    for setting in settings:
        key, equals, text = setting.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path) or len(path) > 3:
            raise BadInput(
                f"--set '{clean_text(setting, 80)}' is not of the form section.key=value."
            )
        value = _value(text.strip())
        if len(path) == 2 and path[1] == "kind":
            known = result.get(path[0])
            if isinstance(known, dict) and known.get("kind") != value:
                result[path[0]] = {}
        table = result
        for part in path[:-1]:
            inner = table.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadInput(f"--set '{clean_text(key, 80)}': '{part}' is not a table.")
            table[part] = table = dict(inner)
        table[path[-1]] = value
    return result


def _value(text: str) -> Any:
    """The TOML value in `text`, or the text itself where it is a bare word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_toml(config: RunConfig) -> str:
    """The configuration as TOML text; `parse_config(tomllib.loads(text))` gives it back."""
    import tomli_w

    table = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    return tomli_w.dumps({k: v for k, v in table.items() if v not in ("", {})})
