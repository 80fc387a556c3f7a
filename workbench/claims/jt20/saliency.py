"""JT20 §1.2: saliency maps converge as the direction does, where gradients are continuous.

∇_x Φ(x; θ) is homogeneous in θ, so that its direction is that at θ/‖θ‖: with a limit of the latter it has
one, and does not depend on how long the network was trained. The length of every map's path is looked at as
that of θ/‖θ‖ is (Theorem 3.1): by doublings of ln(1/𝓛).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20.directions import METHOD, fewest, worst_sample
from workbench.claims.jt20.late import CASES, LateRun, late_runs
from workbench.claims.lab import Lab
from workbench.claims.limits import FEWEST, RATIO, last_ratio, to_come
from workbench.measures.directions import unit
from workbench.measures.saliency import saliency_maps

DOUBLINGS = "doublings of ln(1/𝓛)"
RATIO_LAST = "path of a map over its longest, over the doubling before, last three"
TO_COME = "paths still to come, at most, over what was"
UNSEEN = "samples without a map at some record, share, most"


@dataclass(frozen=True, eq=False)
class Maps:
    """A flow's saliency maps: `paths` (K, n), their lengths in every doubling of ln(1/𝓛), of the samples that
    have a map at every record; `unseen`: the share of those that do not; `turned` (n): degrees from the first
    record to the last."""

    paths: Float[np.ndarray, "K n"]
    unseen: float
    turned: Float[np.ndarray, " n"]


def maps_of(run: LateRun) -> Maps:
    """Every sample's map over the records of the late phase."""
    found = saliency_maps(run.risk.model, run.theta, run.risk.x.reshape(len(run.risk.y), -1))
    seen = (np.linalg.norm(found, axis=2) > 0).all(axis=0)
    direction = unit(found[:, seen])
    chords = np.linalg.norm(np.diff(direction, axis=0), axis=2)
    length = np.concatenate([np.zeros((1, chords.shape[1])), np.cumsum(chords, axis=0)])
    paths = np.stack([np.diff(run.at(path)) for path in length.T], axis=1)
    chord = np.linalg.norm(direction[-1] - direction[0], axis=1)
    turned = np.degrees(2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0)))
    return Maps(paths, float(1.0 - seen.mean()), turned)


def experiment(lab: Lab, size: Size) -> tuple[list[Maps], Path | None]:
    """The flows of Theorem 3.1 whose gradients are locally Lipschitz."""
    runs = late_runs(lab, size, [case for case in CASES[size] if case[2]])
    return [maps_of(run) for run in runs], runs[0].run.folder if runs else None


def measure(found: Sequence[Maps]) -> Measured:
    """How far every sample's map turns in every doubling, the worst sample's over its own longest path."""
    worst = [worst_sample(maps.paths) for maps in found]
    return Measured(
        {
            DOUBLINGS: fewest(worst),
            RATIO_LAST: most(map(last_ratio, worst)),
            TO_COME: most(to_come(v) / float(v.sum()) for v in worst),
            UNSEEN: most(maps.unseen for maps in found),
        },
        {
            "a map turned over the late phase by, most, degrees": most(
                float(maps.turned.max()) for maps in found
            ),
            "a map's path in the last doubling, most": most(
                float(maps.paths[-1].max()) for maps in found
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Every map's path falls by more than 1/k does at that depth, so that its length is finite."""
    bounds: list[Bound] = [
        (DOUBLINGS, "≥", FEWEST, ""),
        (RATIO_LAST, "<", RATIO, ""),
        (TO_COME, "<", 1.0, ""),
        (UNSEEN, "<", 0.5, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-SALIENCY",
        paper="JT20",
        place="§1.2, Theorems 3.1 and 4.1",
        statement="Where gradients are locally Lipschitz the saliency maps ∇_x Φ(x_i; θ) of all samples "
        "converge in direction: the length of their paths over doublings of ln(1/𝓛) falls geometrically.",
        method=METHOD + "Samples that no neuron sees have no map.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="margins-ordered",
    ),
)
