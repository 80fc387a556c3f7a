"""Networks of order above 2 near the origin (Kumar, Haupt, arXiv 2403.08121): the time goes like
δ^{−(L−2)}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.claims.beyond.blow_up import blow_up_times, three_layer_gradient
from workbench.claims.checks import Bound, judged
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.escape_times import (
    NEAR,
    EscapeTimes,
    escape_times,
    neighbouring_slopes,
)
from workbench.claims.lab import Lab
from workbench.claims.over_seeds import over_seeds
from workbench.config.models import DeepReluModel
from workbench.config.run import RunConfig
from workbench.data.load import load_dataset
from workbench.models.start import first_theta
from workbench.run.network import network_of

ORDER = 3.0
SCALES: Mapping[Size, Mapping[str, tuple[float, ...]]] = {
    "quick": {"init.scale": (3e-2, 1e-2, 3e-3), "train.steps": (13000, 40000, 130000)},
    "full": {
        "init.scale": (1e-1, 3e-2, 1e-2, 3e-3, 1e-3),
        "train.steps": (4000, 13000, 40000, 130000, 400000),
    },
}
SEEDS: Mapping[Size, range] = {"quick": range(6), "full": range(100)}
SURELY = 0.8
"""A start whose NCF blows up within this part of the steps is one that leaves within all of them."""


@dataclass(frozen=True, eq=False)
class Law:
    """Times of a network of order 3, and `blow_up` (S), the steps after which the flow of the NCF from
    θ(0)/δ is infinite, ∞ where it never is. `last`: of the smallest scale, all of its steps."""

    times: EscapeTimes
    blow_up: Float[np.ndarray, " S"]
    last: float


def experiment(lab: Lab, size: Size) -> tuple[Law, None]:
    """Three layers of ReLU from every seed and scale; the flow of the NCF from every seed's directions."""
    scales = SCALES[size]
    times, config = escape_times(lab, "escape-time-order-3", ORDER, SEEDS[size], scales)
    steps = blow_up_steps(config, times.seed)
    return Law(times, steps, float(scales["train.steps"][-1])), None


def blow_up_steps(config: RunConfig, seeds: tuple[int, ...]) -> Float[np.ndarray, " S"]:
    """The flow's time over the step size, from θ(0)/δ of every seed."""
    data = load_dataset(config.data)
    if not isinstance(config.model, DeepReluModel) or len(config.model.widths) != 2:
        raise ValueError("the gradient is written for three layers of ReLU")
    share = 1.0 / data.n if config.loss.reduction == "mean" else 1.0
    first, second = config.model.widths
    gradient = three_layer_gradient(data.x, share * data.y, (first, second))
    structure = network_of(config, data).structure
    unit = config.init.model_copy(update={"scale": 1.0})
    starts = [first_theta(unit.model_copy(update={"seed": seed}), structure) for seed in seeds]
    return blow_up_times(gradient, np.stack(starts), ORDER) / config.train.lr


SLOPE = "slope of ln time over ln(1/δ) at the smallest scales"
AGAINST = "time δ over the NCF's until it blows up"
SLOPES_OFF = "slope off L − 2 = 1, smallest scales over largest"
TIMES_OFF = "time δ off the NCF's, smallest scale over largest"
WRONG = "starts that stay though the NCF blows up, or leave though it does not"


def measure(law: Law) -> Measured:
    """The power with its interval over seeds, and the times against those of the NCF alone."""
    times, x = law.times, law.times.log_inverse
    leave = np.isfinite(times.steps).all(axis=1)
    local = neighbouring_slopes(x, np.log(times.steps[leave]))
    power = over_seeds(local[:, -1])
    ratio = times.steps[leave] * times.scale / law.blow_up[leave, None]
    found = over_seeds(ratio[:, -1])
    slopes_off, times_off = (np.abs(a - 1.0).mean(axis=0) for a in (local, ratio))
    surely = law.blow_up < SURELY * law.last * times.scale[-1]
    wrong = (surely & ~leave) | (np.isinf(law.blow_up) & leave)
    return Measured(
        {
            f"{SLOPE}: 95 % interval from": power.low,
            f"{SLOPE}: 95 % interval to": power.high,
            SLOPES_OFF: float(slopes_off[-1] / slopes_off[0]),
            f"{AGAINST}: 95 % interval from": found.low,
            f"{AGAINST}: 95 % interval to": found.high,
            TIMES_OFF: float(times_off[-1] / times_off[0]),
            WRONG: float(wrong.sum()),
        },
        {
            "seeds": float(len(times.seed)),
            "seeds that leave from every scale": float(leave.sum()),
            "seeds whose NCF never blows up": float(np.isinf(law.blow_up).sum()),
            f"{SLOPE}: mean": power.mean,
            "the same at the largest scales": float(local[:, 0].mean()),
            f"{AGAINST}: mean": found.mean,
            "steps from the largest scale, mean": float(times.steps[leave, 0].mean()),
            "steps from the smallest scale, mean": float(times.steps[leave, -1].mean()),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Both intervals are near 1 where δ is smallest, and nearer than where it is largest."""
    bounds: list[Bound] = [
        (f"{SLOPE}: 95 % interval from", "≥", 1.0 - NEAR, ""),
        (f"{SLOPE}: 95 % interval to", "≤", 1.0 + NEAR, ""),
        (SLOPES_OFF, "<", 1.0, ""),
        (f"{AGAINST}: 95 % interval from", "≥", 1.0 - NEAR, ""),
        (f"{AGAINST}: 95 % interval to", "≤", 1.0 + NEAR, ""),
        (TIMES_OFF, "<", 1.0, ""),
        (WRONG, "=", 0.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24b-ESCAPE",
        paper="KH24b",
        place="order above 2, over many starts",
        statement="A network of order 3 from weights of scale δ stays near the origin for a time that "
        "grows like δ^{−(L−2)} = 1/δ, which is the time in which the flow of its NCF from the same "
        "directions blows up, over δ.",
        method="Study escape-time-order-3: three layers of ReLU on KH24's circle, seeds by scales; steps "
        "until the risk has fallen by 1 %. The slope of ln time over ln(1/δ) at the two smallest scales "
        "and the time over that of the NCF's flow from θ(0)/δ, integrated to its KKT point; Student's "
        "intervals over seeds.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
