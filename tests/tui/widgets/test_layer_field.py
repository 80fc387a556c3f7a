"""The strips of the layers' alignment: digits, scale, rows, values at the cursor; panels of one state."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workbench.tui.widgets.layer_field import (
    LayerFieldModel,
    Strips,
    digits,
    draw_layer_field,
    full_scale,
    ratio_text,
    rows_of,
)
from workbench.tui.widgets.layer_panel import (
    LayerPanelModel,
    decades,
    draw_layer_panel,
    shared_range,
)
from workbench.tui.widgets.palette import Depth, Glyphs, Palette
from workbench.tui.widgets.scale import Kind

PALETTES = (Palette(), Palette(Depth.C16), Palette(Depth.NONE, Glyphs.ASCII))


def text_of(grid) -> list[str]:
    return ["".join(map(chr, row)).replace("\0", "") for row in grid.frame().characters]


def field(layers: int, records: int = 50, **more) -> LayerFieldModel:
    ratio = 1.0 - np.logspace(-0.3, -5, records)[:, None] * np.ones(layers)
    pairs = 1.0 - np.logspace(-1, -3, records)[:, None] * np.ones(layers - 1)
    names = tuple(f"w{k + 1}" for k in range(layers))
    groups = (
        Strips("rank", names, ratio),
        Strips("pairs", tuple(f"{a}·{b}" for a, b in pairwise(names)), pairs),
        Strips("svm", ("w1·ū",), ratio[:, :1]),
    )
    x = np.arange(1.0, records + 1)
    return LayerFieldModel(title="alignment", x=x, groups=groups, x_kind=Kind.LINEAR, **more)


def test_digits_are_those_of_the_distance_to_one() -> None:
    values = np.array([0.0, 0.9, 0.99, 1.0, 1.0 + 1e-16, np.nan])
    assert digits(values)[:4] == pytest.approx([0, 1, 2, 16], abs=1e-9)
    assert digits(values)[4] == 16
    assert np.isnan(digits(values)[5])


def test_a_row_vector_of_rank_one_does_not_darken_the_others() -> None:
    assert full_scale(np.array([0.2, 1.4, 16.0])) == 2
    assert full_scale(np.array([16.0])) == 1
    assert full_scale(np.array([11.9])) == 12


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.97312, "0.9731"), (1 - 3e-7, "1−3e−7"), (1.0, "1"), (0.9996, "1−4e−4"), (np.nan, "–")],
)
def test_ratios_in_few_characters(value: float, words: str) -> None:
    assert ratio_text(value) == words


@pytest.mark.parametrize("layers", [1, 2, 3, 5, 9, 40])
def test_every_strip_has_its_place_and_none_lies_on_another(layers: int) -> None:
    groups = field(layers).groups
    for height in range(1, 40):
        rows = rows_of(groups, height)
        taken = [row.top + k for row in rows for k in range(row.height)]
        assert len(set(taken)) == len(taken)
        assert max(taken) < height
        shown = [k for row in rows for strip in row.strips for k in strip]
        assert sorted(shown) == list(range(2 * layers))


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("size", [(1, 1), (8, 3), (20, 5), (34, 12), (45, 20), (80, 24), (118, 36)])
def test_it_is_drawn_at_every_size(palette: Palette, size: tuple[int, int]) -> None:
    model = field(3, cursor=20.0, at=19)
    grid, _ = draw_layer_field(model, *size, palette)
    assert grid.frame().shape == (size[1], size[0])
    lines = text_of(grid)
    if size == (45, 20):
        value = ratio_text(float(model.groups[0].values[19, 1]))
        named = [line for line in lines if line.lstrip().startswith("w2")]
        assert any(line.rstrip().endswith(palette.say(value)) for line in named)
        assert any("svm" in line for line in lines)


def test_the_colour_is_that_of_the_record_in_the_column() -> None:
    model = field(2)
    grid, plot = draw_layer_field(model, 60, 20, Palette())
    assert plot is not None
    inks = grid.palette.density()[0]
    found = digits(model.groups[0].values[:, 0])
    scale = full_scale(np.concatenate([digits(g.values).ravel() for g in model.groups]))
    row = plot.top + 1
    for column in (0, plot.width // 2, plot.width - 1):
        low, high = plot.x.edges(plot.width)[column : column + 2]
        inside = np.flatnonzero((model.x >= low) & (model.x <= high))
        before = np.flatnonzero(model.x <= high)
        record = inside[-1] if len(inside) else before[-1]
        level = 1 + int(np.floor(min(1.0, found[record] / scale) * (len(inks) - 2) + 0.5))
        ink = (int(grid.frame().keys[row, plot.left + column]) & (1 << 25) - 1) - 1
        back = ((int(grid.frame().keys[row, plot.left + column]) >> 25) & (1 << 25) - 1) - 1
        assert int(inks[level]) in (ink, back)


def test_layers_without_a_value_leave_their_column_empty() -> None:
    model = LayerFieldModel(x=np.zeros(0), groups=())
    grid, plot = draw_layer_field(model, 40, 10, Palette())
    assert plot is None
    assert "no record yet" in " ".join(text_of(grid))
    nan = Strips("rank", ("w1",), np.full((4, 1), np.nan))
    grid, _ = draw_layer_field(LayerFieldModel(x=np.arange(4.0), groups=(nan,)), 40, 10, Palette())
    assert any("–" in line for line in text_of(grid))


def panel(values, n: int = 30, name: str = "w1", **more) -> LayerPanelModel:
    points = np.random.default_rng(0).standard_normal((n, 2))
    labels = np.where(points[:, 0] > 0, 1.0, -1.0)
    return LayerPanelModel(name, "8×4", np.array(values), points, labels, 0.3, 4, **more)


def test_rounding_does_not_stretch_the_bars() -> None:
    assert decades(np.array([5.0, 3.0, 1e-15])) == (0.0, 1.0)
    assert decades(np.array([5.0, 3e-4])) == (-4.0, 1.0)
    assert decades(np.zeros(3)) == (-1.0, 0.0)
    data = panel([1e9], name="data")
    assert shared_range((data, panel([2.0, 0.2]), panel([30.0]))) == (-1.0, 2.0)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("size", [(3, 2), (18, 6), (18, 21), (28, 36), (60, 12)])
@pytest.mark.parametrize("n", [5, 400])
def test_panels_at_every_size(palette: Palette, size: tuple[int, int], n: int) -> None:
    grid = draw_layer_panel(panel([3.0, 0.4, 0.0], n), *size, palette)
    assert grid.frame().shape == (size[1], size[0])
    if size == (28, 36):
        lines = text_of(grid)
        assert lines[0].startswith("w1")
        assert "rank-1 0.9912" in lines[1]
        assert any("behind w1" in line for line in lines)


def test_bars_are_logarithmic_and_points_keep_their_side() -> None:
    model = panel([10.0, 1.0, 0.1], n=8, range=(-1.0, 1.0))
    lines = text_of(draw_layer_panel(model, 30, 34, Palette()))
    full = [sum(line[4 * j] == "█" for line in lines[2:14]) for j in range(3)]
    assert full == [12, 6, 0]
    grid = draw_layer_panel(model, 30, 34, Palette())
    for line in text_of(grid)[16:]:
        for column, mark in enumerate(line):
            assert mark != "●" or column >= 15
            assert mark != "○" or column <= 15
