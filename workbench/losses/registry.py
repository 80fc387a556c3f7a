"""Every loss by the name that `loss.kind` has in a configuration."""

from __future__ import annotations

from collections.abc import Callable

from workbench.errors import unknown
from workbench.losses.cross_entropy import CrossEntropy
from workbench.losses.exponential import Exponential
from workbench.losses.exponential_cubed import ExponentialCubed
from workbench.losses.logistic import Logistic
from workbench.losses.logistic_cubed import LogisticCubed
from workbench.losses.loss import Loss
from workbench.losses.square import Square

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Square(),
        Logistic(),
        Exponential(),
        CrossEntropy(),
        ExponentialCubed(),
        LogisticCubed(),
    )
}


def loss_of(name: str) -> Loss:
    """The loss of that name; raises BadInput naming the nearest."""
    found = LOSSES.get(name)
    if found is None:
        raise unknown("loss", name, LOSSES, "loss.kind")
    return found


def names_where(test: Callable[[Loss], bool]) -> str:
    """The names of the losses that pass a test, quoted, for a sentence."""
    return ", ".join(f"'{name}'" for name, loss in LOSSES.items() if test(loss))
