"""Widgets in an app: any data at any size, only changed rows repainted, plain terminals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.widget import Widget

from workbench.protocol.events import RunEvent
from workbench.protocol.status import RunStatus
from workbench.tui.widgets.chart import (
    Band,
    ChartModel,
    Curve,
    LineChart,
    Marker,
    VLine,
    draw_chart,
)
from workbench.tui.widgets.compass import Compass, CompassModel, draw_compass, lengths
from workbench.tui.widgets.density import DensityChart, DensityModel, draw_density, sample_rows
from workbench.tui.widgets.eventlog import EventLog, EventLogModel
from workbench.tui.widgets.keyline import KeyHint, KeyLine, draw_keys, key_at
from workbench.tui.widgets.landscape import Landscape, LandscapeModel
from workbench.tui.widgets.marks import DataDirection, KktPoint
from workbench.tui.widgets.palette import Depth, Glyphs, Palette
from workbench.tui.widgets.pointed import CursorMoved
from workbench.tui.widgets.scale import Kind, axis
from workbench.tui.widgets.scrubbar import ScrubBar, Scrubbed, ScrubModel
from workbench.tui.widgets.sparkrows import SparkModel, SparkRow, SparkRows, heights
from workbench.tui.widgets.statusline import Status, StatusLine, draw_status

PALETTE = Palette()
PALETTES = [Palette(d, g) for d in Depth for g in Glyphs]
SIZES = [(3, 3), (1, 1), (2, 5), (9, 4), (24, 8), (80, 24), (200, 50)]

STEPS = np.arange(500.0)
DATA: dict[str, tuple[Any, Any]] = {
    "plain": (STEPS, np.sin(STEPS / 50)),
    "empty": (np.empty(0), np.empty(0)),
    "one point": (np.array([3.0]), np.array([2.0])),
    "constant": (STEPS, np.full(500, 0.25)),
    "all nan": (STEPS, np.full(500, np.nan)),
    "infinite": (STEPS, np.where(STEPS % 7 == 0, np.inf, -np.inf)),
    "huge": (STEPS, STEPS * 3e305 - 7e307),
    "tiny": (STEPS, STEPS * 1e-320),
    "holes": (STEPS, np.where(STEPS % 5 == 0, np.nan, STEPS)),
    "backwards": (STEPS[::-1].copy(), STEPS),
    "x not finite": (np.where(STEPS % 9 == 0, np.nan, STEPS), STEPS),
    "x equal": (np.full(500, 4.0), STEPS),
    "unequal": (STEPS, np.ones(3)),
    "deep": (STEPS, -40.0 * STEPS),
    "x below zero": (STEPS - 600, STEPS),
}


def lines(grid: Any) -> list[str]:
    frame = grid.frame()
    return [frame.strip(row).text for row in range(frame.shape[0])]


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("x_kind", [Kind.LINEAR, Kind.LOG])
@pytest.mark.parametrize("y_kind", list(Kind))
def test_charts_draw_anything_at_any_size(name: str, x_kind: Kind, y_kind: Kind) -> None:
    x, y = DATA[name]
    model = ChartModel(
        "title",
        (Curve(x, y, "cyan", "a"), Curve(x, -y, "min", "min"), Curve(x, y, "pink", style="dots")),
        (Band(x, y, y), Band(x, y, y, "inner")),
        (Marker(1.0, math.nan), Marker(math.inf, 0.5), Marker(2.0, 0.5)),
        (VLine(math.nan),),
        x_kind=x_kind,
        y_kind=y_kind,
        zero=True,
        cursor=3.0,
        x_name="step",
    )
    for width, height in SIZES:
        grid, _ = draw_chart(model, width, height, PALETTE)
        assert grid.frame().shape == (height, width)
    for palette in PALETTES:
        draw_chart(model, 40, 12, palette)[0].frame()


@pytest.mark.parametrize("name", DATA)
def test_other_pictures_draw_anything_at_any_size(name: str) -> None:
    x, y = DATA[name]
    values = np.stack([y, -y], axis=1) if y.size else np.empty((0, 2))
    points = tuple(KktPoint(a, k, v) for a, k, v in [(0.1, "max", 1.0), (math.nan, "flat", -1.0)])
    data = (DataDirection(0.3, 1), DataDirection(math.inf, -1))
    for palette in PALETTES:
        for width, height in SIZES:
            draw_density(
                DensityModel("t", x[: len(values)], values, y_kind=Kind.LINEAR),
                width,
                height,
                palette,
            )[0].frame()
            compass = CompassModel(
                "t", values, np.abs(y), y, data, points, ((0.0, 9.0), (math.nan, 1.0)), (values,)
            )
            draw_compass(compass, width, height, palette).frame()


@pytest.mark.parametrize("size", [(3, 3), (20, 6), (40, 15), (80, 24), (120, 40)])
async def test_every_widget_lives_at_every_size(size: tuple[int, int]) -> None:
    x = np.arange(50.0)
    circle = np.linspace(-np.pi, np.pi, 50)
    shown: list[tuple[Widget, Any]] = [
        (LineChart(), ChartModel("risk", (Curve(x, -x),), y_kind=Kind.POWER)),
        (DensityChart(), DensityModel("angles", x, np.outer(x / 25 - 1, np.ones(30)))),
        (Compass(), CompassModel(directions=np.ones((3, 2)), norms=np.ones(3))),
        (Landscape(), LandscapeModel(angle=circle, value=np.cos(circle), neurons=x)),
        (SparkRows(), SparkModel((SparkRow("a", x, "49"), SparkRow("b", x * np.nan, "–")))),
        (ScrubBar(), ScrubModel(0.4, "step 3")),
        (StatusLine(), Status(RunStatus.RUNNING, "run", 3, -6.1, 0.1, 2.0, 1e3, 10)),
        (EventLog(), EventLogModel((RunEvent(1, "saddle", "x"),))),
        (KeyLine(), (KeyHint("q", "quit"),)),
    ]

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield from (widget for widget, _ in shown)

    app = Host()
    async with app.run_test(size=size) as pilot:
        for widget, model in shown:
            widget.show(None)  # type: ignore[attr-defined]
            widget.show(model)  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.resize_terminal(size[0] + 7, size[1] + 3)
        await pilot.pause()
        for widget, _ in shown:
            for row in range(widget.size.height):
                assert widget.render_line(row).cell_length == widget.size.width


async def test_only_changed_rows_are_repainted() -> None:
    x = np.arange(200.0)
    y = np.sin(x / 30)

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield LineChart(id="chart")

    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        chart = app.query_one(LineChart)
        model = ChartModel("a", (Curve(x, y),), y_range=(-1, 1), x_range=(0, 400))
        assert chart.show(model) == 20
        await pilot.pause()
        asked: list[int] = []
        render = chart.render_line
        chart.render_line = lambda row: (asked.append(row), render(row))[1]  # type: ignore[method-assign]
        assert chart.show(model) == 0
        again = ChartModel("a", (Curve(x, y),), y_range=(-1, 1), x_range=(0, 400))
        assert chart.show(again) == 0
        await pilot.pause()
        assert asked == []
        longer = np.append(x, 201.0), np.append(y, y[-1])
        changed = chart.show(ChartModel("a", (Curve(*longer),), y_range=(-1, 1), x_range=(0, 400)))
        assert changed <= 1
        assert (
            chart.show(ChartModel("b", (Curve(*longer),), y_range=(-1, 1), x_range=(0, 400))) == 1
        )
        await pilot.pause()
        assert set(asked) <= {0, *range(20)}
        assert len(set(asked)) <= 2


async def test_hidden_widgets_draw_only_when_seen_again() -> None:
    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield StatusLine(id="status")

    app = Host()
    async with app.run_test(size=(60, 5)) as pilot:
        line = app.query_one(StatusLine)
        line.show(Status(RunStatus.RUNNING, "run", 1))
        line.display = False
        await pilot.pause()
        assert line.show(Status(RunStatus.PAUSED, "run", 2)) == 0
        line.display = True
        await pilot.pause()
        assert "paused run  step 2" in line.render_line(0).text


async def test_a_click_moves_the_cursor_and_the_bar_scrubs() -> None:
    found: list[float] = []

    class Host(App[None]):
        def compose(self) -> ComposeResult:
            yield LineChart(id="chart")
            yield ScrubBar(ScrubModel(0.0, "step 0"), id="bar")

        def on_cursor_moved(self, event: CursorMoved) -> None:
            found.append(event.x)

        def on_scrubbed(self, event: Scrubbed) -> None:
            found.append(-event.fraction)

    app = Host()
    async with app.run_test(size=(60, 12)) as pilot:
        chart = app.query_one(LineChart)
        x = np.arange(101.0)
        chart.show(ChartModel("a", (Curve(x, x),), x_range=(0, 100)))
        await pilot.pause()
        await pilot.mouse_down("#chart", offset=(2, 3))
        assert found == []
        await pilot.mouse_down("#chart", offset=(59, 3))
        assert found[0] == pytest.approx(99, abs=1)
        chart.move_cursor(50.0)
        await pilot.pause()
        assert "┊" in chart.render_line(4).text
        step = chart.step_cursor(50.0, 1)
        assert step is not None
        assert 50 < step < 53
        assert chart.step_cursor(None, -1) == pytest.approx(99, abs=1)
        await pilot.mouse_down("#bar", offset=(3, 0))
        assert found[-1] == 0


def test_what_has_no_place_is_counted_and_marked() -> None:
    x = np.arange(100.0)
    y = np.exp(-x / 10)
    y[10], y[20], y[30], y[40:45] = np.nan, np.inf, -np.inf, 0.0
    model = ChartModel("y", (Curve(x, y),), y_kind=Kind.LOG)
    text = lines(draw_chart(model, 80, 12, PALETTE)[0])
    assert "NaN×1 +∞×1 −∞×1 ≤0×5" in text[0]
    assert "▲" in text[1]
    assert "▼" in text[10]
    assert "×" in text[10]


def test_step_zero_on_a_log_axis_is_shown_at_the_left_edge() -> None:
    x = np.array([0.0, 1, 10, 100, 1000])
    grid, plot = draw_chart(ChartModel("t", (Curve(x, x),), x_kind=Kind.LOG), 60, 12, PALETTE)
    text = lines(grid)
    assert plot is not None
    assert plot.lane == "0"
    assert text[-1][plot.left] == "0"
    assert "10⁰" in text[-1]
    column = [line[plot.left] for line in text[1:-1]]
    assert any("⠀" < c <= "⣿" for c in column)
    assert plot.x_at(plot.left) == 0.0
    assert plot.column(0.0) == plot.left


def test_angles_over_the_seam_draw_no_line_across() -> None:
    x = np.arange(200.0)
    y = np.angle(np.exp(1j * (3.0 + 0.3 * (x > 100))))
    text = lines(draw_chart(ChartModel("a", (Curve(x, y),), y_kind=Kind.ANGLE), 80, 20, PALETTE)[0])
    middle = "".join(text[5:15])[7:]
    assert not any("⠀" < c <= "⣿" and c not in "⠁⠂⠄⡀" for c in middle)


def test_empty_charts_say_why() -> None:
    text = "\n".join(lines(draw_chart(None, 40, 6, PALETTE)[0]))
    assert "no record yet" in text
    model = CompassModel(empty="d = 5: directions are drawn for d = 2")
    assert "d = 5" in "\n".join(lines(draw_compass(model, 45, 9, PALETTE)))


def _plain_models() -> list[str]:
    x = np.arange(300.0)
    found: list[str] = []
    for palette in (p for p in PALETTES if p.ascii):
        chart = ChartModel(
            "‖θ‖ γ̄ log₁₀", (Curve(x, x, "cyan", "γ"), Curve(x, -x, "orange")), (Band(x, x - 9, x),),
            (Marker(10.0, 0.0),), x_kind=Kind.LOG, y_kind=Kind.ANGLE, cursor=4.0, x_name="step",
        )  # fmt: skip
        found += lines(draw_chart(chart, 60, 14, palette)[0])
        found += lines(
            draw_density(DensityModel("π", x, np.outer(x / 100, [1, -1])), 60, 14, palette)[0]
        )
        compass = CompassModel(
            "w", np.ones((2, 2)), np.ones(2), np.array([1, -1]),
            (DataDirection(1, 1),), (KktPoint(1, "max", 1),),
        )  # fmt: skip
        found += lines(draw_compass(compass, 60, 14, palette))
        found += lines(
            draw_status(Status(RunStatus.PAUSED, "α", 1, -3, 0.1, 2, 3, 4, "…"), 100, 1, palette)
        )
    return found


def test_ascii_terminals_get_ascii() -> None:
    text = "".join(_plain_models())
    assert text.isascii()
    assert text.strip()


def test_curves_are_told_apart_without_colour() -> None:
    x = np.arange(300.0)
    model = ChartModel("m", (Curve(x, x, "cyan"), Curve(x, x - 200, "orange")))
    plain = "".join(lines(draw_chart(model, 60, 14, Palette(Depth.NONE, Glyphs.ASCII))[0]))
    assert "*" in plain
    assert "o" in plain
    for palette in (Palette(Depth.NONE), Palette(Depth.NONE, Glyphs.ASCII)):
        frame = draw_chart(model, 60, 14, palette)[0].frame()
        for row in range(14):
            for segment in frame.strip(row):
                for color in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    if color is not None and color.triplet is not None:
                        assert len(set(color.triplet)) == 1


def test_status_drops_fields_and_never_cuts_a_number() -> None:
    status = Status(
        RunStatus.RUNNING, "relu-2d-24", 60_000, -20431.25, 0.1624, 9.25, 12_400, 190, "saddle 2"
    )
    whole = lines(draw_status(status, 120, 1, PALETTE))[0]
    fields = ["step 60,000", "log₁₀L -20431", "γ +0.1624", "‖θ‖ 9.25", "12.4k it/s", "eta 3m10s"]
    assert [f in whole for f in fields] == [True] * 6
    before = 7
    for width in range(120, 0, -1):
        line = lines(draw_status(status, width, 1, PALETTE))[0]
        assert text_is_whole(line, [*fields, "saddle 2"])
        count = sum(f in line for f in [*fields, "saddle 2"])
        assert count <= before + 1
        before = count
    assert "step 60,000" in lines(draw_status(status, 30, 1, PALETTE))[0]


def text_is_whole(line: str, fields: list[str]) -> bool:
    """Whether every word with a digit in a status line belongs to one of its whole fields."""
    rest = line.replace("relu-2d-24", "")
    for field in fields:
        rest = rest.replace(field, "")
    head = rest.replace("log₁₀L", "").split("…")[0]
    return not any(word[0].isdigit() for word in head.split() if word[0] not in "₁₀")


def test_keys_are_dropped_by_rank() -> None:
    hints = (KeyHint("space", "pause"), KeyHint("z", "zoom", 3), KeyHint("q", "quit"))
    assert "zoom" in lines(draw_keys(hints, 60, 1, PALETTE))[0]
    narrow = lines(draw_keys(hints, 22, 1, PALETTE))[0]
    assert "space pause  q quit" in narrow
    assert "zoom" not in narrow


def test_a_click_on_the_line_of_keys_presses_the_key_under_it() -> None:
    hints = (
        KeyHint("space", "pause"),
        KeyHint("⇧←→", "×10"),
        KeyHint("↑↓", "row"),
        KeyHint("", "words"),
        KeyHint("esc", "back"),
        KeyHint("T", "reverse"),
    )
    line = lines(draw_keys(hints, 80, 1, PALETTE))[0]

    def pressed(text: str, off: int = 0) -> str | None:
        return key_at(hints, 80, PALETTE, line.index(text) + off)

    assert pressed("space") == pressed("pause") == "space"
    assert pressed("⇧") == pressed("←") == "shift+left"
    assert pressed("→") == pressed("×10") == "shift+right"
    assert (pressed("↑"), pressed("↓"), pressed("row")) == ("up", "down", "down")
    assert (pressed("esc"), pressed("T rev")) == ("escape", "T")
    assert pressed("words") is None
    assert key_at(hints, 80, PALETTE, 0) is None
    assert key_at(hints, 80, PALETTE, 79) is None


def test_sparks() -> None:
    assert heights(np.array([0.0, 1, 2, 3]), 4, 4).tolist() == [0, 1, 2, 3]
    assert heights(np.array([0.0, np.nan, np.inf]), 3, 8).tolist() == [4, -1, 7]
    assert heights(np.empty(0), 3, 8).tolist() == [-2, -2, -2]
    assert heights(np.arange(1e5), 10, 8).tolist()[-1] == 7


def test_compass_is_round_and_lengths_are_bounded() -> None:
    grid = draw_compass(CompassModel(title="", directions=np.empty((0, 2))), 60, 20, PALETTE)
    drawn = [
        (row, column)
        for row, line in enumerate(lines(grid))
        for column, c in enumerate(line)
        if "⠀" < c <= "⣿"
    ]
    rows = {row for row, _ in drawn}
    columns = {column for _, column in drawn}
    high, wide = (max(rows) - min(rows) + 1) * 2, max(columns) - min(columns) + 1
    assert abs(high - wide) <= 3
    norms = np.array([1.0, 1e-3, 0.0, np.nan, np.inf])
    assert lengths(norms, "relative", 6).tolist() == [1.0, 1e-3, 0.0, 0.0, 0.0]
    assert lengths(norms, "log", 6) == pytest.approx([1.0, 0.5, 0.0, 0.0, 0.0])


def test_density_counts_and_holds_empty_columns() -> None:
    x = np.array([0.0, 1, 2, 50, 99])
    rows = sample_rows(x, axis(Kind.LINEAR, 0, 100), 10, 2)
    assert rows[0, 0] == 2
    assert rows[3].tolist() == [2, 2]
    assert rows[9, 0] == 4
    assert rows.shape == (10, 2)
