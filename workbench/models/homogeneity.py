"""Homogeneity, measured: Φ(cθ; x) = c^L Φ(θ; x), for all of θ and layer by layer (LL20 §2, §4.4)."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.models.structure import Structure

TOLERANCE = 1e-6
NEAR = (0.5, 2.0, 3.0)
FAR = 26.0
"""Weights are scaled by 2^±26 as well, where a clamp or an offset shows that does nothing nearby; by less
where c^L would leave the range of a float. Powers of 2 scale without rounding."""
MOST_POWER = 500.0
"""Most log2 of c^L."""
DRAWS = 20
FEWER = ((4_000_000, 1), (1_000_000, 4), (0, 64))
"""(weights, inputs): on how many inputs a network of more than so many weights is looked at."""


@dataclass(frozen=True)
class LayerOrder:
    """A layer's order k and the largest deviation of the measured exponents from it."""

    name: str
    order: float | None
    deviation: float


@dataclass(frozen=True)
class Homogeneity:
    """The order L of the whole network and of each layer; None where Φ is not homogeneous.

    `deviation` is the largest |log(|Φ(cθ)|/|Φ(θ)|)/log c − L| seen, infinite where the sign of an output
    changes or an output is not finite.
    """

    order: float | None
    deviation: float
    layers: tuple[LayerOrder, ...]

    @property
    def layer_orders(self) -> tuple[float, ...] | None:
        """k_1..k_m if every layer has one, else None."""
        orders = tuple(layer.order for layer in self.layers)
        return tuple(o for o in orders if o is not None) if None not in orders else None


def measure_homogeneity(
    model: nn.Module, structure: Structure, x: Tensor, seed: int = 0
) -> Homogeneity:
    """Measure the orders at a seeded random θ on up to 64 of the inputs x (n, …), in float64 on the CPU;
    on fewer of them where there are more than a million weights (`FEWER`).

    The network is probed at weights of He's size: a start of 1e−5 would hide a bias behind rounding. Where
    every output vanishes there (deep and narrow ReLU networks), θ is drawn again. Batch statistics are
    switched off (eval mode).
    """
    probe = copy.deepcopy(model).to(device="cpu", dtype=torch.float64).eval()
    few = next(count for weights, count in FEWER if structure.size > weights or not weights)
    inputs = x[:few].detach().to(device="cpu", dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    names = {name: p for name, p in probe.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for _ in range(DRAWS):
            _draw(names.values(), generator)
            base = probe(inputs)
            if bool((base != 0).any()):
                break
        order, deviation = _order(probe, list(names.values()), inputs, base)
        layers = []
        for layer in structure.layers:
            members = [names[name] for name in layer.parameters]
            layers.append(LayerOrder(layer.name, *_order(probe, members, inputs, base)))
    return Homogeneity(order, deviation, tuple(layers))


def _draw(weights: Iterable[Tensor], generator: torch.Generator) -> None:
    """Random weights of He's size, in place."""
    for tensor in weights:
        if not tensor.numel():
            continue
        fan_in = tensor[0].numel() if tensor.ndim > 1 else max(1, tensor.numel())
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(noise * (2.0 / fan_in) ** 0.5)


def _order(
    probe: nn.Module, members: list[nn.Parameter], inputs: Tensor, base: Tensor
) -> tuple[float | None, float]:
    """The exponent by which the outputs scale with `members`, and its largest deviation."""
    # Outputs that vanish (dead neurons) carry no exponent.
    alive = base.abs() > 1e-12 * base.abs().max().clamp(min=1e-300)
    if not bool(base.isfinite().all()) or not alive.any():
        return None, float("inf")
    near = _exponents(probe, members, inputs, base, alive, NEAR)
    order, deviation = _common(near)
    if order is None or near is None:
        return None, deviation
    reach = 2.0 ** min(FAR, MOST_POWER // max(1.0, abs(order)))
    far = _exponents(probe, members, inputs, base, alive, (1.0 / reach, reach))
    return _common(None if far is None else torch.cat([near, far]))


def _exponents(
    probe: nn.Module,
    members: list[nn.Parameter],
    inputs: Tensor,
    base: Tensor,
    alive: Tensor,
    scales: tuple[float, ...],
) -> Tensor | None:
    """log(Φ(cθ)/Φ(θ))/log c by scale and output; None where a sign changes or a value is not finite."""
    kept = [m.clone() for m in members]
    found: list[Tensor] = []
    for scale in scales:
        for member, value in zip(members, kept, strict=True):
            member.copy_(scale * value)
        ratio = (probe(inputs) / base)[alive]
        found.append(ratio.log() / torch.tensor(scale, dtype=torch.float64).log())
    for member, value in zip(members, kept, strict=True):
        member.copy_(value)
    stacked = torch.stack(found)
    return stacked if bool(stacked.isfinite().all()) else None


def _common(exponents: Tensor | None) -> tuple[float | None, float]:
    """The exponent that all have up to `TOLERANCE`, if any, and the largest deviation from the middle one."""
    if exponents is None:
        return None, float("inf")
    # Adding 0 turns −0 into 0.
    order = round(float(exponents.median()), 3) + 0.0
    deviation = float((exponents - order).abs().max())
    return (order if deviation <= TOLERANCE else None), deviation
