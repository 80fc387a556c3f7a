"""Settings typed in one line are split as TOML values stand in them."""

from __future__ import annotations

import random

import pytest

from workbench.config.toml import override, split_settings
from workbench.errors import BadInput


def test_settings_are_split_at_blanks_outside_quotes_and_brackets() -> None:
    text = 'train.lr=1e-3 name="a b" model.widths=[64, 32] data.path=C#'
    assert split_settings(text) == [
        "train.lr=1e-3",
        'name="a b"',
        "model.widths=[64, 32]",
        "data.path=C#",
    ]
    assert split_settings("  ") == []
    for wrong in ('name="a', "data.y=[1, 2"):
        with pytest.raises(BadInput):
            split_settings(wrong)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ('name="a b" train.lr=1', {"name": "a b", "train": {"lr": 1}}),
        (r'name="a \" b" train.lr=1', {"name": 'a " b', "train": {"lr": 1}}),
        (r'name="a\\" train.lr=1', {"name": "a\\", "train": {"lr": 1}}),
        (r"name='a\' train.lr=1", {"name": "a\\", "train": {"lr": 1}}),
        ("name='a \" b' train.lr=1", {"name": 'a " b', "train": {"lr": 1}}),
        ("data.y=[1, -1] train={lr = 1}", {"data": {"y": [1, -1]}, "train": {"lr": 1}}),
        ('name="[" data.y=["]", "a b"]', {"name": "[", "data": {"y": ["]", "a b"]}}),
    ],
)
def test_what_is_split_reads_as_toml(text: str, table: dict[str, object]) -> None:
    assert override({}, split_settings(text)) == table


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_blanks_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        text = "".join(chance.choice("a.=1 \t\"'\\[]{}") for _ in range(12))
        try:
            parts = split_settings(text)
        except BadInput:
            continue
        assert "".join("".join(parts).split()) == "".join(text.split())
