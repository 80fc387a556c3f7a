"""Every norm that margins are measured in, by name, and whose step rule's it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm
from workbench.norms.spectral import Spectral

NORM_NAMES = ("l1", "linf", "spectral")
"""The norms besides ℓ2, in the order of their series; a series of theirs ends in `_` and the name."""
EUCLIDEAN = "l2"

Shapes = tuple[tuple[int, ...], ...]
"""Of the parameters that θ (P) is made of, one behind the other."""

_NORMS: Mapping[str, Callable[[Shapes], Norm]] = {
    EUCLIDEAN: lambda _: L2(),
    "l1": lambda _: L1(),
    "linf": lambda _: LInf(),
    "spectral": Spectral,
}

_OF_RULES: Mapping[str, str] = {
    "sign": "linf",
    "signum": "linf",
    "adam": "linf",
    "coordinate": "l1",
    "spectral": "spectral",
    "muon": "spectral",
}


def norm_called(name: str, shapes: Shapes) -> Norm:
    """The norm of that name, ℓ2's too, for a θ of parameters with these shapes."""
    return _NORMS[name](shapes)


def norm_of_rule(rule: str) -> str:
    """The name of the norm whose margin the steps of a rule (train.rule) raise on separable data.

    Adam's is ℓ∞ as long as its ε is small against the gradient. ℓ2 is that of every rule along −∇𝓛, and of
    one that is not known.
    """
    return _OF_RULES.get(rule, EUCLIDEAN)
