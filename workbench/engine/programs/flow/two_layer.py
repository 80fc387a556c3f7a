"""The field of squared neurons in closed form, and what it shares with that of neurons with kinks."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from workbench.arrays import Float, Int
from workbench.engine.programs.flow.neuron_rows import NeuronRows
from workbench.engine.programs.flow.place import MOST_ROWS, SLIGHT, WORTH, Field, Place, Pull
from workbench.losses.loss import Loss, Reduction


class TwoLayerField(Field):
    """Flow of Φ(x) = Σ_k a_k φ(⟨u_k, x⟩), 2-homogeneous; θ begins with u (H, d). Inputs x (n, d), y (n)."""

    engine = "flow-two-layer"

    def __init__(
        self,
        x: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        *,
        width: int,
        leak: float,
        loss: Loss,
        reduction: Reduction,
    ) -> None:
        super().__init__(y, loss=loss, reduction=reduction, order=2.0)
        self.x, self.turned = np.ascontiguousarray(x), np.ascontiguousarray(x.T)
        self.width, self.leak = width, leak
        self.inputs = width * x.shape[1]

    def before(self, point: Float[np.ndarray, " P"]) -> Float[np.ndarray, "H n"]:
        """⟨u_k, x_i⟩."""
        return point[: self.inputs].reshape(self.width, -1) @ self.turned

    @abstractmethod
    def rows(self, place: Place, chosen: Int[np.ndarray, " k"]) -> NeuronRows:
        """∂s_p of the pairs chosen."""

    def drift(self, place: Place, chosen: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """∂(e^{2x} s_p)/∂x · e^{−2x} of the pairs chosen; 0 in the near chart."""
        return 2.0 * place.margins[chosen] if place.far else np.zeros(len(chosen))

    def jacobian(self, place: Place, h: float, longest: float) -> tuple[NeuronRows, float]:
        """See Field."""
        rate, weight = self.rates(place, h), place.pairs.weight
        with np.errstate(invalid="ignore"):
            chosen = np.flatnonzero((rate * 4.0 * longest > WORTH) & (weight > SLIGHT))
        if len(chosen) > MOST_ROWS:
            chosen = np.sort(chosen[np.argsort(-weight[chosen], kind="stable")[:MOST_ROWS]])
        rows = self.rows(place, chosen)
        lengths = rows.lengths
        longest = float(lengths.max()) if len(chosen) else longest
        matters = rate[chosen] * lengths > WORTH
        return rows if matters.all() else self.rows(place, chosen[matters]), longest


class SquaredField(TwoLayerField):
    """φ = σ², σ a (leaky) ReLU; a = `signs` (H) is fixed."""

    def __init__(
        self,
        x: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        *,
        signs: Float[np.ndarray, " H"],
        leak: float,
        loss: Loss,
        reduction: Reduction,
    ) -> None:
        super().__init__(x, y, width=len(signs), leak=leak, loss=loss, reduction=reduction)
        self.signs = signs
        self.doubled = 2.0 * signs[:, None]

    def pull(self, point: Float[np.ndarray, " P"], scale: float, whole: bool) -> Pull:
        """See Field; `seen` is σ(s)σ'(s)."""
        s = self.before(point)
        bent = np.maximum(s, self.leak * s if self.leak else 0.0)
        outputs = self.signs @ (bent * bent)
        half = np.where(s > 0.0, bent, self.leak * bent) if self.leak else bent
        pairs = self.loss.pair_weights(scale * outputs, self.y)
        pull = ((half * pairs.toward) @ self.x) * self.doubled
        return Pull(pairs, outputs * pairs.cotangent, pull.ravel(), half)

    def rows(self, place: Place, chosen: Int[np.ndarray, " k"]) -> NeuronRows:
        """See TwoLayerField."""
        inner = place.seen[:, chosen] * place.pairs.cotangent[chosen] * self.doubled
        return NeuronRows(
            self.x[chosen],
            inner,
            None,
            None,
            place.scale * place.pairs.core(chosen),
            self.drift(place, chosen),
            place.point,
            place.slope,
            place.along * self.divisor,
            place.far,
        )
