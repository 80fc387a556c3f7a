"""How far a network's predictor is from that of the tangent kernel of its start."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float
from workbench.losses.loss import Loss

if TYPE_CHECKING:
    from torch import nn

    from workbench.theory.numerics.separability import Inseparable

MOST_NUMBERS = 1 << 24
"""Most samples × parameters of the tangents that are held at once."""


@dataclass(frozen=True, eq=False)
class KernelPredictor:
    """The kernel's predictions `values` (m) for the held-out inputs, or, `of_training`, the training inputs.

    `scaled`: of the square loss, whose predictor has a size; a classifier has a direction alone.
    """

    values: Float[np.ndarray, " m"]
    scaled: bool
    of_training: bool

    def distance(self, outputs: Float[np.ndarray, " m"]) -> float:
        """‖Φ − f‖/‖f‖ over the inputs, of a classifier that of Φ/‖Φ‖ and f/‖f‖; NaN where Φ or f is 0."""
        size, own = np.linalg.norm(self.values), np.linalg.norm(outputs)
        if not size > 0.0 or not (self.scaled or own > 0.0):
            return float("nan")
        if self.scaled:
            return float(np.linalg.norm(outputs - self.values) / size)
        return float(np.linalg.norm(outputs / own - self.values / size))


def kernel_predictor(
    network: nn.Module,
    theta: Float[np.ndarray, " P"],
    samples: tuple[Array, Float[np.ndarray, " n"]],
    test: Array | None,
    loss: Loss,
) -> KernelPredictor | Inseparable:
    """That of the start θ (P), for the samples x (n, …), y (n), with the held-out inputs `test` (m, …).

    For labels ±1 the classifier of largest margin ⟨∇Φ(θ; x), v⟩ (JT20 §5), for the square loss the regression
    Φ(θ; x) + ⟨∇Φ(θ; x), v⟩ that meets the labels with the shortest v: where gradient flow goes on the network
    linearised at θ. The proof, where the tangents do not separate the labels.

    Raises:
        ValueError: a tangent is 0; or as `hard_margin_svm`.
    """
    import torch

    from workbench.engine.programs.blocks import plain_outputs
    from workbench.models.network import flatten
    from workbench.models.tangent_features import tangents

    own = copy.deepcopy(network)
    flat = flatten(own, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        flat.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
    parameters = [p for p in own.parameters() if p.requires_grad]

    def outputs(x: Array) -> Float[np.ndarray, " n"]:
        with torch.no_grad():
            return plain_outputs(own(torch.from_numpy(np.asarray(x, dtype=np.float64)))).numpy()

    # With scipy behind them: no screen waits for it that draws another run.
    from workbench.theory.margin.tangent_classifier import tangent_classifier
    from workbench.theory.margin.tangent_regression import tangent_regression
    from workbench.theory.numerics.separability import Inseparable

    x, y = samples
    features = tangents(own, parameters, x)
    if loss.regression:
        v = tangent_regression(features, y - outputs(x))
    else:
        if not features.any(axis=1).all():
            raise ValueError(
                "the tangent of a sample at the start is 0, and no classifier gets it right"
            )
        solved = tangent_classifier(features, y)
        if isinstance(solved, Inseparable):
            return solved
        v = solved[0]
    if test is None:
        values = features @ v
    else:
        block = max(1, MOST_NUMBERS // theta.size)
        parts = [test[start : start + block] for start in range(0, len(test), block)]
        values = np.concatenate([tangents(own, parameters, part) @ v for part in parts])
    if loss.regression:
        values = values + outputs(x if test is None else test)
    return KernelPredictor(values, loss.regression, test is None)
