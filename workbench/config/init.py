"""The [init] tables: one a kind of start."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from workbench.config.section import NonNegative, Section, Seed


class DrawnInit(Section):
    """What a drawn start may be given besides."""

    frobenius: NonNegative = Field(
        0.0, description="‖W_k‖_F that every fully connected layer is scaled to; 0: as drawn"
    )
    zero: tuple[str, ...] = Field((), description="parameters that start at 0, e.g. ['w1']")


class GaussianInit(DrawnInit):
    """Every weight N(0, scale²)."""

    kind: Literal["gaussian"] = "gaussian"
    scale: NonNegative = Field(1e-5, description="standard deviation")
    seed: Seed = 0


class HeInit(DrawnInit):
    """He-normal weights, N(0, 2/fan-in), times `scale`."""

    kind: Literal["he"]
    scale: NonNegative = 1.0
    seed: Seed = 0


class UniformInit(DrawnInit):
    """Weights and biases U(−b, b), b = scale/√fan-in: PyTorch's default for dense layers and convolutions."""

    kind: Literal["uniform"]
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
    """The weights themselves, by parameter name, one number for all of a parameter's or a table of its
    shape, plus seeded noise of deviation `noise`."""

    kind: Literal["inline"]
    values: dict[str, Any]
    noise: NonNegative = 0.0
    seed: Seed = 0


InitConfig = Annotated[
    GaussianInit | HeInit | UniformInit | BalancedInit | FileInit | InlineInit,
    Field(discriminator="kind"),
]
