"""What the eye reads on an axis of any range at any size: true labels at their places, two at least."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.tui.widgets.cells import Grid, text_width
from workbench.tui.widgets.frame import PlotArea, draw_axes, draw_title, lay_out, x_labels
from workbench.tui.widgets.palette import Glyphs, Palette
from workbench.tui.widgets.scale import Axis, Kind, axis, y_range
from workbench.tui.widgets.ticks import Tick, ticks

PALETTES = (Palette(), Palette(glyphs=Glyphs.ASCII))
SUFFIX = {"k": 3, "M": 6, "G": 9, "T": 12}
UP = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))

# --- ranges of every sort -----------------------------------------------------------------------

signs = st.sampled_from((-1.0, 1.0))


@st.composite
def linear(draw: st.DrawFn) -> Axis:
    """Any size, any offset, down to a span of 1e-11 of the values."""
    size, sign = 10.0 ** draw(st.floats(-250, 250)), draw(signs)
    low = sign * size * draw(st.floats(0.1, 1.0))
    span = size * 10.0 ** draw(st.floats(-11, 3))
    return axis(Kind.LINEAR, low, low + span)


@st.composite
def log(draw: st.DrawFn) -> Axis:
    """From hundreds of decades down to a millionth of one."""
    low, decades = draw(st.floats(-290, 280)), 10.0 ** draw(st.floats(-6, 2.5))
    return axis(Kind.LOG, 10.0**low, 10.0 ** min(low + decades, 299))


@st.composite
def power(draw: st.DrawFn) -> Axis:
    """Logarithms of numbers that are no floats."""
    low, decades = draw(st.floats(-1e6, 1e6)), 10.0 ** draw(st.floats(-4, 9))
    return axis(Kind.POWER, low, low + decades)


@st.composite
def angle(draw: st.DrawFn) -> Axis:
    """A turn, or a part of one."""
    low = draw(st.floats(-math.pi, math.pi))
    return axis(Kind.ANGLE, low, low + 10.0 ** draw(st.floats(-4, 0.8)))


@st.composite
def steps(draw: st.DrawFn) -> Axis:
    """What a step axis is: from the first record to the last one."""
    kind = draw(st.sampled_from((Kind.LINEAR, Kind.LOG)))
    low, high = draw(st.integers(1, 1000)), draw(st.integers(2, 10**9))
    return axis(kind, float(low), float(low + high))


usual = st.builds(lambda r: axis(Kind.LINEAR, *y_range(Kind.LINEAR, r)), st.tuples(
    st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)).map(sorted))  # fmt: skip
AXES = st.one_of(linear(), log(), power(), angle(), steps(), usual)
QUICK = settings(max_examples=200, deadline=None, derandomize=True)


# --- reading labels back ------------------------------------------------------------------------


def read(label: str, base: str, kind: Kind) -> float:
    """The value that a label states, of log10 of it on a *power* axis, as a reader would take it."""
    text = label.replace("pi", "π")
    if "π" in text:
        front, _, bottom = text.partition("π")
        times = {"": 1.0, "-": -1.0}.get(front) or float(front)
        return times * math.pi / float(bottom.removeprefix("/") or 1)
    if raised := re.fullmatch(r"(?:(-?[\d.]+)·)?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", text):
        text = f"{raised[1] or 1}e{''.join(UP[c] for c in raised[2])}"
    if text[-1] in SUFFIX:
        text = f"{text[:-1]}e{SUFFIX[text[-1]]}"
    mantissa, _, exponent = text.partition("e")
    if kind is Kind.POWER:
        whole = (
            Decimal(mantissa).scaleb(int(exponent or 0)) if abs(int(exponent or 0)) < 300 else None
        )
        if whole is not None and base:
            whole += Decimal(base)
        if whole is not None:
            return float(whole.log10())
        return math.log10(float(mantissa)) + int(exponent)
    return float((Decimal(base) if base else 0) + Decimal(text))


def is_true(tick: Tick, base: str, shown: Axis) -> None:
    """A label states its tick's value, in the range, at its place."""
    stated = read(tick.label, base, shown.kind)
    span = shown.high - shown.low
    if shown.kind is Kind.POWER:
        assert stated == pytest.approx(tick.value, rel=1e-12, abs=1e-9 * min(1.0, span))
    else:
        assert stated == pytest.approx(tick.value, rel=1e-14, abs=0.0)
    assert shown.low - 1e-8 * span <= tick.value <= shown.high + 1e-8 * span


def place_of(value: float, shown: Axis) -> float:
    """The fraction of an axis at which a value lies, in exact arithmetic but for logarithms."""
    if shown.kind is Kind.LOG:
        low, high = math.log10(shown.low), math.log10(shown.high)
        return (math.log10(value) - low) / (high - low)
    low_, high_ = Fraction(shown.low), Fraction(shown.high)
    return float((Fraction(value) - low_) / (high_ - low_))


# --- the properties -----------------------------------------------------------------------------


@QUICK
@given(AXES, st.integers(10, 200), st.integers(2, 60), st.sampled_from(PALETTES))
def test_y_labels_are_true_and_in_the_rows_of_their_values(
    shown: Axis, width: int, height: int, palette: Palette
) -> None:
    plot = lay_out(width, height, axis(Kind.LINEAR, 0, 1), shown, palette)
    base, found = plot.y_ticks.base, plot.y_ticks.ticks
    assert len(found) != 1
    # Less than a third of a decade at 10^100000 needs more digits than fit; y_range never gives that.
    short = shown.kind is Kind.POWER and shown.high - shown.low < 0.3
    if plot.rows >= 3 and width >= 50 and not short:
        assert len(found) >= 2
    labels = [tick.label for tick in found]
    assert len(set(labels)) == len(labels)
    grid = Grid(width, height, palette)
    draw_axes(grid, plot)
    draw_title(grid, plot, "title")
    lines = [grid.frame().strip(row).text for row in range(height)]
    for tick in found:
        is_true(tick, base, shown)
        said = palette.say(tick.label)
        middle = (1 - place_of(tick.value, shown)) * (plot.rows * 4 - 1) / 4
        assert abs(plot.row(tick.value) - plot.top + 0.5 - middle) <= 0.8  # type: ignore[operator]
        assert lines[plot.row(tick.value)][: plot.left - 1].strip() == said  # type: ignore[index]
        assert text_width(said) <= plot.left - 2
    if base:
        assert lines[0].split()[:2] == [base, "+"]
    if palette.ascii:
        assert "".join(lines).isascii()


@QUICK
@given(
    AXES,
    st.integers(10, 200),
    st.sampled_from(("", "step", "ln(n/L)")),
    st.sampled_from(("", "0", "≤0")),
    st.sampled_from(PALETTES),
)
def test_x_labels_are_true_and_centred_on_the_columns_of_their_values(
    shown: Axis, width: int, name: str, lane: str, palette: Palette
) -> None:
    plot = lay_out(
        width, 12, shown, axis(Kind.LINEAR, 0, 1), palette, gutter=7,
        lane=lane if shown.kind in (Kind.LOG, Kind.POWER) else "",
    )  # fmt: skip
    row = x_labels(plot, name, palette)
    assert len(row.labels) != 1
    if width >= 60:
        assert len(row.labels) >= 2
    base = row.name.split(" = ")[1].removesuffix(" +") if " = " in row.name else ""
    taken = []
    for start, tick in row.labels:
        is_true(tick, base, shown)
        size = text_width(palette.say(tick.label))
        column = plot.column(tick.value)
        assert column is not None
        assert abs(start + (size - 1) / 2 - column) <= 0.5
        place = plot.origin + place_of(tick.value, shown) * plot.width
        assert abs(start + size / 2 - place) <= 0.51
        taken.append((start, start + size))
    if row.name:
        taken.append((row.name_column, row.name_column + text_width(row.name)))
    if plot.lane:
        taken.append((plot.left + 1 - text_width(palette.say(plot.lane)), plot.left + 1))
    taken.sort()
    assert all(a[1] < b[0] for a, b in pairwise(taken))
    assert not taken or (taken[0][0] >= 0 and taken[-1][1] <= width)
    assert len({tick.label for _, tick in row.labels}) == len(row.labels)
    grid = Grid(width, 12, palette)
    draw_axes(grid, plot, name)
    line = grid.frame().strip(11).text
    for start, tick in row.labels:
        assert line[start:].startswith(palette.say(tick.label))


@QUICK
@given(st.floats(-8, 8), st.floats(0.36, 1.99), st.integers(30, 120))
def test_within_two_decades_a_log_axis_is_labelled_at_1_2_5(
    low: float, decades: float, width: int
) -> None:
    shown = axis(Kind.LOG, 10.0**low, 10.0 ** (low + decades))
    found = ticks(shown, width // 9, lambda found: list(found.ticks)).ticks
    places = [math.log10(m) + k for k in range(-10, 12) for m in (1, 2, 5)]
    inside = [place for place in places if low <= place <= low + decades]
    at_an_end = any(min(abs(p - low), abs(p - low - decades)) < 1e-6 for p in places)
    if 2 <= len(inside) <= width // 9 and not at_an_end:
        assert [math.log10(t.value) for t in found] == pytest.approx(inside)
    assert len(found) >= 2


@QUICK
@given(st.floats(-300, 200), st.floats(2.01, 90.0), st.sampled_from((Kind.LOG, Kind.POWER)))
def test_over_more_decades_only_powers_of_ten_are_labelled(
    low: float, decades: float, kind: Kind
) -> None:
    low = max(low, -290.0)
    ends = (low, low + decades)
    shown = axis(kind, *ends) if kind is Kind.POWER else axis(kind, *(10.0**e for e in ends))
    found = ticks(shown, 6, lambda found: list(found.ticks)).ticks
    assert len(found) >= 2
    assert all(re.fullmatch("10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", tick.label) for tick in found)


@QUICK
@given(st.floats(1e-6, 1e6), st.floats(0, 1), st.integers(8, 40))
def test_what_stands_still_is_drawn_flat_with_short_labels(
    value: float, part: float, height: int
) -> None:
    wiggle = 1e-6 * abs(value) * part
    low, high = y_range(Kind.LINEAR, (value, value + wiggle))
    assert wiggle <= 1e-5 * (high - low)
    plot = y_plot(axis(Kind.LINEAR, low, high), height)
    assert all(len(t.label) <= 9 for t in plot.y_ticks.ticks)


def labels(shown: Axis, height: int = 12) -> list[str]:
    return [t.label for t in y_plot(shown, height).y_ticks.ticks]


def y_plot(shown: Axis, height: int = 12) -> PlotArea:
    return lay_out(60, height, axis(Kind.LINEAR, 0, 1), shown, PALETTES[0])


def test_labels_that_were_wrong_once() -> None:
    assert labels(axis(Kind.LINEAR, 0, 6e-7)) == ["0", "2e-7", "4e-7", "6e-7"]
    assert labels(axis(Kind.LINEAR, 1e-7, 3.1e-7), 9) == ["1e-7", "2e-7", "3e-7"]
    assert labels(axis(Kind.LINEAR, -100_001.0, 0.0)) == ["-100000", "-50000", "0"]
    assert labels(axis(Kind.POWER, 0.0, 8.3e8))[-1] == "10⁵⁰⁰⁰⁰⁰⁰⁰⁰"
    # Nothing but the difference tells these apart in ten characters.
    plot = y_plot(axis(Kind.LINEAR, -203.381234567, -203.381234547))
    assert plot.y_ticks.base == "-203.381234565"
    assert [t.label for t in plot.y_ticks.ticks] == ["+0", "+5e-9", "+1e-8", "+1.5e-8"]
    step = lay_out(75, 12, axis(Kind.LINEAR, 0, 47_570), axis(Kind.LINEAR, 0, 1), PALETTES[0])
    found = x_labels(step, "step", PALETTES[0])
    assert [t.label for _, t in found.labels] == ["0", "10k", "20k", "30k", "40k"]
