"""Margins as a field and predictions over the plane: the pure parts against obvious ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.margin_field import (
    FieldLine,
    MarginFieldModel,
    counts_and_places,
    draw_margin_field,
)
from workbench.tui.widgets.palette import Depth, Glyphs, Palette
from workbench.tui.widgets.prediction import (
    BANDS,
    PredictionModel,
    band,
    draw_prediction,
    sampled,
    view_of,
    zero_line,
)
from workbench.tui.widgets.scale import Axis, Kind

PALETTES = [Palette(), *(Palette(d, g) for d in Depth for g in Glyphs)]


def text_of(grid: Grid) -> list[str]:
    frame = grid.frame()
    return ["".join(map(chr, row)).replace("\0", "") for row in frame.characters]


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_places_match_the_obvious_ones(seed):
    rng = np.random.default_rng(seed)
    taken, place = rng.normal(size=(9, 40)), rng.uniform(size=40)
    taken[rng.integers(0, 9, 5), rng.integers(0, 40, 5)] = np.nan
    column = np.sort(rng.integers(0, 5, 9))
    y, bins = Axis(Kind.LINEAR, -1.5, 2.0), 7
    count, mean = counts_and_places(taken, column, 5, y, bins, place)
    for at in range(5):
        records = max(1, int((column == at).sum()))
        for row in range(bins):
            high, low = 2.0 - 3.5 * row / bins, 2.0 - 3.5 * (row + 1) / bins
            inside = [
                place[k]
                for r in np.flatnonzero(column == at)
                for k in range(40)
                if low < taken[r, k] <= high
            ]
            assert count[row, at] == pytest.approx(len(inside) / records)
            assert mean[row, at] == pytest.approx(np.mean(inside) if inside else 0.0)


def field(place: np.ndarray | None = None, steps: int = 400, samples: int = 300):
    x = np.linspace(0.0, 50.0, steps)
    last = np.linspace(0.05, 0.9, samples)
    values = last * (1 - np.exp(-x / 10))[:, None]
    low = FieldLine(x, values.min(axis=1), "min", "min")
    return MarginFieldModel("margins", x, values, place, over=(low,), cursor=25.0)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("place", [None, np.linspace(0, 1, 300)])
def test_a_field_is_drawn_at_any_size_with_any_palette(palette, place):
    for width, height in [(1, 1), (9, 3), (30, 8), (75, 12), (200, 50)]:
        lines = text_of(draw_margin_field(field(place), width, height, palette)[0])
        assert len(lines) == height
    assert "margins" in lines[0]
    assert "min" in lines[0]


def test_colours_of_a_field_follow_the_order():
    """Samples that end low are drawn in the first colours, those that end high in the last ones."""
    grid, plot = draw_margin_field(field(np.linspace(0, 1, 300)), 60, 20, Palette())
    keys = grid.frame().keys[plot.top : plot.top + plot.rows, plot.left + plot.columns - 3]
    inks = [int(key & 0x1FFFFFF) - 1 for key in keys]
    red, blue = [ink >> 16 & 255 for ink in inks], [ink & 255 for ink in inks]
    high, low = len(inks) // 4, 3 * len(inks) // 4
    assert blue[high] > red[high]
    assert red[low] > blue[low]


def test_rows_that_go_back_are_sorted():
    whole = replace(field(), cursor=None)
    turn = np.random.default_rng(0).permutation(400)
    turned = replace(whole, x=whole.x[turn], values=whole.values[turn])
    one, other = (draw_margin_field(model, 60, 20, Palette())[0] for model in (whole, turned))
    assert (one.frame().keys == other.frame().keys).all()


def plane(values, points=((0.0, 0.5), (0.0, -0.5)), right=(True, False)):
    grid = np.linspace(-1, 1, 33)
    return PredictionModel(
        "prediction",
        grid,
        grid,
        values(*np.meshgrid(grid, grid)),
        np.array(points),
        np.array([1.0, -1.0]),
        np.array(right),
    )


@pytest.mark.parametrize("palette", PALETTES)
def test_a_prediction_is_drawn_at_any_size_with_any_palette(palette):
    model = plane(lambda x, y: y)
    for width, height in [(1, 1), (5, 3), (30, 8), (44, 20), (118, 38)]:
        lines = text_of(draw_prediction(model, width, height, palette))
        assert len(lines) == height
    assert palette.say("●") in "".join(lines)
    assert len(text_of(draw_prediction(PredictionModel(), 40, 10, palette))) == 10


@pytest.mark.parametrize("size", [(44, 20), (20, 30), (118, 36)])
def test_units_are_equal_on_both_axes_and_linear_surfaces_exact(size):
    model = plane(lambda x, y: 3 * x - 2 * y + 0.25)
    view = view_of(model.first, model.second, size[0], size[1], 0)
    x = view.left + (np.arange(view.columns) + 0.5) * view.step
    y = view.top - (np.arange(view.pixels) + 0.5) * view.step
    inside = (np.abs(x)[None, :] <= 1) & (np.abs(y)[:, None] <= 1)
    exact = 3 * x[None, :] - 2 * y[:, None] + 0.25
    assert np.allclose(sampled(model, view)[inside], exact[inside])
    assert inside.mean() > 0.9
    row, column = view.place(np.array([0.0, 0.0]))
    assert abs(row - size[1] / 2) <= 1
    assert abs(column - size[0] / 2) <= 1


def test_bands_are_of_equal_value_and_the_zero_line_is_where_the_sign_changes():
    values = np.array([[-2.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 2.0, np.nan]])
    assert band(values, 1.0).tolist() == [[-BANDS, -3, -1, 0, 1, 3, BANDS, 0]]
    assert zero_line(values).tolist() == [[False, False, False, True, False, False, True, False]]
    flat = zero_line(np.add.outer(np.linspace(1, -1, 8), np.zeros(5)))
    assert flat.sum() == 5
    assert flat[3].all()


def test_a_sample_on_the_wrong_side_is_red():
    grid = draw_prediction(plane(lambda x, y: y), 44, 22, Palette())
    frame = grid.frame()
    red = (frame.keys & 0x1FFFFFF) - 1 == Palette().ink("min")
    assert [chr(c) for c in frame.characters[red & (frame.characters != 32)]] == ["○"]
