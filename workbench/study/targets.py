"""Which KKT point the first neuron to leave a saddle goes to, and what share of the members goes there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xarray import Dataset

from workbench.arrays import Array, Float
from workbench.errors import BadInput
from workbench.study.points import points_of
from workbench.study.shares import Share, share_of
from workbench.study.values import SADDLE, grid_dims, values_of


@dataclass(frozen=True, eq=False)
class Target:
    """A KKT point that members go to.

    `direction` (d): the unit vector that the members' own points have in the mean. `kind`: max, saddle, min
    or flat. `value`: mean of the correlation N. `where`: True over the grid for those that go there.
    """

    direction: Float[Array, " d"]
    kind: str
    value: float
    where: Array

    @property
    def angle(self) -> float:
        """Degrees in the plane, NaN in other dimensions."""
        if len(self.direction) != 2:
            return float("nan")
        return float(np.degrees(np.arctan2(self.direction[1], self.direction[0])))


@dataclass(frozen=True, eq=False)
class Targets:
    """Points by how many members go there, most first. `met`: True over the grid where a member has come to
    that saddle; `left`: where a neuron has left it; `aimed`: where it is also known for which point.
    """

    points: tuple[Target, ...]
    met: Array
    left: Array
    aimed: Array

    def shares(self, among: Array | bool = True) -> list[Share]:
        """Each point's share of the members that leave for a point, of those in `among`."""
        total = int((self.aimed & among).sum())
        return [share_of(int((point.where & among).sum()), total) for point in self.points]


def targets_of(dataset: Dataset, saddle: int = 1) -> Targets:
    """The KKT points that the members' first leavers of a saddle go to.

    Raises:
        BadInput: no member met so many saddles, or the study does not say where they go.
    """
    if "saddle_target_direction" not in dataset:
        raise BadInput("this study's saddles name no KKT points that neurons leave for.")
    step = values_of(dataset, "saddle_step", saddle)
    kinds = values_of(dataset, "saddle_target_kind", saddle).values
    values = values_of(dataset, "saddle_target_value", saddle).values
    directions = (
        dataset["saddle_target_direction"]
        .isel({SADDLE: saddle - 1})
        .transpose(*grid_dims(dataset), ...)
    )
    heading = np.asarray(directions.values, dtype=np.float64)
    # Before one has left, a target is a forecast.
    left = np.isfinite(values_of(dataset, "saddle_leaver", saddle).values)
    aimed = left & np.isfinite(heading).all(axis=-1)
    points = []
    for point in points_of(heading[aimed], kinds[aimed], values[aimed]):
        where = np.zeros(aimed.shape, dtype=bool)
        where[aimed] = point.own
        points.append(Target(point.direction, point.kind, point.value, where))
    return Targets(tuple(points), np.isfinite(step.values), left, aimed)
