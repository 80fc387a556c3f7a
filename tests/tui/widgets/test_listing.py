"""Listings: which columns stay, what is in sight, where the cursor may go."""

from __future__ import annotations

import pytest
from textual.app import App

from workbench.tui.widgets.listing import ListColumn, Listed, Listing, draw_listing, fitted
from workbench.tui.widgets.palette import Depth, Glyphs, Palette

COLUMNS = (ListColumn("name", 0, right=False), ListColumn("value", 2), ListColumn("rate", 1))


def rows(count):
    return tuple(((f"row{i}", "text"), (f"{i}.5", "dim"), (f"{i}%", "dim")) for i in range(count))


def picture(listed, width, height, palette=None):
    grid = draw_listing(listed, width, height, palette or Palette())
    return ["".join(map(chr, line)).rstrip() for line in grid.frame().characters]


def test_what_matters_least_goes_first():
    listed = Listed(COLUMNS, rows(3))
    assert [i for i, _ in fitted(listed, 40, Palette())] == [0, 1, 2]
    assert [i for i, _ in fitted(listed, 14, Palette())] == [0, 2]
    assert [i for i, _ in fitted(listed, 5, Palette())] == [0]


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_right():
    assert picture(Listed(COLUMNS, rows(2)), 20, 3) == [
        "name  value  rate",
        "row0    0.5    0%",
        "row1    1.5    1%",
    ]


@pytest.mark.parametrize(
    "palette", [Palette(), Palette(Depth.NONE, Glyphs.ASCII), Palette(Depth.C16)]
)
@pytest.mark.parametrize("size", [(0, 0), (1, 1), (3, 2), (12, 4), (200, 60)])
def test_any_size_and_terminal_draws(palette, size):
    for listed in (None, Listed(), Listed(COLUMNS, rows(30), cursor=29, top=27, focused=True)):
        assert draw_listing(listed, *size, palette).frame().shape == (size[1], size[0])


def test_the_rows_from_the_top_are_in_sight_with_a_bar_beside_them():
    shown = picture(Listed(COLUMNS, rows(30), cursor=12, top=10), 30, 5)
    assert [line.split()[0] for line in shown[1:]] == ["row10", "row11", "row12", "row13"]
    assert any(line.endswith("█") for line in shown[1:])
    assert not any(line.endswith(("█", "│")) for line in picture(Listed(COLUMNS, rows(4)), 30, 5))


class Host(App[None]):
    """A listing alone."""

    def __init__(self):
        super().__init__()
        self.told = 0

    def compose(self):
        yield Listing()

    def on_listing_chosen(self):
        self.told += 1


async def test_the_cursor_stays_in_sight_and_within_the_rows():
    app = Host()
    async with app.run_test(size=(40, 6)) as pilot:
        listing = app.query_one(Listing)
        assert listing.chosen is None
        listing.show_rows(Listed(COLUMNS, rows(20)))
        app.set_focus(None)
        await pilot.pause()
        assert not listing.listed.focused
        listing.focus()
        await pilot.pause()
        assert listing.listed.focused
        await pilot.press("down", "j", "down")
        assert (listing.chosen, app.told) == (3, 3)
        await pilot.press("end")
        assert listing.chosen == 19
        assert listing.listed.top == 15
        await pilot.press("down")
        assert (listing.chosen, app.told) == (19, 4)
        await pilot.press("pageup")
        assert listing.chosen == 15
        await pilot.click(Listing, offset=(2, 2))
        assert listing.chosen == listing.listed.top + 1
        listing.show_rows(Listed(COLUMNS, rows(3)))
        assert listing.chosen == 2
        await pilot.press("home")
        assert (listing.chosen, listing.listed.top) == (0, 0)
