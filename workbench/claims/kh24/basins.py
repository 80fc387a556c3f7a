"""KH24 Lemma 5.3 and Corollary 5.4.1 over many starts: how many neurons reach which KKT point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import NEAR, Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.direction_flow import PlaneNcf, apart
from workbench.claims.lab import Lab, TrainedMember
from workbench.config.run import RunConfig
from workbench.data.load import load_dataset
from workbench.study.shares import Share, share_of
from workbench.study.source import load_study

SEEDS: Mapping[Size, range] = {"quick": range(50), "full": range(1000)}
STANDS = 0.01
"""Part by which the risk may change while the network is near the origin, as for Fig. 1."""
LEVEL = 0.99
"""Of the interval around the counted shares, that of all KKT points together."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """S networks of H neurons: angles of every neuron at the start and at the end (S·H), radians; `changed`:
    the largest part by which a risk has changed meanwhile; `ncf`: with all KKT points and their basins."""

    ncf: PlaneNcf
    start: Float[np.ndarray, " B"]
    end: Float[np.ndarray, " B"]
    changed: float

    @property
    def points(self) -> Float[np.ndarray, " K"]:
        """Angles of the KKT points, those of the highest N first."""
        directions = self.ncf.kkt.directions
        return np.arctan2(directions[:, 1], directions[:, 0])

    @property
    def reached(self) -> np.ndarray:
        """(B,) the KKT point within 1° of each last direction, −1 where there is none."""
        off = np.degrees(apart(self.end[:, None], self.points[None, :]))
        return np.where(off.min(axis=1) < NEAR, off.argmin(axis=1), -1)


def experiment(lab: Lab, size: Size) -> tuple[Arrivals, None]:
    """Fig. 1's network from weights of 1e−12, up to just before the first neuron leaves."""
    seeds = SEEDS[size]
    words = [f"init.seed=range({seeds.start},{seeds.stop})"]
    study = load_study("kh24-basins", words, settings=["device.kind=cpu"])
    return arrivals(study.base, lab.study(study)), None


def arrivals(config: RunConfig, members: Sequence[TrainedMember]) -> Arrivals:
    """The neurons of all members."""
    data = load_dataset(config.data)
    angles = [member.series["neuron_angle"] for member in members]
    risks = [member.series["log_risk"] for member in members]
    return Arrivals(
        PlaneNcf.of(data.x, data.y, 1.0),
        np.concatenate([angle[0] for angle in angles]),
        np.concatenate([angle[-1] for angle in angles]),
        most(float(np.abs(np.expm1(risk - risk[0])).max()) for risk in risks),
    )


def shares(found: Arrivals) -> list[Share]:
    """Of every KKT point, the share of all neurons that reach it; the interval holds all basins at once."""
    points = found.ncf.kkt.points
    level = 1.0 - (1.0 - LEVEL) / len(points)
    reached = found.reached
    return [share_of(int((reached == k).sum()), len(reached), level) for k in range(len(points))]


OUTSIDE = "KKT points whose basin is outside the counted share's interval"
ELSEWHERE = "neurons that end elsewhere than uphill of their start, or nowhere"
CHANGED = "risk changes by, most"
KNOWN = "basins not summing to 1"


def measure(found: Arrivals) -> Measured:
    """Counted shares against basins, and every neuron against the point uphill of its start."""
    points, angles = found.ncf.kkt.points, found.points
    basins = np.array([point.basin for point in points])
    counted = shares(found)
    outside = [not s.low <= b <= s.high for s, b in zip(counted, basins, strict=True)]
    target = apart(found.ncf.targets(found.start)[:, None], angles[None, :]).argmin(axis=1)
    largest = {
        f"{what} of the point at {np.degrees(angles[k]) % 360.0:.1f}°": value
        for k in np.flatnonzero(basins > 0)
        for what, value in (
            ("basin", basins[k]),
            ("share that arrives", counted[k].value),
            ("share from", counted[k].low),
            ("share to", counted[k].high),
        )
    }
    return Measured(
        {
            OUTSIDE: float(sum(outside)),
            ELSEWHERE: float((found.reached != target).sum()),
            CHANGED: found.changed,
            KNOWN: abs(float(basins.sum()) - 1.0),
        },
        {"neurons": float(len(found.start)), **largest},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Each basin is within the interval, each neuron where it must be, before anything has left."""
    bounds: list[Bound] = [
        (OUTSIDE, "=", 0.0, ""),
        (ELSEWHERE, "=", 0.0, ""),
        (CHANGED, "<", STANDS, ""),
        (KNOWN, "<", 1e-12, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-BASINS",
        paper="KH24",
        place="Lemma 5.3, Corollary 5.4.1, over many starts",
        statement="Every neuron of a separable network near the origin turns to the KKT point that the "
        "flow of its own constrained NCF takes its first direction to, so that the share of neurons that "
        "reach a point is that point's basin.",
        method="Study kh24-basins: Fig. 1's network from weights of 1e−12, summed risk, until just "
        "before the first neuron leaves. Basins exactly, from the enumerated points on the circle; "
        "shares of all neurons with Wilson's interval at 99 % for all points together; and neuron by "
        "neuron.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
