"""z, what small neurons correlate with: minus the risk's slope in the outputs (KH24 Lemma 5.2, Thm 5.5)."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.measures.log_risk import Loss


def residual(
    outputs: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], loss: Loss
) -> Float[np.ndarray, " n"]:
    """z_i = −ℓ'(Φ(x_i), y_i) of the summed risk: y − Φ for the square loss, y at the origin.

    Logistic: y σ(−yΦ), y/2 at the origin; exponential: y e^{−yΦ}. Raises ValueError for losses with
    an output a class: there is a z for each.
    """
    if loss == "square":
        return y - outputs
    with np.errstate(over="ignore"):
        if loss == "exponential":
            return y * np.exp(-y * outputs)
        if loss == "logistic":
            return y * np.exp(-np.logaddexp(0.0, y * outputs))
    raise ValueError(f"the loss {loss} has no single residual")


def scaled_residual(
    outputs: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], loss: Loss
) -> Float[np.ndarray, " n"]:
    """z over its largest |z_i|, for margins of any size: z itself is below a float from e^{−745} on.

    The KKT points of the correlation function are those of z. Raises ValueError but for logistic and
    exponential losses.
    """
    q = y * outputs
    if loss not in ("logistic", "exponential"):
        raise ValueError(f"the residual of the loss {loss} is not scaled")
    log_z = -q if loss == "exponential" else -np.logaddexp(0.0, q)
    return np.asarray(y * np.exp(log_z - log_z.max()))
