"""The tangent kernel's predictor of a run's start, where its configuration asks for the distance from it."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.errors import BadInput
from workbench.measures.kernel_predictor import MOST_NUMBERS, KernelPredictor, kernel_predictor
from workbench.models.repeatable import is_steady
from workbench.run.network import ConfiguredNetwork
from workbench.theory.numerics.separability import Inseparable


def kernel_predictor_of(
    network: ConfiguredNetwork, start: Float[np.ndarray, " P"]
) -> KernelPredictor | None:
    """That of θ(0) = `start`; None where measures.kernel_distance is false.

    Raises:
        BadInput: the network, the labels or the samples allow no such predictor.
    """
    config, data = network.config, network.dataset
    if not config.measures.kernel_distance:
        return None
    numbers = data.n * network.structure.size
    why = ""
    if network.outputs > 1:
        why = f"needs one output, and the network has {network.outputs}"
    elif not network.loss.regression and data.labels != "binary":
        why = "needs labels −1 and 1, or the square loss"
    elif not is_steady(network.model) or network.mixes_samples:
        why = "needs outputs that depend on weights and a sample alone"
    elif numbers > MOST_NUMBERS:
        why = (
            f"holds the gradients of all samples, which are {numbers:,} numbers; allowed are up to "
            f"{MOST_NUMBERS:,}"
        )
    if why:
        raise BadInput(f"measures.kernel_distance = true {why}; leave it out.")
    test = None if data.test is None else data.test.x
    try:
        found = kernel_predictor(network.model, start, (data.x, data.y), test, network.loss)
    except ValueError as error:
        raise BadInput(f"measures.kernel_distance = true: {error}; leave it out.") from error
    if isinstance(found, Inseparable):
        raise BadInput(
            f"measures.kernel_distance = true: of the tangents at the start, {found.sentence}; leave it out."
        )
    return found
