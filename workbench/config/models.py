"""The [model] tables: one a kind of network, all of them in `LINEARISABLE` or `TABLES`."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator

from workbench.config.init import HeInit, InitConfig
from workbench.config.section import CLASS, DEEPEST, Count, Depth, Leak, Positive, Section, Width

Activation = Literal["linear", "relu"]
Biases = Literal["none", "first", "all"]
Mask = tuple[tuple[int, ...], ...]


class ModelTable(Section):
    """The table of a kind of network. `single_output`: it has one output whatever the data."""

    single_output: ClassVar[bool] = False
    kind: str


class SquaredReluModel(ModelTable):
    """Σ_k s_k σ(⟨u_k, x⟩)², σ(t) = max(t, leak·t), fixed signs s_k; 2-homogeneous."""

    single_output = True
    kind: Literal["squared-relu"]
    width: Width = 20
    leak: Leak = 0.0
    signs: Literal["plus", "random", "alternate"] = "plus"


class TwoLayerReluModel(ModelTable):
    """Σ_k v_k σ(⟨u_k, x⟩), both layers trained; 2-homogeneous."""

    single_output = True
    kind: Literal["two-layer-relu"]
    width: Width = 20
    leak: Leak = 0.0


class DeepReluModel(ModelTable):
    """w_L σ(… σ(w_1 x)), no biases; L-homogeneous."""

    kind: Literal["deep-relu"]
    widths: tuple[Width, ...] = Field(
        (32, 32), min_length=1, max_length=DEEPEST, description="hidden layers' widths"
    )
    leak: Leak = 0.0


class TwoTrainableReluModel(ModelTable):
    """⟨v, σ(w_2 σ(w_1 x))⟩ with v fixed at ±1: exactly two trainable layers (KH24 §5.4)."""

    single_output = True
    kind: Literal["two-trainable-relu"]
    widths: tuple[Width, Width] = (10, 10)
    leak: Leak = 0.0
    signs: Literal["plus", "random", "alternate"] = "alternate"


class DeepLinearModel(ModelTable):
    """w_L ⋯ w_1 x, no biases; L-homogeneous (JT19)."""

    kind: Literal["deep-linear"]
    width: Width = Field(32, description="units of every hidden layer")
    depth: Depth = Field(4, description="number of weight matrices L; 1 is a linear predictor")
    widths: tuple[Width, ...] = Field(
        (),
        max_length=DEEPEST,
        description="hidden layers' widths one by one, instead of width and depth",
    )

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.widths or (self.width,) * (self.depth - 1)


class DiagonalModel(ModelTable):
    """⟨w_m, σ(w_{m−1} ∘ … σ(w_1 ∘ x))⟩, every w_j as long as x; m-homogeneous (VSS22 §2)."""

    single_output = True
    kind: Literal["diagonal"]
    depth: Annotated[int, Field(ge=1, le=64)] = 2
    activation: Activation = "linear"


class SparseModel(ModelTable):
    """W_L σ(… σ(W_1 x)) with weights only where a mask has 1, none shared (VSS22 §2, N_no-share)."""

    single_output = True
    kind: Literal["sparse"]
    masks: tuple[tuple[tuple[Literal[0, 1], ...], ...], ...] = Field(
        min_length=1,
        max_length=DEEPEST,
        description="a matrix of 0 and 1 a layer; the first as wide as x, the last one row",
    )
    activation: Activation = "linear"

    @field_validator("masks")
    @classmethod
    def _chained(cls, masks: tuple[Mask, ...]) -> tuple[Mask, ...]:
        for k, mask in enumerate(masks, start=1):
            if not mask or len({len(row) for row in mask}) != 1:
                raise ValueError(f"mask {k} is no rectangular table of 0 and 1")
            if not any(any(row) for row in mask):
                raise ValueError(f"mask {k} leaves no weight")
            if k > 1 and len(mask[0]) != len(masks[k - 2]):
                raise ValueError(
                    f"mask {k} has {len(mask[0])} columns and mask {k - 1} {len(masks[k - 2])} rows; "
                    "they must agree"
                )
        if len(masks[-1]) != 1:
            raise ValueError(f"the last mask has {len(masks[-1])} rows, and one output is needed")
        return masks


class SharedPatchesModel(ModelTable):
    """Σ_j v_j σ(⟨w, x^(j)⟩), one filter over disjoint patches of x; 2-homogeneous (VSS22 Thm 4.4)."""

    single_output = True
    kind: Literal["shared-patches"]
    patches: Count = Field(2, description="parts that x is cut into; must divide its length")
    activation: Activation = "relu"


class SkipLinearModel(ModelTable):
    """⟨v, w x⟩ + ⟨u, x⟩, a skip connection beside a linear layer; not homogeneous (VSS22 Thm 6.1)."""

    single_output = True
    kind: Literal["skip-linear"]
    width: Width = 1


class MexicanHatModel(ModelTable):
    """h = ρ^L (1 − f) in three parameters, the same for every input; labels 1 (LL20 App. I)."""

    single_output = True
    kind: Literal["mexican-hat"]
    order: Positive = Field(1.0, description="L; log ρ/L is the time in which θ/ρ moves")
    power: Literal[3, 4] = Field(
        3, description="of 1 − r² in C(r); LL20 prints 4, and 3 keeps the start φ = 1/(1 − r²)"
    )


class PictureModel(ModelTable):
    """A convolutional ReLU network; what an input's numbers mean as a picture."""

    image: tuple[Count, Count, Count] | None = Field(
        None,
        description="[channels, height, width]; by default s·s or 3·s·s numbers are recognised",
    )


class CnnModel(PictureModel):
    """LL20's CNN: conv 5×5, pool, conv 3×3, pool, fc, fc; 4-homogeneous unless biases = "all"."""

    kind: Literal["cnn"]
    channels: tuple[Width, Width] = (32, 64)
    width: Width = Field(1024, description="units of the first fully connected layer")
    biases: Biases = Field("first", description="'first' is what LL20 calls without bias")


class AlexNetModel(PictureModel):
    """JT20's H-AlexNet: conv 5×5, pool, conv 5×5, pool, three fc, no biases; 5-homogeneous."""

    kind: Literal["alexnet"]
    channels: tuple[Width, Width] = (6, 16)
    widths: tuple[Width, Width] = Field((120, 84), description="hidden fully connected layers")


class VggModel(PictureModel):
    """LL20's VGGNet-16: 13 convolutions 3×3 in five pooled blocks, one fc; 14-homogeneous."""

    kind: Literal["vgg"]
    channels: tuple[Width, Width, Width, Width, Width] = (64, 128, 256, 512, 512)
    biases: Biases = "none"


class ResidualModel(PictureModel):
    """A residual ReLU network, biases and batch normalization as asked; not homogeneous (JT20 Fig. 3)."""

    kind: Literal["residual"]
    filters: Literal["dense", "convolution"] = Field(
        "dense", description="dense layers, or 3×3 convolutions over pictures"
    )
    width: Width = Field(32, description="units of a dense layer, or channels of a convolution")
    blocks: Depth = Field(2, description="skip connections; two layers each")
    biases: Literal["none", "all"] = "all"
    batch_norm: bool = Field(True, description="normalize by the statistics of the samples at hand")


LINEARISABLE: list[type[ModelTable]] = [
    SquaredReluModel,
    TwoLayerReluModel,
    DeepReluModel,
    TwoTrainableReluModel,
    DeepLinearModel,
    DiagonalModel,
    SparseModel,
    SharedPatchesModel,
    SkipLinearModel,
    MexicanHatModel,
    CnnModel,
    AlexNetModel,
    VggModel,
]
"""Tables of networks that can be linearised."""
if TYPE_CHECKING:
    BaseModelConfig = ModelTable
else:
    BaseModelConfig = Annotated[reduce(or_, LINEARISABLE), Field(discriminator="kind")]


class NtkModel(ModelTable):
    """⟨∇Φ(θ_0; x), θ⟩ for a base network Φ at its start θ_0, trained in θ; linear, so 1-homogeneous (JT20).

    θ itself starts as [init] says; `constant` adds Φ(θ_0; x), and then there is no order.
    """

    kind: Literal["ntk"]
    base: BaseModelConfig
    start: InitConfig = Field(HeInit(kind="he"), description="θ_0, a table as [init]")
    constant: bool = Field(False, description="add Φ(θ_0; x): the network's first-order expansion")


class TorchModel(ModelTable):
    """Any torch.nn.Module by import path, called as `package.module:Class(**arguments)`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True
    )
    kind: Literal["torch"]
    class_path: str = Field(alias="class", pattern=CLASS)
    arguments: dict[str, Any] = Field(default_factory=dict)


TABLES: list[type[ModelTable]] = [*LINEARISABLE, ResidualModel, NtkModel, TorchModel]
"""What [model] may be; `config.run` reads it when it is loaded."""
