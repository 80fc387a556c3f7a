"""What the inspector looks at: one state of a run.

`Session.inspected_state` makes one from a run that is training, `StoredRun.state` from a run's files. The
theory needs nothing else, so a state can be made by hand as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.risk_model import RiskModel
from workbench.losses.loss import Loss, Reduction
from workbench.measures.norms import neuron_norms
from workbench.models.structure import Neurons, Structure
from workbench.norms.l2 import L2
from workbench.norms.norm import Norm
from workbench.theory.ncf.neuron import NeuronKind, activation

if TYPE_CHECKING:
    from workbench.theory.ncf.ncf import Ncf

NEXT_TO_NOTHING = 1e-100
"""Share of the largest residual below which one is 0."""


@dataclass(frozen=True, eq=False)
class InspectedState:
    """θ (P) at a step with its outputs (n) or (n, C), and the gradient e^s g of the risk.

    `time`: of the flow; a step stands for `learning_rate` of it. `order`: L, None where Φ is not
    homogeneous. `z` (as outputs): −∂/∂Φ of the *summed* risk, what small weights correlate with
    (KH24 Lemma 5.2, Theorem 5.5). `last_step`: where the run is to end, None if not known. `norm`: in which
    the run's rule descends, ℓ2 for the gradient's.
    """

    step: int
    time: float
    theta: Float[Array, " P"]
    outputs: Float[Array, "n ..."]
    gradient: Float[Array, " P"]
    gradient_log_scale: float
    structure: Structure
    x: Array
    y: Float[Array, " n"]
    loss: Loss
    reduction: Reduction
    order: float | None
    learning_rate: float
    risk: RiskModel
    last_step: int | None = None
    norm: Norm = field(default_factory=L2)

    @classmethod
    def of(
        cls,
        risk: RiskModel,
        structure: Structure,
        theta: Float[Array, " P"],
        *,
        order: float | None,
        learning_rate: float,
        step: int = 0,
        time: float = 0.0,
        last_step: int | None = None,
        norm: Norm | None = None,
    ) -> InspectedState:
        """The state at θ; outputs and gradient are computed on the risk's own copy of the network."""
        theta = np.array(theta, dtype=np.float64)
        gradient, scale = risk.gradient(theta)
        return cls(
            step=step,
            time=time,
            theta=theta,
            outputs=risk.outputs(theta),
            gradient=gradient,
            gradient_log_scale=scale,
            structure=structure,
            x=risk.x,
            y=risk.y,
            loss=risk.loss,
            reduction=risk.reduction,
            order=order,
            learning_rate=learning_rate,
            risk=risk,
            last_step=last_step,
            norm=norm or L2(),
        )

    def at(self, theta: Float[Array, " P"]) -> InspectedState:
        """The same network and data with other weights."""
        gradient, scale = self.risk.gradient(theta)
        outputs = self.risk.outputs(theta)
        return replace(
            self, theta=theta, outputs=outputs, gradient=gradient, gradient_log_scale=scale
        )

    @property
    def log_risk(self) -> float:
        """log 𝓛, natural, with the run's reduction."""
        return float(self.loss.log_risk(self.outputs[None], self.y, self.reduction)[0])

    @property
    def log_risk_at_zero(self) -> float:
        """log 𝓛 of the network that outputs 0."""
        return self.loss.log_risk_at_zero(self.outputs.shape, self.y, self.reduction)

    @property
    def grad_norm_log(self) -> float:
        """log ‖∇𝓛‖; −∞ where it vanishes."""
        with np.errstate(divide="ignore"):
            return float(np.log(np.linalg.norm(self.gradient)) + self.gradient_log_scale)

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.y.shape[0])

    @property
    def flow_factor(self) -> float:
        """Rates of the run's flow over those of the summed risk's: 1, or 1/n for the average."""
        return 1.0 / self.n if self.reduction == "mean" else 1.0

    @cached_property
    def z(self) -> Float[Array, "n ..."]:
        """−∂/∂Φ of the summed risk: y − Φ for the square loss; label minus softmax by class.

        Of one output, entries far below the rounding of the largest are 0: exact searches for KKT points
        refuse sizes whose squares are no floats.
        """
        z = self.loss.residual(self.outputs, self.y)
        if z.ndim > 1:
            return z
        return np.where(np.abs(z) >= NEXT_TO_NOTHING * np.abs(z).max(), z, 0.0)

    # --- neurons ---

    @property
    def separable(self) -> Neurons | None:
        """The neurons, if the single-neuron theory applies to them: one output, a known kind."""
        neurons = self.structure.neurons
        known = neurons is not None and neurons.ncf is not None
        return neurons if known and self.outputs.ndim == 1 and self.x.ndim == 2 else None

    @property
    def kind(self) -> NeuronKind:
        """Their correlation function's kind; raises ValueError where they are not separable."""
        if self.separable is None or self.separable.ncf is None:
            raise ValueError("the neurons of this network are not separable")
        return NeuronKind(self.separable.ncf)

    @property
    def apart(self) -> bool:
        """Whether every neuron sees a coordinate of x of its own (a diagonal network)."""
        return self.separable is not None and self.separable.apart

    @cached_property
    def neuron_norm(self) -> Float[Array, " H"]:
        """Norm of every neuron's weights, √(‖u‖² + v²); empty where no neurons are declared."""
        if self.structure.neurons is None:
            return np.zeros(0)
        return np.asarray(neuron_norms(self.theta[None], self.structure)[0])

    @cached_property
    def weights(self) -> Float[Array, "H p"]:
        """Weights of every separable neuron as the theory orders them: u, or (v, u)."""
        u = self.structure.incoming(self.theta)
        v = self.structure.outgoing(self.theta)
        return u if v is None else np.column_stack([v, u])

    @cached_property
    def sees(self) -> Float[Array, " H"]:
        """What every neuron sees, as `ncf` takes it: the sign of z, which is its fixed output sign and +1
        where v is trained; of neurons apart the coordinate of x, from 0."""
        if self.apart:
            return np.arange(len(self.neuron_norm), dtype=float)
        if self.structure.outgoing(self.theta) is not None:
            return np.ones(len(self.neuron_norm))
        return self.structure.neuron_signs(self.theta)

    def ncf(self, by: float) -> Ncf:
        """The correlation function of neurons with that value of `sees`, one object a state."""
        from workbench.theory.ncf.ncf import Ncf

        neurons = self.separable
        if neurons is None:
            raise ValueError("the neurons of this network are not separable")
        if by not in self._ncfs:
            x = self.x[:, [int(by)]] if self.apart else self.x
            z = self.z if self.apart else by * self.z
            self._ncfs[by] = Ncf(x, z, self.kind, neurons.leak)
        return self._ncfs[by]

    @cached_property
    def _ncfs(self) -> dict[float, Ncf]:
        return {}

    @cached_property
    def heights(self) -> Float[Array, "H n"]:
        """What every separable neuron's activation sees: x_i·u_k, or x_ik u_k of neurons apart."""
        u = self.structure.incoming(self.theta)
        return u * self.x.T if self.apart else u @ self.x.T

    def contribution(self, index: Int[Array, " k"]) -> Float[Array, " n"]:
        """The part Σ_k Φ_k(x_i) of the output that some separable neurons make."""
        neurons = self.separable
        if neurons is None:
            raise ValueError("the neurons of this network are not separable")
        s = activation(self.heights[index], neurons.leak)
        v = self.structure.outgoing(self.theta)
        if v is None:
            return self.sees[index] @ s**2
        return v[index] @ s

    def place(
        self, theta: Float[Array, " P"], index: int, weights: Float[Array, " p"]
    ) -> Float[Array, " P"]:
        """A copy of θ with neuron `index` given other weights (u, or (v, u))."""
        neurons = self.separable
        if neurons is None:
            raise ValueError("the neurons of this network are not separable")
        moved = theta.copy()
        u = self.structure.parameter(neurons.incoming)
        d = (u.stop - u.start) // u.shape[0]
        moved[u.start + index * d : u.start + (index + 1) * d] = weights[-d:]
        if neurons.outgoing is not None:
            moved[self.structure.parameter(neurons.outgoing).start + index] = weights[0]
        return moved
