"""Two well-separated circles in the plane: JT19 Fig. 2."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset


def two_circles(n: int, radius: float, distance: float, angle: float) -> Dataset:
    """n points, half of them equispaced on each of two circles around ±distance·e; the one at +e has y = 1.

    e points to `angle` (degrees). One circle is the other's mirror image in the origin, and each has a
    point nearest to it: the hard-margin direction is e exactly, with margin distance − radius. An odd n
    gives the positive circle one point more, and then only the margin's bound is exact.
    """
    e = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    frame = np.stack([e, np.array([-e[1], e[0]])])
    points, labels = [], []
    for sign, count in ((1.0, n - n // 2), (-1.0, n // 2)):
        turn = 2.0 * np.pi * np.arange(count) / max(1, count)
        # The first point is the one nearest to the origin.
        around = radius * np.stack([-np.cos(turn), np.sin(turn)], axis=1)
        points.append(sign * (around + np.array([distance, 0.0])) @ frame)
        labels.append(np.full(count, sign))
    return Dataset(np.concatenate(points), np.concatenate(labels), "two-circles")
