"""Which parts of the run screen are shown at which size."""

from __future__ import annotations

import pytest

from workbench.tui.layout import LEFT, RIGHT, Arrangement, arrange, parts


def test_two_columns_where_they_fit():
    shown = arrange(120, 40, Arrangement(), density=False)
    assert shown.widgets == frozenset(LEFT + RIGHT)
    assert shown.left
    assert shown.right


def test_one_column_at_80_by_24_and_the_other_by_key():
    assert arrange(80, 24, Arrangement(), False).widgets == frozenset(LEFT)
    assert arrange(80, 24, Arrangement(right=True), False).widgets == frozenset(RIGHT)


@pytest.mark.parametrize("part", [*LEFT, *RIGHT])
def test_one_part_at_40_by_15(part):
    shown = arrange(40, 15, Arrangement(selected=part), False)
    assert shown.widgets == frozenset({part})
    assert shown.left == (part in LEFT)


def test_smaller_says_so():
    assert arrange(29, 20, Arrangement(), False).too_small
    assert arrange(80, 7, Arrangement(), False).too_small


def test_tab_goes_round_every_part_and_back():
    choice, seen = Arrangement(), []
    for _ in range(7):
        choice = choice.moved(1, density=True)
        seen.append(choice.selected)
    assert seen == parts(True)
    assert choice.moved(1, True).selected == "risk"
    assert Arrangement().moved(-1, True).selected == "log"


def test_density_takes_the_place_of_lines():
    assert "density" in arrange(120, 40, Arrangement(), density=True).widgets
    assert "lower" not in arrange(120, 40, Arrangement(), density=True).widgets
