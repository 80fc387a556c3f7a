"""JT20 over many starts: what of the late phase is the seed's, and what all that separate have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedMember
from workbench.data.load import load_dataset
from workbench.run.network import network_of
from workbench.study.source import load_study
from workbench.theory.margin.linear_program import margin_program, squared_relu_features
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind

SIZES: Mapping[Size, tuple[str, ...]] = {
    "quick": ("model.width=12", "init.seed=range(0,4)"),
    "full": ("model.width=6,12,24,48", "init.seed=range(0,50)"),
}
FIRST, ROUNDS, MET = 500, 50, 1e-9
"""Drawn directions among which the program over all of them is solved first, how often the best others are
added to them at most, and the relative gap at which its value and its bound count as one."""


@dataclass(frozen=True, eq=False)
class Late:
    """A flow that separates: `depth` (T), ln(1/𝓛), at records from 𝓛 < 1/e on, with the margin γ̄ and the
    length of the path of θ/‖θ‖ there. `value`: of the linear program over the last directions."""

    width: int
    depth: Float[np.ndarray, " T"]
    margin: Float[np.ndarray, " T"]
    path: Float[np.ndarray, " T"]
    value: float

    def at(self, values: Array, share: float) -> float:
        """A series where ln(1/𝓛) is this share of its last, linear in its logarithm."""
        return float(np.interp(np.log(share * self.depth[-1]), np.log(self.depth), values))

    @property
    def path_ratio(self) -> float:
        """What the path grows by in the last doubling of ln(1/𝓛), over the doubling before."""
        last, middle, first = (self.at(self.path, share) for share in (1.0, 0.5, 0.25))
        return (last - middle) / (middle - first)

    @property
    def gaps(self) -> tuple[float, float]:
        """How far the margin is below the program's value at half of ln(1/𝓛) and in the end, over the
        value."""
        middle, last = (self.at(self.margin, share) for share in (0.5, 1.0))
        return (self.value - middle) / self.value, (self.value - last) / self.value


@dataclass(frozen=True, eq=False)
class Seeds:
    """Flows that separate, and how many others there are by width; `highest`: what no network of any width
    has a larger margin than."""

    late: Sequence[Late]
    others: Mapping[int, int]
    highest: float


def experiment(lab: Lab, size: Size) -> tuple[Seeds, None]:
    """The flow from every seed at every width."""
    study = load_study("jt20-seeds", SIZES[size], settings=["device.kind=cpu"])
    return seeds_of(lab.study(study)), None


def seeds_of(members: Sequence[TrainedMember]) -> Seeds:
    """Members in their late phase, and the greatest margin of their samples."""
    late, others = [], dict[int, int]()
    for member in members:
        dataset = load_dataset(member.config.data)
        made = network_of(member.config, dataset)
        u = made.structure.incoming(member.theta)
        width = len(u)
        others.setdefault(width, 0)
        rows = np.flatnonzero(member.series["log_risk"] < -1.0)
        depth = -member.series["log_risk"][rows]
        if not len(rows) or depth[-1] < 8.0 * depth[0]:
            others[width] += 1
            continue
        # The flow's risk never rises; the integrator's may in its last digit.
        ahead = np.flatnonzero(np.diff(np.maximum.accumulate(depth), prepend=0.0) > 0)
        signs = made.structure.neuron_signs(member.theta)
        directions = u / np.linalg.norm(u, axis=1, keepdims=True)
        features = squared_relu_features(directions, signs, dataset.x, dataset.y)
        late.append(
            Late(
                width,
                depth[ahead],
                member.series["margin_normalized"][rows][ahead],
                member.series["path_length"][rows][ahead],
                margin_program(features).value,
            )
        )
    dataset = load_dataset(members[0].config.data)
    return Seeds(late, others, greatest_margin(dataset.x, dataset.y))


def greatest_margin(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> float:
    """max over networks of any width of γ̄, from above: any p in the simplex bounds it by max_θ |Σ_i p_i y_i
    max(0, θ·x_i)²|, the largest |N| of the constrained NCF of z = p y, all of whose KKT points are
    enumerated.

    p is the weights of the program over directions that the enumeration adds to, until both meet; NaN where
    an enumeration is not complete.
    """
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((FIRST, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bound = np.inf
    for _ in range(ROUNDS):
        signs = np.repeat([1.0, -1.0], len(directions))
        features = squared_relu_features(np.vstack([directions, directions]), signs, x, y)
        program = margin_program(features)
        p = np.maximum(program.weights, 0.0) / np.maximum(program.weights, 0.0).sum()
        held = p > 0
        found = kkt_points(Ncf(x[held], (p * y)[held], NeuronKind.SQUARED_RELU))
        if not found.complete:
            return float("nan")
        heights = np.abs(found.values)
        bound = min(bound, float(heights.max()))
        if bound <= program.value * (1.0 + MET):
            break
        directions = np.vstack([directions, found.directions[heights > program.value]])
    return bound


PATH = "path's growth in the last doubling of ln(1/𝓛) over the one before, most"
GAP = "margin below its own program's value in the end over that at half of ln(1/𝓛), most"
ABOVE = "margin over the greatest of any width, most"


def measure(found: Seeds) -> Measured:
    """Theorem 3.1 and Proposition 4.6 for every seed; how far seeds are apart."""
    late = found.late
    values = np.array([one.value for one in late])
    widths = {w: [one for one in late if one.width == w] for w in found.others}
    gaps = [one.gaps for one in late]
    wide = [len(some) / (len(some) + found.others[w]) for w, some in widths.items() if w >= 12]
    return Measured(
        {
            PATH: most(one.path_ratio for one in late),
            GAP: most(last / middle for middle, last in gaps),
            ABOVE: most(one.margin[-1] / found.highest for one in late),
        },
        {
            "least share of seeds that separate, 12 neurons and more": min(wide, default=np.nan),
            "greatest margin of any width, from above": found.highest,
            "spread of the programs' values over seeds, over their mean": float(
                np.ptp(values) / values.mean()
            )
            if len(values)
            else np.nan,
            "margin below its own program's value in the end, most": most(g for _, g in gaps),
            **_by_width(widths, found),
        },
    )


def _by_width(widths: Mapping[int, Sequence[Late]], found: Seeds) -> dict[str, float]:
    """What seeds have apart at every width: margins and lengths of the path."""
    said: dict[str, float] = {}
    for width, some in widths.items():
        said[f"{width} neurons: seeds"] = float(len(some) + found.others[width])
        said[f"{width} neurons: that separate"] = float(len(some))
        if len(some) > 1:
            margins = np.array([one.margin[-1] for one in some]) / found.highest
            paths = np.array([one.path[-1] for one in some])
            said[f"{width} neurons: margin over the greatest, mean"] = float(margins.mean())
            said[f"{width} neurons: margin over the greatest, deviation"] = float(
                margins.std(ddof=1)
            )
            said[f"{width} neurons: margin over the greatest, least"] = float(margins.min())
            said[f"{width} neurons: length of the path, mean"] = float(paths.mean())
            said[f"{width} neurons: length of the path, deviation"] = float(paths.std(ddof=1))
    return said


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Paths that end, margins that go to their program's value, none above what any network has."""
    bounds: list[Bound] = [
        (PATH, "<", 1.0, ""),
        (GAP, "<", 1.0, ""),
        (ABOVE, "≤", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-SEEDS",
        paper="JT20",
        place="Theorem 3.1, Proposition 4.6, over many starts",
        statement="From every start that separates the samples the path of θ/‖θ‖ grows by less with each "
        "doubling of ln(1/𝓛) and the margin goes to the linear program's value over the seed's own "
        "directions, which no network of any width exceeds.",
        method="Study jt20-seeds: the flow of squared-ReLU neurons of either sign to 10^−3000 from seeds "
        "at several widths; the last two doublings of ln(1/𝓛); the program over each seed's last "
        "directions, and over all directions from above by weak duality with enumerated KKT points. "
        "Seeds that do not separate are counted apart; what seeds have apart in margin and path is shown "
        "beside.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
