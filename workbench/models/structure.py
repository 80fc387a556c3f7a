"""What a network declares of itself: parameters in one flat vector, layers, neurons, stages.

Knows no torch: measures, the inspector and the reader of an old run use it on plain arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from workbench.arrays import Float, Int

NeuronNcf = Literal["squared-relu", "two-layer-relu"]
"""Single neurons with a known correlation function: s σ(u·x)² with s = ±1 fixed, v σ(u·x) with v trained."""


@dataclass(frozen=True)
class Parameter:
    """A named tensor and where it lies in the flat θ (P)."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        """One past the last index in θ."""
        return self.start + prod(self.shape)


@dataclass(frozen=True)
class Matrix:
    """A layer as a matrix W (rows, columns): h ↦ W h + b, and an activation behind it.

    The `numbers` of `parameter` (None: each once, in order) lie at the flat `place`s of W, which is zero
    elsewhere; no places: they are W, row by row. `leak` is the activation's slope below zero: 1 is linear,
    0 a ReLU. `bias` names b, where there is one.
    """

    parameter: str
    shape: tuple[int, int]
    place: tuple[int, ...] | None = None
    leak: float = 1.0
    bias: str | None = None
    numbers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ConvolutionStage:
    """Filters `parameter` (out, channels, k, k) over pictures of shape `image` with `padding` zeros around,
    stride 1, plus a `bias` a filter; then an activation of slope `leak` below zero."""

    parameter: str
    bias: str | None
    padding: int
    image: tuple[int, int, int]
    leak: float = 0.0


@dataclass(frozen=True)
class PoolStage:
    """Max-pooling over disjoint 2×2 windows; an odd last row or column is pooled by itself."""


Stage = Matrix | ConvolutionStage | PoolStage


@dataclass(frozen=True)
class Layer:
    """Parameters that scale together: Φ is k-homogeneous in a layer (LL20 §4.4).

    `order` is the k that the network declares (None: nothing is claimed), `fan_in` how many numbers one
    unit sums (None: read off the shapes), `biases` the parameters that He's start leaves at 0, `matrix`
    the layer as a matrix, where it is one.
    """

    name: str
    parameters: tuple[str, ...]
    order: float | None = None
    fan_in: int | None = None
    biases: tuple[str, ...] = ()
    matrix: Matrix | None = None


@dataclass(frozen=True)
class Neurons:
    """H neurons with incoming weights u (H, d), and outgoing weights that are trained or fixed signs.

    `ncf`: Φ is a sum over these neurons, with a correlation function of single ones of that kind. None: rows
    of a first layer, shown but without that theory. `apart`: neuron j sees coordinate j of x alone, so that
    d = 1. `leak`: of their activation.
    """

    incoming: str
    outgoing: str | None = None
    signs: tuple[float, ...] | None = None
    leak: float = 0.0
    ncf: NeuronNcf | None = None
    apart: bool = False


@dataclass(frozen=True)
class Description:
    """What a network says of itself; what it does not say is not guessed at.

    `layers`: in the order of the forward pass. `neurons`: those whose directions are worth watching.
    `inseparable`: a sentence on why single neurons have no correlation function, where there is more to say
    than that the network is not known to separate.

    `stages`: Φ as a chain of affine maps, activations and pools; what the last one gives are the outputs.
    Its names may be those of buffers. `linear`: Φ is linear in x, whatever θ. `linearised`: Φ is affine in
    θ, and its tangent kernel the same all the way.

    `smooth_gates`: squares or higher powers stand behind every ReLU, so that ∇Φ has no kinks.
    `mixes_samples`: an output depends on the other samples of the call (batch statistics); forward then
    takes the samples whose statistics count as its second argument, `reference`.

    `counted`: a submodule ("": the network itself) and how many times what its backward pass keeps is held
    while this network's runs.
    """

    layers: tuple[Layer, ...]
    neurons: Neurons | None = None
    inseparable: str = ""
    stages: tuple[Stage, ...] | None = None
    linear: bool = False
    linearised: bool = False
    smooth_gates: bool = False
    mixes_samples: bool = False
    counted: tuple[str, int] = ("", 1)


@dataclass(frozen=True)
class Structure:
    """Parameters in their order in θ, and what the network says of itself."""

    parameters: tuple[Parameter, ...]
    description: Description

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers in the order of the forward pass."""
        return self.description.layers

    @property
    def neurons(self) -> Neurons | None:
        """The neurons, if any are declared."""
        return self.description.neurons

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the parameters, as they lie in θ."""
        return tuple(p.shape for p in self.parameters)

    @property
    def size(self) -> int:
        """P, the length of θ."""
        return self.parameters[-1].stop if self.parameters else 0

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; raises KeyError."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def view(self, theta: Float[np.ndarray, "... P"], name: str) -> Float[np.ndarray, "..."]:
        """A parameter of θ, or of a stack of θ's, in its own shape."""
        parameter = self.parameter(name)
        part = theta[..., parameter.start : parameter.stop]
        return part.reshape(*theta.shape[:-1], *parameter.shape)

    def matrix(
        self, theta: Float[np.ndarray, "... P"], matrix: Matrix
    ) -> Float[np.ndarray, "... r c"]:
        """A layer's matrix at θ, or at a stack of θ's, with zeros where no weight is."""
        rows, columns = matrix.shape
        free = self.view(theta, matrix.parameter).reshape(*theta.shape[:-1], -1)
        if matrix.place is None:
            return free.reshape(*theta.shape[:-1], rows, columns)
        flat = np.zeros((*theta.shape[:-1], rows * columns))
        numbers = slice(None) if matrix.numbers is None else list(matrix.numbers)
        flat[..., list(matrix.place)] = free[..., numbers]
        return flat.reshape(*theta.shape[:-1], rows, columns)

    def indices(self, matrix: Matrix) -> Int[np.ndarray, "r c"]:
        """Where in θ each entry of a layer's matrix lies, −1 where there is none; raises KeyError."""
        parameter = self.parameter(matrix.parameter)
        own = np.arange(parameter.start, parameter.stop)
        if matrix.place is None:
            return own.reshape(matrix.shape)
        flat = np.full(prod(matrix.shape), -1, dtype=np.int64)
        flat[list(matrix.place)] = own if matrix.numbers is None else own[list(matrix.numbers)]
        return flat.reshape(matrix.shape)

    @property
    def linear_chain(self) -> tuple[Matrix, ...] | None:
        """W_1 … W_L of a fully connected linear network with one output, JT19's; None for any other."""
        found = tuple(layer.matrix for layer in self.layers if layer.matrix is not None)
        if not found or len(found) < len(self.layers) or len(self.layers) < len(self.parameters):
            return None
        plain = all(m.place is None for m in found) and all(m.leak == 1.0 for m in found[:-1])
        return found if plain and found[-1].shape[0] == 1 else None

    def incoming(self, theta: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "... H d"]:
        """Incoming weights of every neuron; raises ValueError when no neurons are declared."""
        if self.neurons is None:
            raise ValueError("this network declares no neurons")
        u = self.view(theta, self.neurons.incoming)
        return u.reshape(*u.shape[: theta.ndim], -1)

    def outgoing(self, theta: Float[np.ndarray, "... P"]) -> Float[np.ndarray, "... H"] | None:
        """Trained outgoing weight of every neuron, or None."""
        if self.neurons is None or self.neurons.outgoing is None:
            return None
        # One row of a last layer, (1, H), or a vector.
        return self.view(theta, self.neurons.outgoing).reshape(*theta.shape[:-1], -1)

    def neuron_signs(self, theta: Float[np.ndarray, " P"]) -> Float[np.ndarray, " H"]:
        """Sign of each neuron's contribution to the output: fixed, or that of its outgoing weight."""
        outgoing = self.outgoing(theta)
        if outgoing is not None:
            return np.where(outgoing < 0, -1.0, 1.0)
        if self.neurons is not None and self.neurons.signs is not None:
            return np.array(self.neurons.signs)
        return np.ones(self.incoming(theta).shape[-2])
