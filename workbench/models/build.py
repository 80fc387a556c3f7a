"""From the [model] table to an nn.Module in float64 on the CPU, its weights still to be set."""

from __future__ import annotations

import threading

import torch
from torch import Tensor, nn

from workbench.config.models import (
    AlexNetModel,
    BaseModelConfig,
    CnnModel,
    DeepLinearModel,
    DeepReluModel,
    DiagonalModel,
    MexicanHatModel,
    ModelConfig,
    NtkModel,
    ResidualModel,
    SharedPatchesModel,
    SkipLinearModel,
    SparseModel,
    SquaredReluModel,
    TorchModel,
    TwoLayerReluModel,
    TwoTrainableReluModel,
)
from workbench.errors import BadInput, clean_text
from workbench.models.alexnet import alexnet
from workbench.models.cnn import cnn
from workbench.models.convolutional import image_of
from workbench.models.deep_linear import DeepLinear
from workbench.models.deep_relu import DeepRelu
from workbench.models.diagonal import Diagonal
from workbench.models.imported import attempted, imported, outputs_of
from workbench.models.linearised import Linearised
from workbench.models.mexican_hat import MexicanHat
from workbench.models.network import Network, flatten, structure_of
from workbench.models.repeatable import made_repeatable, tried
from workbench.models.residual import Residual
from workbench.models.shared_patches import SharedPatches
from workbench.models.skip_linear import SkipLinear
from workbench.models.sparse import Sparse
from workbench.models.squared_relu import SquaredRelu
from workbench.models.start import first_theta
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.models.two_trainable_relu import TwoTrainableRelu
from workbench.models.vgg import vgg

_BUILDING = threading.Lock()


def build_model(
    config: ModelConfig, input_shape: tuple[int, ...], outputs: int, seed: int
) -> nn.Module:
    """The network for inputs of that shape; `seed` draws fixed random signs.

    Raises BadInput when the network does not fit the inputs, or a `torch` class cannot be imported,
    built, or called on them.
    """
    if isinstance(config, TorchModel):
        return _imported(config, input_shape, outputs, seed)
    if isinstance(config, NtkModel):
        return _linearised(config, input_shape, outputs, seed)
    return _own(config, input_shape, outputs, seed)


def _own(
    config: BaseModelConfig | ResidualModel, input_shape: tuple[int, ...], outputs: int, seed: int
) -> Network:
    """One of the workbench's own networks."""
    d = int(torch.Size(input_shape).numel())
    match config:
        case SquaredReluModel():
            signs = _signs(config.signs, config.width, seed)
            return SquaredRelu(d, config.width, config.leak, signs)
        case TwoLayerReluModel():
            return TwoLayerRelu(d, config.width, config.leak)
        case DeepReluModel():
            return DeepRelu(d, config.widths, outputs, config.leak)
        case TwoTrainableReluModel():
            signs = _signs(config.signs, config.widths[1], seed)
            return TwoTrainableRelu(d, config.widths, config.leak, signs)
        case DeepLinearModel():
            return DeepLinear(d, config.hidden, outputs)
        case DiagonalModel():
            return Diagonal(d, config.depth, config.activation)
        case SparseModel():
            return _sparse(config, d)
        case SharedPatchesModel():
            if d % config.patches:
                raise BadInput(
                    f"model.patches = {config.patches} does not divide the {d} numbers of an input."
                )
            return SharedPatches(d, config.patches, config.activation)
        case SkipLinearModel():
            return SkipLinear(d, config.width)
        case ResidualModel():
            return _residual(config, input_shape, outputs)
        case MexicanHatModel():
            return MexicanHat(config.order, config.power)
    image = image_of(input_shape, config.image, config.kind)
    match config:
        case CnnModel():
            return cnn(image, config.channels, config.width, outputs, config.biases)
        case AlexNetModel():
            return alexnet(image, config.channels, config.widths, outputs)
    return vgg(image, config.channels, outputs, config.biases)


def _residual(config: ResidualModel, input_shape: tuple[int, ...], outputs: int) -> Residual:
    """Over vectors, or over pictures where its filters are convolutions."""
    shape: tuple[int, int, int] | int = int(torch.Size(input_shape).numel())
    if config.filters == "convolution":
        shape = image_of(input_shape, config.image, config.kind)
    return Residual(
        shape,
        config.width,
        config.blocks,
        outputs,
        biases=config.biases == "all",
        batch_norm=config.batch_norm,
    )


def _sparse(config: SparseModel, d: int) -> Sparse:
    """The network of the masks; the first must be as wide as an input."""
    columns = len(config.masks[0][0])
    if columns != d:
        raise BadInput(
            f"model.masks: the first mask has {columns} columns, and an input has {d} numbers; "
            "they must agree."
        )
    return Sparse(
        [torch.tensor(mask, dtype=torch.bool) for mask in config.masks], config.activation
    )


def _linearised(
    config: NtkModel, input_shape: tuple[int, ...], outputs: int, seed: int
) -> Linearised:
    """The base network at θ_0 as model.start draws it, linearised there."""
    base = _own(config.base, input_shape, outputs, seed)
    start = first_theta(config.start, structure_of(base, int(torch.Size(input_shape).numel())))
    flatten(base, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(start))
    return Linearised(base, config.constant)


def _signs(kind: str, width: int, seed: int) -> Tensor:
    """Fixed output signs (H): all +1, seeded coin flips, or +1, −1, +1, …"""
    if kind == "plus":
        return torch.ones(width, dtype=torch.float64)
    if kind == "alternate":
        return 1.0 - 2.0 * (torch.arange(width) % 2).double()
    # A stream of its own, so that the signs do not move when the start is drawn otherwise.
    generator = torch.Generator().manual_seed(seed ^ 0x5165)
    return 1.0 - 2.0 * torch.randint(2, (width,), generator=generator).double()


def _imported(
    config: TorchModel, input_shape: tuple[int, ...], outputs: int, seed: int
) -> nn.Module:
    """A module of the user's that takes the inputs, has the outputs needed, and repeats itself."""
    # Torch's own generator belongs to the process: nobody else may build with it meanwhile.
    with _BUILDING:
        model = imported(config, seed)
    # First, as even a try may draw, and torch's generator is everybody's.
    made_repeatable(model, seed)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *input_shape, generator=generator, dtype=torch.float64)
    found = tuple(outputs_of(model, x, config.class_path).shape)
    wanted = ((2,), (2, 1)) if outputs == 1 else ((2, outputs),)
    if found not in wanted:
        raise BadInput(
            f"model.class '{config.class_path}' gives {found} for two samples; "
            f"needed is {' or '.join(map(str, wanted))}."
        )
    attempted(
        lambda: tried(model, x),
        f"model.class '{clean_text(config.class_path, 120)}' cannot be trained on inputs of shape "
        f"(n, {', '.join(map(str, input_shape))})",
    )
    return model
