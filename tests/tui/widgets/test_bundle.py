"""A bundle draws what its curves drawn one by one do."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.tui.widgets.bundle import Bundle, bundle_dots
from workbench.tui.widgets.chart import ChartModel, Curve, _raster, draw_chart
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Kind


def plot_of(x, y_kind, x_kind, x_range=None, y_range=None):
    values = np.zeros_like(x)
    model = ChartModel(
        curves=(Curve(x, values),), x_kind=x_kind, y_kind=y_kind, x_range=x_range, y_range=y_range
    )
    return draw_chart(model, 90, 20, Palette())[1]


@pytest.mark.parametrize("count", [3, 40, 700, 4096])
@pytest.mark.parametrize("x_kind", [Kind.LINEAR, Kind.LOG])
@pytest.mark.parametrize("x_range", [None, (90.0, 600.0)])
def test_smooth_curves_agree_within_a_dot(count, x_kind, x_range):
    x = np.linspace(1.0, 1000.0, count)
    values = np.stack([np.sin(x / 170.0 + k) for k in range(4)], axis=1)
    plot = plot_of(x, Kind.LINEAR, x_kind, x_range, (-1.1, 1.1))
    found = bundle_dots(Bundle(x, values), plot)
    wanted = np.zeros_like(found)
    for k in range(4):
        wanted |= _raster(Curve(x, values[:, k]), plot, values[:, k])
    grown = np.zeros_like(wanted)
    for shift in (-1, 0, 1):
        grown |= np.roll(wanted, shift, axis=0)
    assert not (found & ~grown).any()
    assert found.any(axis=0).sum() >= wanted.any(axis=0).sum() - 1
    assert found.sum() > 0.6 * wanted.sum()


def test_a_turn_over_pi_is_no_line_across():
    x = np.arange(1.0, 200.0)
    angle = np.mod(np.linspace(2.0, 5.0, x.size) + np.pi, 2 * np.pi) - np.pi
    plot = plot_of(x, Kind.ANGLE, Kind.LINEAR)
    found = bundle_dots(Bundle(x, angle[:, None]), plot)
    assert found.sum(axis=0).max() <= 4
    assert found.any(axis=0).sum() > 0.9 * found.shape[1]


def test_nothing_and_nan_are_no_trouble():
    x = np.arange(1.0, 10.0)
    plot = plot_of(x, Kind.LINEAR, Kind.LOG, None, (0.0, 1.0))
    assert not bundle_dots(Bundle(np.zeros(0), np.zeros((0, 3))), plot).any()
    values = np.full((9, 2), np.nan)
    assert not bundle_dots(Bundle(x, values), plot).any()
    values[:, 1] = 0.5
    assert bundle_dots(Bundle(x, values), plot).any()
    values[3:] = np.inf
    bundle_dots(Bundle(x, values), plot)
    assert not bundle_dots(Bundle(np.array([0.0, 0.0]), np.ones((2, 1))), plot).any()
