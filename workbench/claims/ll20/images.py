"""LL20 Table 1 and Fig. 1 on scikit-learn's digits: the CNN of App. J under both learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from workbench.arrays import Float, Int
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

LOWEST = -881.0
"""log10 of the mean risk that model-5 of Table 1 has reached."""
MODELS = (10.0, 15.0, 20.0, 120.0, -LOWEST)
"""−log10 of the risks at which Table 1 (and Fig. 8) looks at the network."""
TENFOLD = tuple(-LOWEST / 10.0**k for k in (3, 2, 1, 0))
"""−log10 of risks a tenfold of the logarithm apart, up to Table 1's last."""
FASTER = 10.0
"""How many times faster the margin grows with the loss-based rate, the statement's."""
EARLIER = (0.125, 0.25, 0.5)
"""Shares of the training at which that factor is shown beside: whether it is a matter of length. In the end
it falls: −log 𝓛 grows like T with the loss-based rate and like log T with a constant one, and the margin's
growth dies out like T^−2 and like 1/(T log² T)."""

SMALL = ("data.n=30", "data.classes=[0,1,2]")
"""Three classes of ten samples: what the normal suite has time for."""


def table1_config(size: Size) -> RunConfig:
    """The preset, or its network on 30 pictures of three classes."""
    settings = ['name="LL20-T1"', "device.kind=cpu", "checkpoint.every=100000", "checkpoint.keep=1"]
    if size == "quick":
        settings += [*SMALL, "train.steps=5200"]
    return parse_config(override(read_preset("ll20-table1"), settings), "LL20-T1")


def first_below(run: TrainedRun, heights: Sequence[float]) -> Int[np.ndarray, " k"]:
    """The first record at or past each −log10 𝓛; of those never reached, the last record."""
    height = -run.log_risk / np.log(10.0)
    last = len(height) - 1
    found = [int(np.argmax(height >= h)) if (height >= h).any() else last for h in heights]
    return np.array(found, dtype=np.int64)


def falls(values: Sequence[float]) -> float:
    """The largest fall from one to the next, below 0 exactly where all rise; NaN for fewer than two."""
    return most(a - b for a, b in pairwise(values))


# --- Table 1 -------------------------------------------------------------------------------------

RISK = "log10 of the mean training risk at the end"
ACCURACY = "training accuracy at the end"
AT_TENFOLD = "γ̄_m falls over a tenfold of −log 𝓛 by, most"
AT_MODELS = "γ̄_m falls from one of Table 1's risks to the next by, most"


def t1_experiment(lab: Lab, size: Size) -> tuple[TrainedRun, Path | None]:
    """SGD with the loss-based rate until its steps are done."""
    run = lab.train(table1_config(size))
    return run, run.folder


def t1_measure(run: TrainedRun) -> Measured:
    """Risk, accuracy, and γ̄_m at Table 1's risks."""
    margin = run.series["margin_multi"]
    models = margin[first_below(run, MODELS)]
    observed = {f"γ̄_m at 𝓛 = 10^−{h:g}": float(m) for h, m in zip(MODELS, models, strict=True)}
    return Measured(
        {
            RISK: float(run.log_risk[-1] / np.log(10.0)),
            ACCURACY: float(run.series["accuracy"][-1]),
            AT_TENFOLD: falls(margin[first_below(run, TENFOLD)].tolist()),
            AT_MODELS: falls(models.tolist()),
        },
        {**observed, "updates tried": float(run.step[-1])},
    )


def t1_criterion(measured: Measured) -> tuple[Check, ...]:
    """Table 1's last risk, all of the training set, margins that never stop rising."""
    bounds: list[Bound] = [
        (RISK, "<", LOWEST, ""),
        (ACCURACY, "=", 1.0, ""),
        (AT_TENFOLD, "<", 0.0, ""),
        (AT_MODELS, "<", 0.0, ""),
    ]
    return judged(measured, bounds)


# --- Fig. 1 --------------------------------------------------------------------------------------

BIASES = {"without biases": "ll20-fig1-cnn", "with biases": "ll20-fig1-cnn-bias"}
"""Which preset trains which network."""


@dataclass(frozen=True, eq=False)
class Growth:
    """T records: `step`, `accuracy`, −log10 of the risk, and q_min/∏‖w_k‖, `margin`, in which only the
    first layer's bias counts as a weight (App. J.1)."""

    step: Int[np.ndarray, " T"]
    accuracy: Float[np.ndarray, " T"]
    height: Float[np.ndarray, " T"]
    margin: Float[np.ndarray, " T"]

    @property
    def rate(self) -> float:
        """Growth of the margin a step over the second half of the training."""
        return self.rate_until(1.0)

    def rate_until(self, share: float) -> float:
        """The same as if the training had ended at a share of its steps."""
        end = min(int(np.searchsorted(self.step, share * self.step[-1])), len(self.step) - 1)
        half = int(np.searchsorted(self.step, self.step[end] / 2.0))
        steps = float(self.step[end] - self.step[half])
        return float(self.margin[end] - self.margin[half]) / steps if steps else float("nan")

    @property
    def fitted(self) -> float:
        """Training accuracy over that half, the least."""
        return least(self.accuracy[np.searchsorted(self.step, self.step[-1] / 2.0) :])


def fig1_config(biases: str, rule: str, size: Size) -> RunConfig:
    """A preset under one of the rules."""
    settings = [f'name="LL20-F1 {biases}, {rule}"', f"train.rule={rule}", "device.kind=cpu"]
    settings += ["train.lr=0.1", "checkpoint.keep=1"]
    if size == "quick":
        settings += [*SMALL, "train.batch=10", "train.steps=2000", "record.every=50"]
    return parse_config(override(read_preset(BIASES[biases]), settings), "LL20-F1")


def growth(run: TrainedRun) -> Growth:
    """The margin of Fig. 1 at every record, from the recorded weights."""
    norms = []
    for layer in run.structure.layers:
        kept = [n for n in layer.parameters if n not in layer.biases or n == "b1"]
        parts = [run.structure.parameter(name) for name in kept]
        squares = [np.sum(run.theta[:, p.start : p.stop] ** 2, axis=1) for p in parts]
        norms.append(0.5 * np.log(np.sum(squares, axis=0)))
    with np.errstate(over="ignore", invalid="ignore"):
        margin = run.series["q_min"] * np.exp(-np.sum(norms, axis=0))
    return Growth(run.step, run.series["accuracy"], -run.log_risk / np.log(10.0), margin)


def f1_experiment(lab: Lab, size: Size) -> tuple[dict[str, dict[str, Growth]], Path | None]:
    """Both networks under both rules, from the same start and with the same batches."""
    found: dict[str, dict[str, Growth]] = {}
    folder = None
    for biases in BIASES:
        found[biases] = {}
        for rule in ("loss-based", "constant"):
            run = lab.train(fig1_config(biases, rule, size))
            folder = folder or run.folder
            found[biases][rule] = growth(run)
    return found, folder


def f1_measure(evidence: Mapping[str, Mapping[str, Growth]]) -> Measured:
    """Ratios of the margins' growth, and how low the risks are."""
    quantities, observed = {}, {}
    for biases, runs in evidence.items():
        fast, slow = runs["loss-based"], runs["constant"]
        quantities[f"growth of γ̄_m, loss-based over constant, {biases}"] = fast.rate / slow.rate
        quantities[f"γ̄_m falls a step by, constant, {biases}"] = -slow.rate
        quantities[f"training accuracy over the second half, {biases}"] = least(
            [fast.fitted, slow.fitted]
        )
        for share in EARLIER:
            observed[f"the same factor at {share:g} of the steps, {biases}"] = fast.rate_until(
                share
            ) / slow.rate_until(share)
        for rule, run in runs.items():
            observed[f"−log10 𝓛 at the end, {rule}, {biases}"] = float(run.height[-1])
            observed[f"γ̄_m at the end, {rule}, {biases}"] = float(run.margin[-1])
    return Measured(quantities, observed)


def f1_criterion(measured: Measured) -> tuple[Check, ...]:
    """Both grow once the pictures are fitted, one of them ten times faster."""
    bounds: list[Bound] = []
    for biases in BIASES:
        bounds += [
            (f"growth of γ̄_m, loss-based over constant, {biases}", "≥", FASTER, ""),
            (f"γ̄_m falls a step by, constant, {biases}", "<", 0.0, ""),
            (f"training accuracy over the second half, {biases}", "=", 1.0, ""),
        ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-F1",
        paper="LL20",
        place="Fig. 1, App. J.1",
        statement="Once the CNN has fitted its training set the normalized margin keeps growing, with the "
        "loss-based learning rate more than ten times as fast as with a constant one, with biases and "
        "without.",
        method="The CNN with 8 and 16 filters on handwritten digits, minibatches, the same start and "
        "batches under both rules; growth a step over the second half of the training.",
        experiment=f1_experiment,
        measure=f1_measure,
        criterion=f1_criterion,
        figure="margins",
    ),
    Claim(
        id="LL20-T1",
        paper="LL20",
        place="Table 1, App. K",
        statement="The loss-based learning rate takes the CNN's mean training risk below 10^−881 at 100 % "
        "training accuracy, and the normalized margin rises all the way.",
        method="The CNN with 8 and 16 filters on 50 handwritten digits of ten classes (quick: 30 of three), "
        "full batch; γ̄_m at Table 1's risks and at each tenfold of −log 𝓛.",
        experiment=t1_experiment,
        measure=t1_measure,
        criterion=t1_criterion,
        figure="margins",
    ),
)
