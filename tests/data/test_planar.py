"""Two circles and JT20's planar points: margins in closed form, seeds, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.data.load import load_dataset
from workbench.errors import BadInput

ADAPTER = TypeAdapter(DataConfig)


def load(**table):
    return load_dataset(ADAPTER.validate_python(table))


@pytest.mark.parametrize("n", [2, 10, 100, 33])
@pytest.mark.parametrize("angle", [0.0, 30.0, 200.0])
def test_two_circles_have_the_margin_they_say(n, angle):
    data = load(kind="two-circles", n=n, radius=0.25, distance=0.7, angle=angle)
    e = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert data.x.shape == (n, 2)
    assert data.labels == "binary"
    assert (data.y * (data.x @ e)).min() == pytest.approx(0.45, abs=1e-14)
    centre = data.y[:, None] * 0.7 * e
    assert np.abs(np.linalg.norm(data.x - centre, axis=1) - 0.25).max() < 1e-14
    assert abs(int((data.y > 0).sum()) - int((data.y < 0).sum())) == n % 2
    assert np.linalg.norm(data.x, axis=1).max() <= 1.0


def test_no_other_direction_has_a_larger_margin():
    """Slowly, over many directions: the hard-margin direction is the axis through the centres."""
    data = load(kind="two-circles", n=60, angle=75.0)
    turn = np.radians(np.arange(0.0, 360.0, 0.25))
    directions = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    margins = [
        min(y * float(u @ x) for x, y in zip(data.x, data.y, strict=True)) for u in directions
    ]
    assert np.degrees(turn[int(np.argmax(margins))]) == 75.0
    assert max(margins) == pytest.approx(0.6 - 0.2, abs=1e-14)


def test_circles_that_no_line_separates():
    with pytest.raises(ValueError, match="not below distance"):
        load(kind="two-circles", radius=0.7, distance=0.6)


@pytest.mark.parametrize("seed", range(8))
def test_planar_points_are_seeded_balanced_and_end_in_one(seed):
    data = load(kind="jt20-planar", n=150, seed=seed)
    again = load(kind="jt20-planar", n=150, seed=seed)
    assert np.array_equal(data.x, again.x)
    assert np.array_equal(data.y, again.y)
    assert data.x.shape == (150, 3)
    assert (data.x[:, 2] == 1.0).all()
    assert np.abs(data.x[:, :2]).max() <= 1.0
    assert data.labels == "binary"
    assert min((data.y > 0).sum(), (data.y < 0).sum()) >= 30


def test_a_larger_margin_leaves_a_wider_gap():
    """The gap between labels: the least distance between points of either sign grows with the margin."""
    gaps = []
    for margin in (0.0, 0.3, 0.6):
        data = load(kind="jt20-planar", n=200, margin=margin, seed=3)
        plus, minus = data.x[data.y > 0], data.x[data.y < 0]
        gaps.append(min(float(np.linalg.norm(a - b)) for a in plus for b in minus))
    assert gaps[0] < gaps[1] < gaps[2]


def test_margins_that_leave_no_points():
    with pytest.raises(BadInput, match=r"data\.margin = 50"):
        load(kind="jt20-planar", margin=50.0)
