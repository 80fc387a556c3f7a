"""The [model] tables: one a kind of network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from workbench.config_base import Count, Leak, Section


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
