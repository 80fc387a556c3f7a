"""A network linearised at its start, the predictor of its neural tangent kernel: JT20 Fig. 1 and App. A."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from workbench.models.network import Network
from workbench.models.structure import Description, Layer, Neurons
from workbench.models.tangent import value_and_slope


class Linearised(Network):
    """Φ(θ; x) = ⟨∇Φ_0(θ_0; x), θ⟩, plus Φ_0(θ_0; x) with `constant`; Φ_0 the base network at θ_0, frozen.

    The parameters have the base's names and shapes. Without the constant Φ is linear in θ, so homogeneous
    of order 1 with all of θ as its one layer; with it there is no order. At a kink the gradient is the one
    autograd takes.
    """

    def __init__(self, base: Network, constant: bool) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.constant = constant
        for name, start in base.named_parameters():
            self.register_parameter(name, nn.Parameter(torch.zeros_like(start)))
        self.names = tuple(name for name, _ in base.named_parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n), or (n, C) with several, for the inputs (n, …) of the base."""
        # A stand-in for the weights must not be seen by whoever copies this module meanwhile, so the
        # base lends its tensors to a shell of its own.
        shell = copy.copy(self.base)
        shell.__dict__["_parameters"] = dict(self.base._parameters)
        start = {name: self.base.get_parameter(name) for name in self.names}
        tangent = {name: getattr(self, name) for name in self.names}

        def outputs(parameters: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(shell, parameters, (x,))

        # The base's gates are frozen: those who open or hold ReLU gates must not meet them.
        with torch._C.DisableTorchFunction():
            value, slope = value_and_slope(outputs, start, tangent)
        return value + slope if self.constant else slope

    def describe(self) -> Description:
        """All of θ as one layer: the terms of a sum have no order by themselves. Neurons are the base's, as
        rows: the theory of separable neurons does not speak of their tangents.

        The base's pass forward, back, and through both again: measured, 3.0 to 4.3 times the base's.
        """
        found = self.base.describe().neurons
        rows = None if found is None or found.apart else Neurons(found.incoming, leak=1.0)
        order = None if self.constant else 1.0
        return Description(
            layers=(Layer("tangent", self.names, order=order),),
            neurons=rows,
            linearised=True,
            counted=("base", 4),
        )
