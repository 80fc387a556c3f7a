"""From the [init] table to the first θ: seeded, drawn in float64 on the CPU whatever the device."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import prod

import numpy as np

from workbench.arrays import Float
from workbench.config.init import (
    BalancedInit,
    DrawnInit,
    FileInit,
    GaussianInit,
    HeInit,
    InitConfig,
    InlineInit,
    UniformInit,
)
from workbench.config.paths import named
from workbench.data.archive import read_arrays
from workbench.errors import BadInput, clean_text, unknown
from workbench.models.structure import Layer, Parameter, Structure

NEEDED = "an NPZ file with one array of numbers a parameter is needed"


def first_theta(config: InitConfig, structure: Structure) -> Float[np.ndarray, " P"]:
    """θ(0) (P); raises BadInput when given weights do not fit the network."""
    rng = np.random.default_rng(config.seed)
    if isinstance(config, GaussianInit):
        return _fixed(config, structure, config.scale * rng.standard_normal(structure.size))
    if isinstance(config, HeInit):
        return _fixed(config, structure, config.scale * _he(structure, rng))
    if isinstance(config, UniformInit):
        return _fixed(config, structure, config.scale * _uniform(structure, rng))
    if isinstance(config, BalancedInit):
        return _balanced(structure, config.scale, rng)
    values = _inline(config) if isinstance(config, InlineInit) else _archive(config)
    theta = _placed(
        values, structure, "init.values" if isinstance(config, InlineInit) else config.path
    )
    if config.noise:
        theta = theta + config.noise * rng.standard_normal(theta.shape)
    return theta


def _fixed(
    config: DrawnInit, structure: Structure, theta: Float[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """The drawn θ with init.frobenius and init.zero."""
    names = [parameter.name for parameter in structure.parameters]
    matrices = [layer.matrix for layer in structure.layers if layer.matrix is not None]
    if config.frobenius and not matrices:
        raise BadInput(
            f"init.frobenius = {config.frobenius:g} scales fully connected layers, and this network has "
            "none; allowed here: 0."
        )
    for parameter in structure.parameters:
        part = theta[parameter.start : parameter.stop]
        norm = float(np.linalg.norm(part))
        if config.frobenius and norm and parameter.name in [m.parameter for m in matrices]:
            part *= config.frobenius / norm
    for name in config.zero:
        if name not in names:
            raise unknown("parameter", name, names, "init.zero")
        parameter = structure.parameter(name)
        theta[parameter.start : parameter.stop] = 0.0
    return theta


def _he(structure: Structure, rng: np.random.Generator) -> Float[np.ndarray, " P"]:
    """N(0, 2/fan-in); a vector's fan-in is its length unless its layer says otherwise; biases are 0."""
    owners = {name: layer for layer in structure.layers for name in layer.parameters}
    parts = []
    for parameter in structure.parameters:
        shape, layer = parameter.shape, owners.get(parameter.name)
        if layer is not None and parameter.name in layer.biases:
            parts.append(np.zeros(prod(shape)))
            continue
        fan_in = _fan_in(structure, parameter, layer)
        parts.append((2.0 / fan_in) ** 0.5 * rng.standard_normal(prod(shape)))
    return np.concatenate(parts)


def _uniform(structure: Structure, rng: np.random.Generator) -> Float[np.ndarray, " P"]:
    """U(−1/√fan-in, 1/√fan-in); a bias has the fan-in of its layer's weights."""
    theta = rng.uniform(-1.0, 1.0, structure.size)
    owners = {name: layer for layer in structure.layers for name in layer.parameters}
    for parameter in structure.parameters:
        layer = owners.get(parameter.name)
        fan_in = _fan_in(structure, parameter, layer)
        theta[parameter.start : parameter.stop] /= fan_in**0.5
    return theta


def _fan_in(structure: Structure, parameter: Parameter, layer: Layer | None) -> int:
    """Numbers that a unit sums: as the layer declares, else read off its weights' shape."""
    if layer is not None and layer.fan_in is not None:
        return layer.fan_in
    of = parameter
    if layer is not None and parameter.name in layer.biases:
        of = structure.parameter(next(n for n in layer.parameters if n not in layer.biases))
    return prod(of.shape[1:]) if len(of.shape) > 1 else max(1, prod(of.shape))


def _balanced(
    structure: Structure, scale: float, rng: np.random.Generator
) -> Float[np.ndarray, " P"]:
    """W_k = scale · Q_k Q_{k−1}ᵀ with orthonormal Q: W_{k+1}ᵀW_{k+1} = W_kW_kᵀ exactly.

    For separable neurons (u_k, v_k) that are no chain of matrices: random directions, ‖u_k‖ = |v_k| = scale.
    """
    neurons = structure.neurons
    shapes = [p.shape for p in structure.parameters]
    matrices = len(shapes) > 1 and all(len(s) == 2 for s in shapes)
    chained = matrices and all(a[0] == b[1] for a, b in pairwise(shapes))
    if not chained and neurons is not None and neurons.outgoing is not None:
        theta = np.zeros(structure.size)
        u = structure.parameter(neurons.incoming)
        direction = rng.standard_normal((u.shape[0], prod(u.shape[1:])))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        theta[u.start : u.stop] = scale * direction.ravel()
        v = structure.parameter(neurons.outgoing)
        theta[v.start : v.stop] = scale * rng.choice([-1.0, 1.0], size=v.shape)
        return theta
    if not chained:
        raise BadInput(
            "init.kind 'balanced' needs two or more weight matrices in a chain, and this network's "
            f"parameters have shapes {', '.join(map(str, shapes))}; "
            "allowed here: gaussian, he, uniform, file, inline."
        )
    rank = min(min(s) for s in shapes)
    frames = [_frame(shapes[0][1], rank, rng), *(_frame(s[0], rank, rng) for s in shapes)]
    parts = [scale * out @ inner.T for inner, out in pairwise(frames)]
    return np.concatenate([part.ravel() for part in parts])


def _frame(size: int, rank: int, rng: np.random.Generator) -> Float[np.ndarray, "s r"]:
    """Orthonormal columns, uniformly at random."""
    q, r = np.linalg.qr(rng.standard_normal((size, rank)))
    return q * np.sign(np.diag(r))


def _inline(config: InlineInit) -> dict[str, np.ndarray]:
    arrays = {}
    for name, value in config.values.items():
        try:
            arrays[name] = np.array(value, dtype=np.float64)
        except (ValueError, TypeError):
            raise BadInput(
                f"init.values.{clean_text(name, 40)} is no rectangular table of numbers."
            ) from None
    return arrays


def _archive(config: FileInit) -> dict[str, np.ndarray]:
    path = named(config.path, "init.path")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise BadInput(f"init.path: {clean_text(str(path))} {what}; {NEEDED}.")
    arrays = read_arrays(path, NEEDED)
    for name, array in arrays.items():
        if array.dtype.kind == "c":
            raise BadInput(
                f"{clean_text(str(path))}: '{clean_text(name, 60)}' is complex; {NEEDED}."
            )
    return {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}


def _placed(
    values: Mapping[str, np.ndarray], structure: Structure, where: str
) -> Float[np.ndarray, " P"]:
    """θ from arrays by parameter name; every parameter must be there, with its shape, finite."""
    names = [p.name for p in structure.parameters]
    for name in values:
        if name not in names:
            raise unknown("parameter", name, names, where)
    theta = np.zeros(structure.size)
    for parameter in structure.parameters:
        if parameter.name not in values:
            raise BadInput(f"{where} lacks the parameter '{parameter.name}' {parameter.shape}.")
        value = values[parameter.name]
        # Axes of length one may be left out: 2.0 for a weight of shape (1, 1).
        if [k for k in value.shape if k != 1] == [k for k in parameter.shape if k != 1]:
            value = value.reshape(parameter.shape)
        elif value.ndim == 0:
            # One number is that of every weight.
            value = np.full(parameter.shape, float(value))
        if value.shape != parameter.shape:
            raise BadInput(
                f"{where}: '{parameter.name}' has shape {value.shape}, and {parameter.shape} is needed."
            )
        if not np.isfinite(value).all():
            raise BadInput(f"{where}: '{parameter.name}' holds values that are not finite.")
        theta[parameter.start : parameter.stop] = value.ravel()
    return theta
