"""VSS22 over many random starts: how many end in a global, a local, no optimum of (P), or separate
nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.exact_network import ExactNetwork, exact_network
from workbench.claims.lab import Lab, TrainedMember
from workbench.claims.vss22.certificates import family as looked_at
from workbench.claims.vss22.certificates import least_height
from workbench.claims.vss22.judged import NEAR_ENOUGH
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.inspector.optimality import optimality_verdict
from workbench.models.start import first_theta
from workbench.run.network import network_of
from workbench.study.shares import share_of
from workbench.study.source import load_study
from workbench.theory.optimality.verdict import Optimality

SIZES: Mapping[Size, tuple[str, ...]] = {
    "quick": ("model.width=2", "init.seed=range(40,110)"),
    "full": ("model.width=2,4,8", "init.seed=range(0,1000)"),
}
VERDICTS = ("global", "local", "not local", "undecided")
APART = 1e-6
"""Part of ‖θ~‖² within which a norm is the global one; a KKT point's own residual is 1e−10."""


@dataclass(frozen=True, eq=False)
class End:
    """Where a member came to. `start` (P): θ(0). `verdict`: None where it separates nothing, for which there
    is no KKT point of (P)."""

    width: int
    network: ExactNetwork
    start: Float[np.ndarray, " P"]
    verdict: Optimality | None

    @property
    def called(self) -> str:
        """The verdict's word, or "none"."""
        return "none" if self.verdict is None else self.verdict.verdict

    @cached_property
    def as_theorem_3_2(self) -> bool:
        """Whether the start fulfils its conditions: of two neurons one is active on both samples and adds,
        the other on none."""
        if self.width != 2:
            return False
        u, v = self.start[:4].reshape(2, 2), self.start[4:]
        heights = u @ self.network.x.T
        on, off = (heights > 0).all(axis=1), (heights < 0).all(axis=1)
        return bool((on & off[::-1] & (v > 0)).any())

    @property
    def kinkless(self) -> bool:
        """Whether no pre-activation is 0 at the KKT point, Theorem 4.3's condition."""
        return self.verdict is not None and least_height(self.network, self.verdict.theta) > APART


def experiment(lab: Lab, size: Size) -> tuple[list[End], None]:
    """Train from every seed, and ask of every end whether it is optimal."""
    study = load_study("vss22-random-starts", SIZES[size], settings=["device.kind=cpu"])
    return ends(lab.study(study)), None


def ends(members: Sequence[TrainedMember]) -> list[End]:
    """The verdict on every member's last weights."""
    return [_end(member) for member in members]


def _end(member: TrainedMember) -> End:
    dataset = load_dataset(member.config.data)
    made = network_of(member.config, dataset)
    start = first_theta(member.config.init, made.structure)
    exact = exact_network(member.config.model, dataset.x, dataset.y)
    v = made.structure.parameter("v")
    try:
        verdict = optimality_verdict(made.state(member.theta, step=int(member.step[-1])))
    except BadInput:
        verdict = None
    return End(v.stop - v.start, exact, start, verdict)


def globally_least(x: Float[np.ndarray, "2 2"]) -> float:
    """min ‖θ‖² over feasible θ of two samples that no direction serves better together than each alone: every
    neuron of one sample costs 2/‖x_i‖ (THEORY: 4/‖x‖ for Theorem 3.2's)."""
    return float(np.sum(2.0 / np.linalg.norm(x, axis=1)))


def probability_of_theorem_3_2(x: Float[np.ndarray, "2 2"]) -> float:
    """How likely a Gaussian start of two neurons fulfils its conditions: a direction is active on both
    samples with probability 1/2 − angle(x_1, x_2)/2π, and on none likewise; either neuron may be the first,
    v > 0."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    angle = float(np.arccos(np.clip(unit[0] @ unit[1], -1.0, 1.0)))
    both = 0.5 - angle / (2.0 * np.pi)
    return 2.0 * both * both * 0.5


T32 = "starts as in Theorem 3.2 that end otherwise than in no local optimum"
T32_SEEN = "starts as in Theorem 3.2"
T43 = "ends without a kink that are called no local optimum"
T43_SEEN = "ends without a kink"
GLOBAL = "‖θ‖² of global optima off the least there is, most"
OTHERS = "‖θ‖² of the least over those of other KKT points, most"
BETTER = "better points of those that are no local optimum: "
SHARE = "ends in no local optimum: upper end of the share over Theorem 3.2's probability"
UNDECIDED = "verdicts left open, two neurons"


def measure(found: Sequence[End]) -> Measured:
    """The theorems over all starts, the certificates anew, and the shares."""
    two = [end for end in found if end.width == 2]
    x = found[0].network.x
    least = globally_least(x)
    theorem = [end for end in two if end.as_theorem_3_2]
    smooth = [end for end in found if end.kinkless]
    families = [_better(end) for end in found if end.called == "not local"]
    separated = {w: [e for e in found if e.called == w] for w in (*VERDICTS, "none")}
    norms = {w: [_norm2(e) for e in separated[w]] for w in VERDICTS}
    share = share_of(sum(e.called == "not local" for e in two), len(two))
    return Measured(
        {
            T32_SEEN: float(len(theorem)),
            T32: float(sum(end.called != "not local" for end in theorem)),
            T43_SEEN: float(len(smooth)),
            T43: float(sum(end.called == "not local" for end in smooth)),
            GLOBAL: most(abs(n / least - 1.0) for n in norms["global"]),
            OTHERS: most(least / n for n in norms["local"] + norms["not local"]),
            f"{BETTER}1 − least margin": most(f[0] for f in families),
            f"{BETTER}‖θ'‖² over the limit's": most(f[1] for f in families),
            f"{BETTER}distance of the nearest": most(f[2] for f in families),
            SHARE: share.high / probability_of_theorem_3_2(x),
            UNDECIDED: float(sum(end.called == "undecided" for end in two)),
        },
        _shares(found),
    )


def _norm2(end: End) -> float:
    return float("nan") if end.verdict is None else end.verdict.norm2


def _better(end: End) -> tuple[float, float, float]:
    """The verdict's shorter points in exact arithmetic."""
    verdict = end.verdict
    points = None if verdict is None else verdict.better
    if verdict is None or points is None:
        return (float("nan"),) * 3
    found = looked_at(end.network, points.theta.tolist(), verdict.theta, verdict.norm2)
    return found.infeasible, found.ratio, found.nearest


def _shares(found: Sequence[End]) -> dict[str, float]:
    """By width, of all starts the share that separates, and of these that of every verdict with its
    interval."""
    said: dict[str, float] = {}
    for width in sorted({end.width for end in found}):
        called = [end.called for end in found if end.width == width]
        known = [word for word in called if word != "none"]
        said[f"{width} neurons: starts"] = float(len(called))
        said[f"{width} neurons: share that separates both samples"] = share_of(
            len(known), len(called)
        ).value
        for word in VERDICTS:
            share = share_of(known.count(word), len(known))
            said[f"{width} neurons: {word}, of these"] = share.value
            said[f"{width} neurons: {word}, from"] = share.low
            said[f"{width} neurons: {word}, to"] = share.high
    return said


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Every start that the theorems speak of ends as they say, every kind of end is met, and what verdicts
    rest on holds."""
    bounds: list[Bound] = [
        (T32_SEEN, "≥", 1.0, ""),
        (T32, "=", 0.0, ""),
        (T43_SEEN, "≥", 1.0, ""),
        (T43, "=", 0.0, ""),
        (GLOBAL, "<", APART, ""),
        (OTHERS, "<", 1.0, ""),
        (f"{BETTER}1 − least margin", "=", 0.0, ""),
        (f"{BETTER}‖θ'‖² over the limit's", "<", 1.0, ""),
        (f"{BETTER}distance of the nearest", "≤", NEAR_ENOUGH, ""),
        (SHARE, "≥", 1.0, ""),
        (UNDECIDED, "=", 0.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="VSS22-STARTS",
        paper="VSS22",
        place="Theorems 3.2 and 4.3, over random starts",
        statement="From random starts two ReLU neurons end in KKT points of (P) that are a global "
        "optimum, a local one only, and no local optimum: every start that Theorem 3.2 speaks of in no "
        "local optimum, and no end without a kink in one (Theorem 4.3).",
        method="Study vss22-random-starts: Theorem 3.2's samples, Gaussian starts, normalized steps down "
        "to ln 𝓛 of millions; the KKT point of (P) next to each end and its verdict, whose shorter "
        "points are evaluated in exact arithmetic. Starts that separate nothing and verdicts left open "
        "are counted apart; Wilson's intervals at 95 %.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
