"""From a preset and the words of a line to a study; what it costs; what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.study import study_to_toml
from workbench.errors import BadInput
from workbench.study.cost import cost_of, duration
from workbench.study.grid import grid_of
from workbench.study.kept import kept_series
from workbench.study.plan import plan_of
from workbench.study.source import load_study

FILE = """
[data]
kind = "csv"
path = "points.csv"
[model]
kind = "squared-relu"
width = 3
[train]
steps = 50
[grid]
init.seed = "range(0, 3)"
"data.path" = ["points.csv", "others.csv"]
[zip]
"init.scale" = [0.1, 0.2]
"train.lr" = [1e-3, 1e-4]
"""


def test_words_are_choices_of_a_preset() -> None:
    study = load_study(
        "kh24-fig1", ["init.seed=range(0,3)", "model.width=2,4"], ["train.lr=1.0", "train.steps=7"]
    )
    assert study.grid == {"init.seed": (0, 1, 2), "model.width": (2, 4)}
    assert study.zip == {"train.lr": (1.0,), "train.steps": (7,)}
    assert study.name == "kh24-fig1"


def test_words_add_to_a_file_and_replace_its_keys(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(FILE)
    for name in ("points.csv", "others.csv"):
        (tmp_path / name).write_text("1,2,1\n2,1,-1\n")
    source = str(tmp_path / "mine.toml")
    study = load_study(
        source,
        ["init.seed=7", "init.scale=0.3"],
        ["train.lr=1e-5,1e-6"],
        ["study.theta=false", "name=x"],
    )
    assert study.grid["init.seed"] == (7,)
    assert study.grid["data.path"] == tuple(str(tmp_path / n) for n in ("points.csv", "others.csv"))
    assert study.grid["init.scale"] == (0.3,)
    assert study.zip == {"train.lr": (1e-5, 1e-6)}
    assert study.table["data"]["path"] == str(tmp_path / "points.csv")
    assert (study.name, study.study.theta) == ("x", False)
    assert load_study(source).name == "mine"
    assert plan_of(study, grid_of(study)).count == 4


def test_a_written_study_is_a_source(tmp_path: Path) -> None:
    study = load_study("kh24-fig1", ["init.seed=range(0,3)"])
    (tmp_path / "study.toml").write_text(study_to_toml(study))
    assert load_study(str(tmp_path / "study.toml")) == study


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        (["init.seed"], [], "not of the form key=choices"),
        (["seed=1,2"], [], "not of the form key=choices"),
        (["init.seed=1,"], [], "empty choice"),
        (["init.seed=1,1"], [], "has the choice 1 twice"),
        ([], ["study.kep=1"], "Did you mean 'study.keep'"),
        ([], ["init.scael=1"], "Did you mean 'init.scale'"),
    ],
)
def test_what_does_not_fit_is_refused(words: list[str], settings: list[str], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        load_study("kh24-fig1", words, (), settings)
    assert sentence in str(refused.value)


def test_a_series_that_does_not_apply_is_left_out_and_an_unknown_one_refused() -> None:
    assert kept_series(("rho", "margins", "rho"), {"rho", "theta"}) == ("rho",)
    assert kept_series(("mine",), {"mine"}) == ("mine",)
    with pytest.raises(BadInput, match=r"Did you mean 'log_risk'"):
        kept_series(("log_rsk",), {"rho"})


def test_what_it_costs_grows_with_members_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.study.cost.TRIAL_SECONDS", 0.2)

    def cost(steps: int, seeds: int) -> tuple[int, float, int]:
        study = load_study(
            "kh24-fig1",
            [f"init.seed=range(0,{seeds})", "model.width=2,4"],
            (),
            [f"train.steps={steps}"],
        )
        found = cost_of(study, plan_of(study, grid_of(study)))
        return found.members, found.core_seconds, found.file_bytes

    small, large = cost(200_000, 2), cost(20_000_000, 20)
    assert (small[0], large[0]) == (4, 40)
    # A thousand times the steps; a busy machine is no tenth as fast.
    assert large[1] > 50 * small[1] > 0.0
    assert large[2] > 10 * small[2] > 0


def test_the_cost_of_some_shards_is_theirs() -> None:
    study = load_study(
        "kh24-fig1", ["init.seed=1,2"], (), ["train.steps=10", "study.members=1", "launcher.jobs=9"]
    )
    plan = plan_of(study, grid_of(study))
    found = cost_of(study, plan, {1})
    assert (found.members, found.shards, found.jobs) == (1, 1, 1)
    assert found.sentence.startswith("1 member in 1 shard, one at a time: about ")
    assert " with a saddle each and " in found.sentence
    assert cost_of(study, plan, ()).members == 0


def test_a_look_into_the_origin_is_in_the_cost_where_it_is_a_saddle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workbench.study.cost.TRIAL_SECONDS", 0.2)

    def trial(source: str, *settings: str) -> tuple[float, int]:
        changes = ["train.steps=1000", *settings]
        study = load_study(source, ["init.seed=1,2"], (), changes)
        found = cost_of(study, plan_of(study, grid_of(study)))
        return found.core_seconds, found.saddles

    # A thousand of these steps take milliseconds, and finding a member's KKT points tens of them.
    seconds, saddles = trial("kh24-fig1")
    assert saddles == 1
    assert seconds > 0.02
    assert trial("jt19-fig1", "model.depth=1")[1] == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "1 s"), (89.2, "90 s"), (600, "10 min"), (7_200, "2.0 h"), (4e5, "4.6 days")],
)
def test_a_time_is_as_exact_as_an_estimate(seconds: float, text: str) -> None:
    assert duration(seconds) == text
