"""A loss of the user's own: outputs and labels in, the loss of every sample out.

    class Huber:
        labels = "real"

        def __init__(self, delta=1.0):
            self.delta = delta

        def losses(self, outputs, y):
            return torch.nn.functional.huber_loss(outputs, y, reduction="none", delta=self.delta)

`labels` says what y holds: "real" (values to be met), "binary" (−1 and 1) or "classes" (0..C−1). `outputs`
are (n), with classes (n, C), with several targets a sample (n, k) as y is, and ℓ (n) is never below 0; torch
differentiates it, twice where curvature is asked for. Sample i's loss depends on that sample alone, and the
class remembers nothing.

A class with `log_losses(outputs, y)`, log ℓ (n), in its place is right as far as log ℓ is a float; with
`losses` the risk is 0, and nothing moves, where ℓ itself is below one. What LL20 says of a loss by its
inverse (γ~, certificates, rates) is not said of it, and no verdict takes it for convex.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, get_args

import numpy as np

from workbench.arrays import Array, Float
from workbench.errors import BadInput, clean_text
from workbench.losses.loss import Labels, Loss
from workbench.losses.pairs import PairWeights

if TYPE_CHECKING:
    from torch import Tensor


class OwnLosses(Protocol):
    """What a class in loss.class provides; it is made as `Class(**loss.arguments)`."""

    labels: Labels

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """ℓ (n) of outputs (n) or (n, C) and labels y (n); or `log_losses`, its natural logarithm."""
        ...


class OwnLoss(Loss):
    """An `OwnLosses` as a loss of the workbench: all of it from ℓ, or log ℓ, and autograd.

    Raises BadInput where its methods raise, or give anything but n numbers from 0 with a gradient.
    """

    convex: ClassVar[bool] = False

    def __init__(self, made: OwnLosses, path: str) -> None:
        # Of an object here, as one class stands for all of the user's.
        self.name, self.labels = path, made.labels  # type: ignore[misc]
        self.made: Any = made
        self.in_logs = callable(getattr(made, "log_losses", None))

    @property
    def key(self) -> str:
        """Its class."""
        return f"loss.class '{clean_text(self.name, 120)}'"

    def log_losses(
        self, outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "T n"]:
        """log ℓ, a row at a time: its bits depend on no other row."""
        import torch

        # What a file or a network holds may be read-only, or in another order.
        labels = torch.from_numpy(np.array(y, dtype=np.float64))
        rows = [torch.from_numpy(np.array(row, dtype=np.float64)) for row in outputs]
        with torch.no_grad():
            found = [self.log_losses_tensor(row, labels).numpy() for row in rows]
        return np.stack(found) if found else np.zeros((0, len(y)))

    def log_losses_tensor(self, outputs: Tensor, y: Tensor) -> Tensor:
        """log ℓ."""
        found = self._given(outputs, y)
        return found if self.in_logs else found.log()

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """∂ℓ/∂Φ with a scale of one; from log ℓ, ∂log ℓ/∂Φ · ℓ over the largest ℓ."""
        import torch

        with torch.enable_grad():
            free = outputs.detach().clone().requires_grad_()
            found = self._given(free, y)
            try:
                (slope,) = torch.autograd.grad(found.sum(), free)
            except RuntimeError as error:
                raise BadInput(
                    f"{self.key} cannot be differentiated: {clean_text(str(error), 200)}."
                ) from error
        if not self.in_logs:
            return slope, None
        held = found.detach()
        top = held.max()
        share = (held - top).exp()
        return slope * (share if slope.ndim == 1 else share[:, None]), top

    def residual(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "n ..."]:
        """−∂ℓ/∂Φ."""
        weights, log_scale = self._weights(outputs, y)
        return -weights * np.exp(log_scale)

    def scaled_residual(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "n ..."]:
        """The same over its largest; of `losses` as far as that is a float."""
        weights, _ = self._weights(outputs, y)
        top = np.abs(weights).max()
        return -weights / top if top > 0.0 else weights

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ ℓ."""
        found = self._given(outputs, y)
        return (found.exp() if self.in_logs else found).sum()

    def pair_weights(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> PairWeights:
        """Of the workbench's losses only; raises BadInput."""
        raise BadInput(
            f"{self.key}: the curvature of a risk far from the origin is not known of it."
        )

    def require_fitting(self, y: Float[np.ndarray, "n ..."]) -> None:
        """Try it on outputs of 0 for those labels; raises BadInput."""
        several = self.labels == "classes" or y.ndim == 2
        self._weights(np.zeros((len(y), self.outputs(y)) if several else len(y)), y)

    def _weights(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> tuple[Array, float]:
        import torch

        held = torch.from_numpy(np.array(outputs, dtype=np.float64))
        weights, top = self.cotangent(held, torch.from_numpy(np.array(y, dtype=np.float64)))
        return weights.numpy(), 0.0 if top is None else float(top)

    def _given(self, outputs: Tensor, y: Tensor) -> Tensor:
        """ℓ or log ℓ (n) as the class gives it, checked."""
        from torch import Tensor

        method = "log_losses" if self.in_logs else "losses"
        try:
            found = getattr(self.made, method)(outputs, y)
        except Exception as error:
            raise BadInput(
                f"{self.key} fails: {type(error).__name__}: {clean_text(str(error))}."
            ) from error
        shape = tuple(found.shape) if isinstance(found, Tensor) else None
        if shape != (len(y),) or not found.is_floating_point():
            what = type(found).__name__ if shape is None else f"{found.dtype} of shape {shape}"
            raise BadInput(
                f"{self.key}: {method} gives {what}, and one number a sample is needed, shape ({len(y)},)."
            )
        if outputs.requires_grad and not found.requires_grad:
            raise BadInput(f"{self.key}: {method} gives losses without a gradient in the outputs.")
        if not self.in_logs and bool((found.detach() < 0.0).any()):
            least = float(found.detach().min())
            raise BadInput(f"{self.key}: {method} gives {least:g}, and a loss is 0 or more.")
        return found


def own_loss(made: Any, path: str) -> OwnLoss:
    """The loss of an object that a class of the user's made; raises BadInput for what it lacks."""
    key = f"loss.class '{clean_text(path, 120)}'"
    labels, allowed = getattr(made, "labels", None), get_args(Labels)
    if labels not in allowed:
        raise BadInput(
            f"{key} declares labels = {clean_text(repr(labels), 60)}; allowed: "
            f"{', '.join(map(repr, allowed))}."
        )
    if not any(callable(getattr(made, name, None)) for name in ("losses", "log_losses")):
        raise BadInput(
            f"{key} has no method losses(outputs, y), which gives the loss of every sample, nor "
            "log_losses(outputs, y)."
        )
    return OwnLoss(made, path)
