"""Which parts of the run screen are shown at which size."""

from __future__ import annotations

import pytest

from workbench.tui.run.layout import LEFT, PICTURES, Arrangement, Parts, arrange

DIRECTIONS = Parts()
RIGHT = DIRECTIONS.right


def test_two_columns_where_they_fit():
    shown = arrange(120, 40, Arrangement(), DIRECTIONS)
    assert shown.widgets == frozenset(LEFT + RIGHT)
    assert shown.left
    assert shown.right


def test_one_column_at_80_by_24_and_the_other_by_key():
    assert arrange(80, 24, Arrangement(), DIRECTIONS).widgets == frozenset(LEFT)
    assert arrange(80, 24, Arrangement(right=True), DIRECTIONS).widgets == frozenset(RIGHT)


@pytest.mark.parametrize("part", [*LEFT, *RIGHT])
def test_one_part_at_40_by_15(part):
    shown = arrange(40, 15, Arrangement(selected=part), DIRECTIONS)
    assert shown.widgets == frozenset({part})
    assert shown.left == (part in LEFT)


def test_smaller_says_so():
    assert arrange(29, 20, Arrangement(), DIRECTIONS).too_small
    assert arrange(80, 7, Arrangement(), DIRECTIONS).too_small


@pytest.mark.parametrize("picture", sorted(PICTURES))
def test_tab_goes_round_every_part_and_back(picture):
    parts = Parts(("risk", "margins", "density"), picture)
    choice, seen = Arrangement(), []
    for _ in parts.order:
        choice = choice.moved(1, parts)
        seen.append(choice.selected)
    assert seen == parts.order
    assert choice.moved(1, parts).selected == "risk"
    assert Arrangement().moved(-1, parts).selected == "log"


def test_fields_take_the_place_of_lines():
    widgets = arrange(120, 40, Arrangement(), Parts(("risk", "margins", "density"))).widgets
    assert {"margins", "density"} <= widgets
    assert not {"middle", "lower"} & widgets


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 15)])
@pytest.mark.parametrize("picture", sorted(PICTURES))
def test_a_picture_that_is_turned_to_is_in_sight(size, picture):
    choice = Arrangement(selected="middle").turned_to(picture)
    assert arrange(*size, choice, Parts(picture=picture)).widgets >= {PICTURES[picture][0]}


def test_a_widget_without_content_gives_its_room_away() -> None:
    parts = Parts(empty=frozenset({"landscape"}))
    shown = arrange(120, 40, Arrangement(), parts)
    assert "compass" in shown.widgets
    assert "landscape" not in shown.widgets
    assert "landscape" not in parts.order
