"""Some of a study's members: those with the choices, whatever kind of value these are."""

from __future__ import annotations

import pytest

from tests.study.fake_dataset import studied
from workbench.errors import BadInput
from workbench.study.part import choices_of, part_of


def test_members_with_these_choices():
    dataset = studied(seeds=5, widths=(5, 10))
    part = part_of(dataset, choices_of(["init.scale=1e-1,1e-3", "init.seed=range(1,4)"], "--only"))
    assert part.member.shape == (3, 2, 2)
    assert part.equals(dataset.sel({"init.scale": [1e-1, 1e-3], "init.seed": [1, 2, 3]}))
    assert part_of(dataset, {}).equals(dataset)


def test_texts_lists_and_truth_values():
    dataset = studied(seeds=3, widths=(5, 10)).assign_coords(
        {
            "model.signs": ("init.seed", ["plus", "1", "[8, 8]"]),
            "record.theta": ("model.width", [True, False]),
        }
    )
    for choice, seed in (("plus", 0), ("1", 1), ("[8, 8]", 2)):
        part = part_of(dataset, choices_of([f"model.signs={choice}"], "--only"))
        assert part["init.seed"].values.tolist() == [seed]
    part = part_of(dataset, choices_of(["record.theta=false"], "--only"))
    assert part["model.width"].values.tolist() == [10]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["init.seed"], "is no KEY=CHOICES"),
        (["init.seed=1", "init.seed=2"], "names 'init.seed' twice"),
        (["init.sede=1"], r"unknown key 'init\.sede' in --only.*Did you mean 'init\.seed'"),
        (["init.seed=7"], r"unknown value of init\.seed '7' in --only; allowed: 0, 1, 2"),
        (["init.seed=1,,2"], "empty choice"),
    ],
)
def test_refusals(texts, sentence):
    with pytest.raises(BadInput, match=sentence):
        part_of(studied(seeds=3), choices_of(texts, "--only"), "--only")
