"""L2-robustness of a state: R(x) = inf ‖x' − x‖ over inputs x' that are misclassified (LL20 J.2).

An attack bounds it from above, layers' norms from below, and for two-layer networks a search of their
cells, which usually meets the attack: then R is exact. A curve of each bound against the radius holds the
robust accuracy, the share of samples with R > radius, between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.arrays import Bool, Float, Int
from workbench.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workbench.data.dataset import Dataset
    from workbench.inspector.state import InspectedState

Part = Literal["train", "test"]
PICTURES = (0.0, 1.0)
"""Domain of grey and colour values (LL20 J.2)."""
AT_ONCE = 128
"""Most samples attacked together."""
RADII = 41
MET = 1e-6
"""Relative distance of the bounds within which a distance is exact."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """Of the samples `index` (k) at a step: `attack` and `bound` (k), R's upper and lower bounds.

    `attack` is ∞ where no adversarial example was found, `bound` NaN where nothing is certified (then
    `why_no_bound` says why). `margin` (k): q. `box`: the domain of inputs, None for all of space.
    `margin_multi`: γ̄_m of all training samples, NaN where layers have no orders; `log10_risk` is theirs
    too. `examples` (k, …): x'. `on`: which samples `index` counts, those of the training or the held-out.
    """

    step: int
    index: Int[np.ndarray, " k"]
    margin: Float[np.ndarray, " k"]
    attack: Float[np.ndarray, " k"]
    bound: Float[np.ndarray, " k"]
    box: tuple[float, float] | None
    log10_risk: float
    margin_multi: float = float("nan")
    why_no_bound: str = ""
    examples: Float[np.ndarray, "k ..."] | None = field(default=None, repr=False)
    on: Part = "train"

    @property
    def exact(self) -> Bool[np.ndarray, " k"]:
        """Whether both bounds meet, to `MET`; also at 0, where the sample itself is misclassified, and at
        ∞, where nothing in the whole domain is."""
        return np.asarray(self.bound >= (1.0 - MET) * self.attack)

    @property
    def certified(self) -> bool:
        """Whether there are lower bounds."""
        return not self.why_no_bound

    def accuracy(self, radii: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
        """Share of samples for which no adversarial example is within each radius: never too small."""
        return np.mean(self.attack[:, None] > radii, axis=0)

    def certified_accuracy(self, radii: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
        """Share of samples that surely have none: never too large."""
        return np.mean((self.bound[:, None] > radii) & (self.margin[:, None] > 0), axis=0)

    def radii(self) -> Float[np.ndarray, " r"]:
        """Equally spaced from 0 to just past the largest finite distance."""
        finite = self.attack[np.isfinite(self.attack)]
        top = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
        return np.linspace(0.0, 1.02 * top, RADII)

    def as_json(self) -> dict[str, Any]:
        """Plain values; NaN and ∞ are for the caller to replace."""
        radii = self.radii()
        return {
            "step": self.step,
            "on": self.on,
            "log10_risk": self.log10_risk,
            "margin_multi": self.margin_multi,
            "box": None if self.box is None else list(self.box),
            "samples": self.index.tolist(),
            "margin": self.margin.tolist(),
            "attack": self.attack.tolist(),
            "bound": self.bound.tolist() if self.certified else None,
            "exact": self.exact.tolist(),
            "why_no_bound": self.why_no_bound,
            "radii": radii.tolist(),
            "accuracy": self.accuracy(radii).tolist(),
            "certified_accuracy": self.certified_accuracy(radii).tolist()
            if self.certified
            else None,
        }


def spread_samples(n: int, count: int) -> Int[np.ndarray, " k"]:
    """`count` of n samples, evenly spread; all of them where there are not more."""
    if count >= n:
        return np.arange(n)
    return np.linspace(0, n - 1, count).round().astype(np.int64)


def robustness(
    state: InspectedState,
    index: Sequence[int] | Int[np.ndarray, " k"],
    *,
    box: tuple[float, float] | None,
    layer_orders: tuple[float, ...] | None = None,
    test: Dataset | None = None,
    device: torch.device | None = None,
    report: Callable[[float], None] = lambda done: None,
) -> Robustness:
    """Attack and certify the samples `index` of a classifying state, or of those held out where `test` has
    them.

    float64, on the CPU, on a copy of the network (batch statistics held); the attack shows its inputs to
    another copy on `device`, where one is given. `layer_orders`: k_1..k_m, for γ̄_m; `report` is told the
    share done. Raises BadInput for a network that does not look at its inputs.
    """
    import torch

    from workbench.engine.programs.blocks import outputs_of, samples_a_block
    from workbench.inspector.attack import Attack, margins
    from workbench.inspector.exact_distance import exact_distances, is_two_layers
    from workbench.inspector.layer_chain import chain_of
    from workbench.inspector.lipschitz import certified_radius, why_no_bound

    chosen = np.asarray(index, dtype=np.int64)
    model = _held_copy(state)
    samples, labels = (state.x, state.y) if test is None else (test.x, test.y)
    x = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float64))
    y = torch.from_numpy(np.asarray(labels, dtype=np.float64))
    block = min(AT_ONCE, samples_a_block(model, x.requires_grad_(True)))
    if not model(x[:2]).requires_grad:
        raise BadInput(
            "The outputs of this network do not depend on its inputs, so that no other one is misclassified."
        )
    x = x.detach()
    q = margins(outputs_of(model, x[chosen], block), y[chosen]).numpy()
    attack, chain = Attack(model, x, y, box, device), chain_of(model, tuple(x.shape[1:]))
    cells = is_two_layers(chain)
    attacked = attack.run(chosen, block, lambda done: report(0.5 * done if cells else done))
    reason = why_no_bound(model, tuple(x.shape[1:])) or ""
    bound = np.full(len(chosen), np.nan)
    if not reason:
        parts = [chosen[i : i + block] for i in range(0, len(chosen), block)]
        bound = np.concatenate([certified_radius(model, x[p], y[p]).numpy() for p in parts])
    if chain is not None and cells:
        found = exact_distances(
            chain, attack, x[chosen], y[chosen], attacked, lambda done: report(0.5 + 0.5 * done)
        )
        attacked, bound = found.attacked, np.fmax(bound, found.bound)
    return Robustness(
        step=state.step,
        index=chosen,
        margin=q,
        attack=attacked.distance,
        bound=bound,
        box=box,
        log10_risk=state.log_risk / float(np.log(10.0)),
        margin_multi=_margin_multi(state, layer_orders),
        why_no_bound=reason,
        examples=attacked.found,
        on="train" if test is None else "test",
    )


def _held_copy(state: InspectedState) -> nn.Module:
    """The state's network in float64 on the CPU, its weights and batch statistics held."""
    import copy

    import torch

    from workbench.models.network import flatten

    model: nn.Module = copy.deepcopy(state.risk.model).eval()
    flatten(model, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(state.theta))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def _margin_multi(state: InspectedState, layer_orders: tuple[float, ...] | None) -> float:
    """γ̄_m; NaN where layers have no orders."""
    from workbench.measures.margins import margin_multi, sample_margins
    from workbench.measures.norms import layer_norms

    if layer_orders is None:
        return float("nan")
    norms = layer_norms(state.theta[None], state.structure)
    lowest = sample_margins(state.outputs[None], state.y).min(axis=-1)
    return float(margin_multi(lowest, norms, layer_orders)[0])
