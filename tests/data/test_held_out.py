"""The held-out part of a dataset: how it is drawn, that it fits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from workbench.config.data import DataConfig
from workbench.config.toml import override, parse_config, read_toml
from workbench.data.dataset import Dataset, require_labels
from workbench.data.held_out import split_off
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.losses.registry import loss_of

ADAPTER = TypeAdapter(DataConfig)
RNG = np.random.default_rng(0)
BASE = {
    "data": {"kind": "gaussian-separable", "n": 12},
    "model": {"kind": "two-layer-relu"},
    "loss": {"kind": "logistic"},
}


def load(**table):
    return load_dataset(ADAPTER.validate_python(table))


def rows(*parts):
    return sorted(row.tobytes() for part in parts for row in np.column_stack([part.x, part.y]))


def test_a_split_is_stratified_reproducible_and_loses_nothing():
    whole = load(kind="digits", n=300)
    one = load(kind="digits", n=300, test={"split": 0.2})
    again = load(kind="digits", n=300, test={"split": 0.2})
    other = load(kind="digits", n=300, test={"split": 0.2, "seed": 1})
    assert (one.n, one.test.n, one.test.test) == (240, 60, None)
    assert rows(one, one.test) == rows(whole)
    assert one.x.tobytes() == again.x.tobytes()
    assert one.test.x.tobytes() == again.test.x.tobytes()
    assert rows(one.test) != rows(other.test)
    for k in range(10):
        assert abs(np.sum(one.test.y == k) - 0.2 * np.sum(whole.y == k)) < 1.0
    # The parts keep the order of the set.
    places = [whole.x.tolist().index(row) for row in one.x.tolist()]
    assert places == sorted(places)


def test_a_class_is_never_held_out_whole_and_what_is_no_class_is_drawn_from_all():
    x = RNG.standard_normal((12, 2))
    few = split_off(Dataset(x, np.repeat([-1.0, 1.0], [2, 10]), "d"), 0.9, 3)
    assert [np.sum(few.y == label) for label in (-1, 1)] == [1, 1]
    real = split_off(Dataset(x, RNG.standard_normal(12), "d"), 0.25, 3)
    assert (real.n, real.test.n) == (9, 3)
    lone = split_off(Dataset(x, np.arange(12.0), "d"), 0.5, 3)
    assert (lone.n, lone.test.n) == (6, 6)


def test_a_table_of_its_own_may_be_of_any_kind(tmp_path):
    np.savez(tmp_path / "test.npz", x=RNG.standard_normal((5, 2)), y=[1, -1, 1, 1, -1])
    (tmp_path / "run.toml").write_text(
        '[data]\nkind = "gaussian-separable"\n[data.test]\nkind = "npz"\npath = "test.npz"\n'
        '[model]\nkind = "two-layer-relu"\n'
    )
    config = parse_config(read_toml(tmp_path / "run.toml"), "run.toml")
    data = load_dataset(config.data)
    assert (data.n, data.test.n) == (100, 5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.test.split=1.0"], "data.test.split = 1.0 .*less than 1"),
        (["data.test.splt=0.2"], r"data\.test\.kind is missing; allowed: split, kh24-circle"),
        (["data.test.kind=csvv"], r"unknown data\.test\.kind 'csvv'.*Did you mean 'csv'"),
        (["data.test.split=0.2", "data.test.n=3"], r"unknown key 'n' in \[data\.test\]"),
        (["data.test={kind='digits', split=0.2}"], r"unknown key 'split' in \[data\.test\]"),
        (["data.test={kind='gaussian-separable', n=12}"], "names the training samples themselves"),
        (["data.test={kind='digits', test={split=0.2}}"], "no held-out part of their own"),
    ],
)
def test_what_is_no_held_out_part_is_refused_with_its_key(settings, words):
    with pytest.raises(BadInput, match=words) as caught:
        parse_config(override(BASE, settings), "settings")
    assert "\n" not in str(caught.value)


def test_samples_that_do_not_fit_the_training_set_are_refused_in_a_sentence():
    inline = {"kind": "inline", "x": [[1.0, 0.0], [0.0, 1.0]], "y": [-1.0, 1.0]}
    with pytest.raises(BadInput, match=r"data\.test: inputs have the shape 64, .* training set 2;"):
        load(**inline, test={"kind": "digits"})
    with pytest.raises(BadInput, match="holds 0 out; both parts need one at least"):
        load(**inline, test={"split": 0.1})
    with pytest.raises(BadInput, match=r"data\.test: .*no-such\.npz"):
        load(**inline, test={"kind": "npz", "path": "no-such.npz"})
    other = load(**inline, test={**inline, "y": [1.0, 3.0]})
    for loss in ("logistic", "square"):
        with pytest.raises(BadInput, match=r"label of sample 1 is 3, .* training set are −1 and 1"):
            require_labels(other, loss_of(loss))
    classes = load(**{**inline, "y": [0.0, 1.0]}, test={**inline, "y": [0.0, 2.0]})
    with pytest.raises(BadInput, match=r"label of sample 1 is 2, .* training set are 0 to 1"):
        require_labels(classes, loss_of("cross-entropy"))
    require_labels(classes, loss_of("square"))


def test_another_kind_takes_the_place_of_a_split():
    split = override(BASE, ["data.test.split=0.2"])
    changed = override(split, ["data.test.kind=digits", "data.test.n=30"])
    assert changed["data"] == {**BASE["data"], "test": {"kind": "digits", "n": 30}}
    assert split["data"]["test"] == {"split": 0.2}
