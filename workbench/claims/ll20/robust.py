"""LL20 J.2: training longer raises the margin, and with it the L2-robustness (Table 1's CNN, Fig. 8).

The CNN's distances are an attack's; beside it a network small enough that its distances are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.claims.ll20.images import TENFOLD, falls, first_below, table1_config
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.data.load import load_dataset
from workbench.inspector.lipschitz import lipschitz_product
from workbench.inspector.robustness import PICTURES, Robustness, robustness
from workbench.inspector.state import InspectedState
from workbench.measures.margins import sample_margins
from workbench.models.network import flatten
from workbench.record.robustness_file import keep_robustness
from workbench.run.network import network_of

SMALL = 0.25
"""Small radii are those within which the attack reaches at most this share of the first network's samples."""
RADII = 200


@dataclass(frozen=True, eq=False)
class Model:
    """The network at one risk of the run: γ̄_m of all samples, robustness of each, and LL20's own
    lower bounds q/β, β = √2 ∏‖W_k‖, `plain` (k)."""

    margin: float
    found: Robustness
    plain: Float[np.ndarray, " k"]
    still_wrong: float
    """Share of adversarial examples that are misclassified when evaluated again."""


CNN, EXACT = "CNN", "small"
"""The networks looked at."""
WIDTH: Mapping[Size, int] = {"quick": 8, "full": 16}
"""Neurons of the small one."""
Evidence = Mapping[str, Sequence[Model]]


def small_config(size: Size) -> RunConfig:
    """Table 1's training of a two-layer ReLU network."""
    settings = [
        f'name="LL20-J2, {WIDTH[size]} neurons"',
        f'model={{kind="deep-relu", widths=[{WIDTH[size]}]}}',
    ]
    return parse_config(
        override(parse_toml(to_toml(table1_config(size)), "LL20-J2"), settings), "LL20-J2"
    )


def experiment(lab: Lab, size: Size) -> tuple[Evidence, Path | None]:
    """Table 1's training of both; every sample attacked and certified at each tenfold of −log 𝓛."""
    found, folders = {}, []
    for name, config in ((CNN, table1_config(size)), (EXACT, small_config(size))):
        run = lab.train(config)
        found[name] = looked_at(run, config)
        folders.append(run.folder)
    return found, folders[0]


def looked_at(run: TrainedRun, config: RunConfig) -> list[Model]:
    """The networks of a run at each tenfold of −log 𝓛 up to Table 1's last."""
    data = load_dataset(config.data)
    made = network_of(config, data)
    network, risk = made.model, made.risk()
    order = float(len(run.structure.layers))
    models = []
    for row in first_below(run, TENFOLD):
        state = InspectedState.of(
            risk, run.structure, run.theta[row], order=order, learning_rate=1.0, step=int(run.step[row])
        )  # fmt: skip
        found = robustness(
            state, np.arange(data.n), box=PICTURES, layer_orders=(1.0,) * len(run.structure.layers)
        )
        if run.folder is not None:
            keep_robustness(run.folder, found.as_json())
        flatten(network, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(state.theta))
        beta = np.sqrt(2.0) * lipschitz_product(network, data.x.shape[1:])
        assert found.examples is not None
        again = risk.outputs_at(state.theta, found.examples)
        wrong = sample_margins(again[None], data.y)[0] <= 0
        models.append(
            Model(
                float(run.series["margin_multi"][row]),
                found,
                np.maximum(found.margin, 0.0) / beta,
                float(np.mean(wrong)),
            )
        )
    return models


# --- what is measured ----------------------------------------------------------------------------

AREA = "robust accuracy at small radii falls over a tenfold of −log 𝓛 by, most"
WHOLE = "robust accuracy at small radii falls from the first risk to the last by"
MARGIN = "γ̄_m falls over a tenfold of −log 𝓛 by, most"
BELOW = "q/β over the distance of an adversarial example, most"
CERTIFIED = "certified radius over that distance, most"
WRONG = "adversarial examples misclassified when evaluated again"
LEFT_OUT = "samples left out of these as they are misclassified themselves, share, most"
SHARE = "samples whose distance is exact, share, least"
MISCLASSIFIED = 10.0 ** -TENFOLD[0] / float(np.log(2.0))
"""Most that can be misclassified at the first risk: each costs log 2 or more of the mean cross-entropy."""


def named(quantity: str, network: str) -> str:
    """A quantity of one of the networks."""
    return f"{quantity}, {network}"


def measure(evidence: Evidence) -> Measured:
    """Of both networks, and how many distances of the small one are exact."""
    quantities: dict[str, float] = {}
    observed: dict[str, float] = {}
    for network, models in evidence.items():
        found, seen = _of_network(models)
        quantities |= {named(name, network): value for name, value in found.items()}
        observed |= {named(name, network): value for name, value in seen.items()}
    quantities[named(SHARE, EXACT)] = least(
        float(np.mean(model.found.exact)) for model in evidence[EXACT]
    )
    return Measured(quantities, observed)


def _of_network(models: Sequence[Model]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean robust accuracy over small radii, risk by risk, and both lower bounds against the distances."""
    first = models[0].found.attack
    small = float(np.quantile(first, SMALL, method="higher"))
    radii = np.linspace(0.0, small, RADII)
    accuracy = [float(np.mean(model.found.accuracy(radii))) for model in models]
    quantities = {
        AREA: falls(accuracy),
        WHOLE: accuracy[0] - accuracy[-1],
        MARGIN: falls([model.margin for model in models]),
        BELOW: _over([model.plain for model in models], models),
        CERTIFIED: _over([model.found.bound for model in models], models),
        WRONG: least(model.still_wrong for model in models),
        LEFT_OUT: most(float(np.mean(model.found.attack == 0)) for model in models),
    }
    observed = {"small radii go up to": small}
    for height, area, model in zip(TENFOLD, accuracy, models, strict=True):
        at = f"10^−{height:.3g}"
        observed[f"robust accuracy at small radii, {at}"] = area
        observed[f"median distance, {at}"] = float(np.median(model.found.attack))
        observed[f"median certified radius, {at}"] = float(np.median(model.found.bound))
    return quantities, observed


def _over(bounds: Sequence[Float[np.ndarray, " k"]], models: Sequence[Model]) -> float:
    """The largest lower bound over upper bound."""
    ratios = []
    for bound, model in zip(bounds, models, strict=True):
        right = model.found.attack > 0
        ratios.append(bound[right] / model.found.attack[right])
    return most(np.concatenate(ratios))


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Fig. 8's order at small radii; nothing found nearer than what is certified; exact where it is small."""
    bounds: list[Bound] = []
    for network in (CNN, EXACT):
        bounds += [
            (named(AREA, network), "≤", 0.0, ""),
            (named(WHOLE, network), "<", 0.0, ""),
            (named(MARGIN, network), "<", 0.0, ""),
            (named(BELOW, network), "≤", 1.0, ""),
            (named(CERTIFIED, network), "≤", 1.0, ""),
            (named(WRONG, network), "=", 1.0, ""),
            (named(LEFT_OUT, network), "≤", MISCLASSIFIED, ""),
        ]
    bounds.append((named(SHARE, EXACT), "=", 1.0, ""))
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-J2",
        paper="LL20",
        place="App. J.2, Fig. 8",
        statement="Training longer with the loss-based rate, and so a larger normalized margin, raises the "
        "robust accuracy at small radii; it never falls below the bound q/β, β the margin's Lipschitz "
        "constant.",
        method="Table 1's run, and the same of a two-layer ReLU network, at each tenfold of −log 𝓛 up to "
        "10^−881; L2 distances of every training sample, by an attack from many starts for the CNN, exact "
        "for the small network; small radii are those within which a quarter of the samples is reached at "
        "the first of these risks.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="robustness",
    ),
)
