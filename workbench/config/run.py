"""A run's typed configuration.

Every key is a field below; unknown keys are refused with the nearest known one. A configuration is
frozen: what a run was started with is what its file says.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from workbench.config.data import DataConfig, OwnData
from workbench.config.init import GaussianInit, InitConfig
from workbench.config.models import TABLES, ModelTable, NtkModel, TorchModel
from workbench.config.section import CLASS, Count, Natural, NonNegative, Section
from workbench.config.train import TrainConfig

if TYPE_CHECKING:
    ModelConfig = ModelTable
else:
    ModelConfig = Annotated[reduce(or_, TABLES), Field(discriminator="kind")]


class LossConfig(Section):
    """The loss of one sample, and whether the risk sums or averages it. `torch`: a loss of your own,
    `package.module:Class(**arguments)`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True
    )

    kind: Literal[
        "square",
        "logistic",
        "exponential",
        "cross-entropy",
        "exponential-cubed",
        "logistic-cubed",
        "torch",
    ] = "square"
    reduction: Literal["sum", "mean"] = "sum"
    class_path: Annotated[str, Field(pattern=CLASS)] | None = Field(
        None, alias="class", description="torch: the loss's class"
    )
    arguments: dict[str, Any] | None = Field(None, description="torch: what its class is made with")

    @model_validator(mode="after")
    def _own_loss_fits(self) -> LossConfig:
        if self.kind == "torch" and self.class_path is None:
            raise ValueError(
                "kind 'torch' needs loss.class, the loss's own: 'package.module:Class'"
            )
        if self.kind != "torch" and (self.class_path is not None or self.arguments is not None):
            raise ValueError(
                f"loss.class and loss.arguments belong to kind 'torch', and the kind is '{self.kind}'"
            )
        return self


class RecordConfig(Section):
    """What goes to the file, and when."""

    every: Count | Literal["auto", "log"] = Field(
        "auto",
        description="steps between records, or 'log': 1, 2, … then about 50 a decade; 'auto' settles a "
        "number at the start, by the steps, what a record weighs, and what a look at all samples costs",
    )
    theta: bool = Field(True, description="keep θ at every record when it has ≤ 4,096 numbers")


NormName = Literal["l1", "linf", "spectral"]


class MeasuresConfig(Section):
    """What is measured besides what every run has. `classes`: measures of your own, each a class at
    `package.module:Class`."""

    classes: tuple[Annotated[str, Field(pattern=CLASS)], ...] = ()
    norms: tuple[NormName, ...] = Field(
        (),
        description="norms besides ℓ2 that margins and the dual alignment are measured in; that of a rule "
        "which is steepest in one is there in any case",
    )
    sharpness_every: Natural = Field(
        0,
        description="measure the largest eigenvalue of the risk's Hessian at records whose step is a "
        "multiple of this; 1: at every record, 0: at none",
    )
    kernel_distance: bool = Field(
        False,
        description="measure how far the predictor is from that of the tangent kernel at the start: the "
        "max-margin classifier of labels ±1, the regression of the square loss",
    )


class CheckpointConfig(Section):
    """Whole engine states on disk; one is always written at pause, stop and finish."""

    every: Count = 5_000
    keep: Count = 5


class PauseConfig(Section):
    """When the run stops by itself and waits."""

    at_saddle: bool = True
    at: tuple[Natural, ...] = Field((), description="steps to pause at")
    risk_below: NonNegative = Field(0.0, description="pause once the risk is below; 0: never")


Engine = Literal["auto", "eager", "kernel", "captured"]


class DeviceConfig(Section):
    """Where and in which precision."""

    kind: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["float64", "float32"] = "float64"
    engine: Engine = Field(
        "auto",
        description="what takes the steps of a rule; eager: torch autograd, step by step; kernel: compiled "
        "code, for float64 on the CPU, networks of the workbench, and the rules constant, "
        "normalized, loss-based, smoothness, sign, coordinate and signum; captured: many steps "
        "recorded as one graph of a CUDA device, for networks and rules that need no host at a "
        "step; auto: on a GPU captured, on the CPU the kernel, each where it can be; rule 'flow' "
        "has integrators of its own: 'flow-two-layer' for two-layer networks, in closed form, and"
        " 'flow', with autograd's gradients, for the rest, or for all where it is eager",
    )
    tf32: bool = Field(
        False,
        description="let a GPU round the factors of float32 products to 10 bits (TF32), which is faster",
    )
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
    measures: MeasuresConfig = MeasuresConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    pause: PauseConfig = PauseConfig()
    device: DeviceConfig = DeviceConfig()

    @property
    def own_code(self) -> bool:
        """Whether network or loss is a class of the user's, which nothing imports unasked for looking."""
        return isinstance(self.model, TorchModel) or self.loss.class_path is not None

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The classes that steps and records need and that are not the workbench's: network, loss, step rule,
        measures."""
        model = (self.model.class_path,) if isinstance(self.model, TorchModel) else ()
        rule = (self.train.class_path,) if self.train.class_path is not None else ()
        loss = (self.loss.class_path,) if self.loss.class_path is not None else ()
        return (*model, *loss, *rule, *self.measures.classes)

    @property
    def data_classes(self) -> tuple[str, ...]:
        """The classes of the user's that samples come from: only who has not kept these needs them."""
        tables = (self.data, self.data.test)
        return tuple(table.class_path for table in tables if isinstance(table, OwnData))

    def for_looking(self) -> RunConfig:
        """Without a step rule and measures of one's own: who only looks at a state needs neither."""
        if self.train.rule != "torch" and not self.measures.classes:
            return self
        plain = {"rule": "constant", "class_path": None, "arguments": None}
        train = self.train if self.train.rule != "torch" else self.train.model_copy(update=plain)
        measures = self.measures.model_copy(update={"classes": ()})
        return self.model_copy(update={"train": train, "measures": measures})

    @model_validator(mode="after")
    def _rounding_fits(self) -> RunConfig:
        if self.device.tf32 and self.device.dtype != "float32":
            raise ValueError(
                f"device.tf32 rounds the products of float32, and device.dtype is '{self.device.dtype}'"
            )
        return self

    @model_validator(mode="after")
    def _loss_fits_model(self) -> RunConfig:
        model, key = self.model, "model.kind"
        if isinstance(model, NtkModel):
            model, key = model.base, "model.base.kind"
        if self.loss.kind == "cross-entropy" and model.single_output:
            raise ValueError(
                f"loss.kind 'cross-entropy' needs one output a class, and {key} "
                f"'{model.kind}' has one output; allowed here: the other losses"
            )
        return self

    @model_validator(mode="after")
    def _rule_fits(self) -> RunConfig:
        train = self.train
        if train.until is not None and train.rule != "flow":
            raise ValueError(
                f"train.until belongs to train.rule 'flow', and the rule is '{train.rule}'; "
                "pause.risk_below stops any rule"
            )
        if train.rule == "flow" and self.loss.class_path is not None:
            raise ValueError(
                "train.rule 'flow' follows a risk to any height, which a loss of your own (loss.class) does "
                "not tell; allowed here: the other rules"
            )
        if train.rule in ("flow", "smoothness") and train.batch:
            raise ValueError(
                f"train.rule '{train.rule}' takes the full batch, and train.batch is {train.batch}; "
                "allowed: 0"
            )
        self._smoothness_fits()
        if train.rule == "loss-based" and train.floor >= train.lr:
            raise ValueError(
                f"train.floor = {train.floor:g} is not below α(0) = train.lr = {train.lr:g}"
            )
        if train.rule == "flow" and self.device.dtype != "float64":
            raise ValueError(
                f"train.rule 'flow' needs float64, and device.dtype is '{self.device.dtype}'"
            )
        return self

    @model_validator(mode="after")
    def _measures_fit(self) -> RunConfig:
        if self.measures.sharpness_every and self.loss.class_path is not None:
            raise ValueError(
                "measures.sharpness_every needs the second derivative of the loss, which a loss of your own "
                "(loss.class) does not tell; allowed here: 0"
            )
        return self

    def _smoothness_fits(self) -> None:
        """JT19's assumptions behind its step size."""
        if self.train.rule != "smoothness":
            return
        given = {
            "model.kind": (self.model.kind, "deep-linear"),
            "loss.kind": (self.loss.kind, "logistic"),
            "loss.reduction": (self.loss.reduction, "mean"),
        }
        for key, (found, needed) in given.items():
            if found != needed:
                raise ValueError(
                    f"train.rule 'smoothness' rests on the smoothness of a deep linear network's averaged "
                    f"logistic risk, and {key} is '{found}'; allowed: {needed}"
                )
