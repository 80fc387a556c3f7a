"""What the page of a study makes of its members: pooled, counted, in bands, sorted and filtered."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tui.study.fake_look import FakeReader, fake_look
from workbench.tui.study.bands import group_of, on_common_x, quantiles
from workbench.tui.study.look import Saddles
from workbench.tui.study.pace import Pace
from workbench.tui.study.pooled import Axes, heat, pooled, readout
from workbench.tui.study.targets import shares_of, targets_of
from workbench.tui.study.view import StudyView, read_groups
from workbench.tui.widgets.bars import Bar, BarsModel, draw_bars
from workbench.tui.widgets.heatmap import HeatModel, draw_heat, room
from workbench.tui.widgets.palette import Depth, Glyphs, Palette

ROOM = (20, 60)


def view(**changes) -> StudyView:
    return StudyView(fake_look(**changes))


# --- pooling ---


@pytest.mark.parametrize("axes", [Axes(0, 1), Axes(2, 0), Axes(1, 2)])
@pytest.mark.parametrize("key", ["risk", "saddles", "target"])
def test_a_tile_is_the_median_or_the_most_frequent_word_of_its_members(
    axes: Axes, key: str
) -> None:
    shown = view(seeds=7)
    of, cells = shown.found[key], pooled(shown.look, axes, ROOM)
    picture = heat(cells, of, None)
    for row, column in np.ndindex(*cells.shape):
        mine = [
            k
            for k in range(shown.look.count)
            if shown.look.place[k, axes.across] == column and shown.look.place[k, axes.up] == row
        ]
        assert cells.members((row, column)).tolist() == mine
        values = [v for v in of.values[mine].tolist() if not math.isnan(v)]
        wanted = max(sorted(set(values)), key=values.count) if of.words else np.median(values)
        assert picture.values[row, column] == wanted


def test_choices_share_tiles_where_they_are_more_than_fit() -> None:
    shown = view(seeds=100, widths=())
    cells = pooled(shown.look, Axes(1, 0), (3, 40))
    assert cells.merge == (2, 3)
    assert cells.shape == (3, 34)
    assert sum(cells.members(c).size for c in np.ndindex(*cells.shape)) == shown.look.count
    assert cells.name(1) == "init.seed (3 a tile)"
    assert "init.seed 3…5" in cells.where((0, 1))


def test_what_has_not_begun_is_no_number() -> None:
    shown = view(live=True)
    cells = pooled(shown.look, Axes(0, 1), ROOM)
    picture = heat(cells, shown.found["risk"], (2, 4))
    assert math.isnan(picture.values[2, 4])
    assert picture.readout.endswith("nothing yet: waiting")
    assert "N 20" in readout(cells, shown.found["risk"], (0, 0))


# --- bands ---


def test_quantiles_are_numpys_of_the_numbers_there_are() -> None:
    draw = np.random.default_rng(1)
    values = draw.standard_normal((31, 12))
    values[draw.random(values.shape) < 0.4] = np.nan
    values[:, 3], values[:-1, 4], values[5, 5] = np.nan, np.nan, -np.inf
    found, count = quantiles(values)
    assert count.tolist() == (~np.isnan(values)).sum(axis=0).tolist()
    finite = [0, 1, 2, 4, *range(6, 12)]
    wanted = np.nanquantile(values[:, finite], (0.1, 0.25, 0.5, 0.75, 0.9), axis=0)
    np.testing.assert_allclose(found[:, finite], wanted, rtol=1e-14)
    assert np.isnan(found[:, 3]).all()
    assert found[2, 5] == np.median(values[~np.isnan(values[:, 5]), 5])


def test_bands_hold_the_members_of_their_choice() -> None:
    shown = view(seeds=6)
    step, values = FakeReader(shown.look).series("log_risk")
    groups = read_groups(step, values, shown.groups(), lambda: False)
    assert [group.label for group in groups] == list(shown.look.dimensions[0].labels)
    mine = values[shown.look.place[:, 0] == 2]
    np.testing.assert_allclose(groups[2].levels[2], np.median(mine, axis=0), rtol=1e-12)
    chart = shown.bands(groups, "")
    assert "by scale" in chart.title
    assert "N=18" in chart.title
    assert len(chart.curves) == len(chart.bands) == 5


def test_curves_of_their_own_steps_meet_on_common_ones() -> None:
    x, values = on_common_x(
        [
            (np.array([0.0, 10.0]), np.array([0.0, 1.0])),
            (np.array([5.0, 20.0]), np.array([2.0, 2.0])),
        ]
    )
    assert x.tolist() == [0, 5, 10, 20]
    group = group_of("", x, values)
    assert group.count.tolist() == [1, 2, 2, 1]
    assert group.levels[2].tolist() == [0, 1.25, 1.5, 2]


# --- targets ---


def test_directions_of_one_kind_near_each_other_are_one_point() -> None:
    shown = view(seeds=50)
    assert [point.kind for point in shown.targets.points] == ["max", "max", "saddle"]
    assert [point.word for point in shown.targets.points] == ["#1 53°", "#2 143°", "#3 -84°"]
    bars = shown.shares()
    assert sum(bar.count for bar in bars.bars) == bars.total == shown.look.count
    first = shown.targets.of_members(0, shown.look.count)
    assert bars.bars[0].count == int((first == 0).sum())
    counts = {bar.label: bar.count for bar in bars.bars}
    failed = int((shown.look.status == "failed").sum())
    assert (counts.get("not known", 0), "no saddle" in counts) == (failed, False)
    rose = shown.rose()
    assert rose.norms is not None
    assert rose.norms.tolist() == [int((first == k).sum()) for k in range(3)]
    assert [point.kind for point in rose.kkt] == ["point", "max", "max", "saddle"]


def test_without_saddles_nothing_is_counted() -> None:
    none = targets_of(Saddles())
    assert none.points == ()
    assert shares_of(none, [0, 1], np.array([True, False]), 0).bars == ()
    assert "no member" in shares_of(none, [0, 1], np.array([True, False]), 0).empty


# --- the table ---


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (
            "init.scale>=1e-2 model.width=20",
            lambda s, k: s["init.scale"] >= 1e-2 and s["model.width"] == 20,
        ),
        ("init.seed=3,5", lambda s, k: s["init.seed"] in (3, 5)),
    ],
)
def test_members_are_filtered_by_any_setting(text: str, fits) -> None:
    shown = view(seeds=8).having(filter=text)
    assert not shown.mistake
    settings = shown.look.settings
    assert shown.members.tolist() == [k for k in range(shown.look.count) if fits(settings[k], k)]


def test_members_are_filtered_by_outcomes_and_mistakes_are_named() -> None:
    shown = view(seeds=8)
    saddles = shown.found["saddles"].values
    assert shown.having(filter="saddles>2").members.tolist() == np.flatnonzero(saddles > 2).tolist()
    failed = shown.having(filter="state=failed no solution")
    assert failed.members.tolist() == np.flatnonzero(shown.look.status == "failed").tolist()
    assert "did you mean 'init.scale'" in shown.having(filter="init.scal=1").mistake


def test_what_is_not_known_sorts_last_both_ways() -> None:
    shown = view(seeds=8).having(sort="saddles")
    saddles = shown.found["saddles"].values
    for reverse in (False, True):
        ordered = saddles[shown.having(reverse=reverse).members]
        known = ordered[~np.isnan(ordered)]
        assert np.isnan(ordered[known.size :]).all()
        assert known.tolist() == sorted(known.tolist(), reverse=reverse)


# --- pictures at any size ---


@pytest.mark.parametrize(
    "palette", [Palette(), Palette(Depth.C16), Palette(Depth.NONE, Glyphs.ASCII)]
)
def test_tiles_and_bars_are_drawn_at_any_size(palette: Palette) -> None:
    shown = view(seeds=9)
    bars = replace(shown.shares(), title="where")
    for width, height in [(0, 0), (1, 1), (5, 3), (12, 4), (40, 13), (75, 17), (200, 50)]:
        for key in ("saddles", "target", "state"):
            asked = shown.having(asked=key, cursor=(1, 1))
            grid, _ = draw_heat(asked.heat(room(width, height), True), width, height, palette)
            text = "".join(chr(c) for c in grid.frame().characters.ravel().tolist() if c)
            assert text.isascii() or not palette.ascii
        assert draw_bars(bars, width, height, palette).frame().shape == (height, width)
    many = BarsModel(bars=tuple(Bar("◆", f"{k}", "cyan", 9 - k) for k in range(9)), total=45)
    lines = draw_bars(many, 40, 4, palette).frame()
    assert "6 others" in "".join(map(chr, lines.characters[3].tolist()))


def test_words_are_told_apart_without_colour() -> None:
    model = HeatModel(
        values=np.array([[0.0, 1.0]]),
        x_labels=("a", "b"),
        y_labels=("",),
        words=(("saddle", "cyan"), ("stalled", "warn")),
    )
    grid, plot = draw_heat(model, 12, 3, Palette(Depth.NONE, Glyphs.ASCII))
    assert plot is not None
    text = "".join(map(chr, grid.frame().characters.ravel().tolist()))
    assert "sss" in text
    assert "ttt" in text


def test_what_is_left_goes_by_the_pace_that_was_seen() -> None:
    look, pace = replace(fake_look(live=True), steps_done=1_000, steps_total=5_000), Pace()
    assert pace.left(look, 100.0) is None
    assert pace.left(replace(look, steps_done=1_500), 101.0) is None
    assert pace.left(replace(look, steps_done=2_000), 110.0) == 30.0
    assert pace.left(replace(look, state="stopped"), 111.0) is None
