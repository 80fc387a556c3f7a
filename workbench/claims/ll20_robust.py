"""LL20 J.2: training longer raises the margin, and with it the L2-robustness (Table 1's CNN, Fig. 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.arrays import Float
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.kh24_checks import Bound, judged, most
from workbench.claims.lab import Lab, TrainedRun
from workbench.claims.ll20_images import TENFOLD, falls, first_below, table1_config
from workbench.data.load import load_dataset
from workbench.inspector.lipschitz import lipschitz_product
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.robustness import PICTURES, Robustness, robustness
from workbench.inspector.state import InspectedState
from workbench.measures.margins import sample_margins
from workbench.models.build import build_model
from workbench.models.network import flatten
from workbench.record.robustness_file import keep_robustness

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


def experiment(lab: Lab, size: Size) -> tuple[list[Model], Path | None]:
    """Table 1's training; every sample attacked and certified at each tenfold of −log 𝓛."""
    config = table1_config(size)
    run = lab.train(config)
    return looked_at(run, size), run.folder


def looked_at(run: TrainedRun, size: Size) -> list[Model]:
    """The networks of a run of `table1_config` at each tenfold of −log 𝓛 up to Table 1's last."""
    config = table1_config(size)
    data = load_dataset(config.data)
    network = build_model(config.model, data.x.shape[1:], data.n_classes, config.init.seed)
    risk = RiskModel(network, data.x, data.y, config.loss.kind, config.loss.reduction)
    models = []
    for row in first_below(run, TENFOLD):
        state = InspectedState.of(
            risk, run.structure, run.theta[row], order=4.0, learning_rate=1.0, step=int(run.step[row])
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


def measure(models: Sequence[Model]) -> Measured:
    """Mean robust accuracy over small radii, risk by risk, and both lower bounds against the attack."""
    first = models[0].found.attack
    small = float(np.quantile(first, SMALL, method="higher"))
    radii = np.linspace(0.0, small, RADII)
    accuracy = [float(np.mean(model.found.accuracy(radii))) for model in models]
    names = [f"10^−{h:.3g}" for h in TENFOLD]
    return Measured(
        {
            AREA: falls(accuracy),
            WHOLE: accuracy[0] - accuracy[-1],
            MARGIN: falls([model.margin for model in models]),
            BELOW: _over([model.plain for model in models], models),
            CERTIFIED: _over([model.found.bound for model in models], models),
            WRONG: -most(-model.still_wrong for model in models),
        },
        {
            "small radii go up to": small,
            **{
                f"robust accuracy at small radii, {n}": a
                for n, a in zip(names, accuracy, strict=True)
            },
            **{
                f"median distance, {n}": float(np.median(m.found.attack))
                for n, m in zip(names, models, strict=True)
            },
            **{
                f"median certified radius, {n}": float(np.median(m.found.bound))
                for n, m in zip(names, models, strict=True)
            },
        },
    )


def _over(bounds: Sequence[Float[np.ndarray, " k"]], models: Sequence[Model]) -> float:
    """The largest lower bound over upper bound."""
    ratios = []
    for bound, model in zip(bounds, models, strict=True):
        right = model.found.attack > 0
        ratios.append(bound[right] / model.found.attack[right])
    return most(np.concatenate(ratios))


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Fig. 8's order at small radii; nothing found nearer than what is certified."""
    bounds: list[Bound] = [
        (AREA, "≤", 0.0, ""),
        (WHOLE, "<", 0.0, ""),
        (MARGIN, "<", 0.0, ""),
        (BELOW, "≤", 1.0, ""),
        (CERTIFIED, "≤", 1.0, ""),
        (WRONG, "=", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-J2",
        paper="LL20",
        place="App. J.2, Fig. 8",
        statement="Training longer with the loss-based rate, and so a larger normalized margin, raises the "
        "robust accuracy at small radii; it never falls below the bound q/β, β the margin's Lipschitz "
        "constant.",
        method="Table 1's run at each tenfold of −log 𝓛 up to 10^−881; Carlini and Wagner's L2 attack, "
        "polished, on every training sample; small radii are those within which it reaches a quarter of the "
        "samples at the first of these risks.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="robustness",
    ),
)
