"""The filter language: what fits, and what is said of mistakes."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.record.filter import read_filter
from workbench.record.summary import RunSummary

RUN = RunSummary(
    "20260101-000000-relu-2d-abcd",
    Path("runs/x"),
    name="Relu 2D",
    status="finished",
    preset="kh24-fig1",
    created="2026-01-01T10:00:00",
    step=20_000,
    steps=50_000,
    log10_risk=-3.5,
    margin_normalized=0.25,
    n=50,
    H=24,
    loss="logistic",
)


def matches(text: str, run: RunSummary) -> bool:
    """Whether a run fits a filter in which everything makes sense."""
    fits, mistake = read_filter(text)
    assert not mistake
    return fits(run)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("H=1 | H=24", True),
        ("H=1 | H=2", False),
        ("H=1 preset=kh24* | loss=logistic n=50", True),
        ("H=1 | loss=logistic n=51", False),
        ("H=24 |", True),
        ("H=1 |", False),
        ("| H=24", True),
        ("|", True),
        ("-H=1", True),
        ("-H=24", False),
        ("-loss=square n=50", True),
        ("-relu", False),
        ("-tanh", True),
        ('-name="relu 2d"', False),
        ("-name~^relu", False),
        ("-H=1 | -n=50", True),
        ("-H=24 | -n=50", False),
    ],
)
def test_either_and_not(text: str, fits: bool) -> None:
    assert matches(text, RUN) == fits


def test_a_mistake_behind_a_minus_is_said() -> None:
    fits, mistake = read_filter("-stat=x")
    assert "'stat'" in mistake
    assert fits(RUN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "preset=kh24*",
        "preset=KH24-fig?",
        "preset=jt20*,kh24*",
        "preset!=jt20*",
        'name="relu 2d"',
        "run=relu*",
        "id=20260101*abcd",
        "state=finished",
        "status=failed,finished",
        "loss=logistic",
        "H>=20",
        "h >= 24",
        "H==24",
        "H!=25",
        "n<51 n>49",
        "step=20k",
        "step=20,000",
        "step<=0.02M",
        "steps>=5e4",
        "risk<-3",
        "risk<−3",
        "risk>-inf",
        "margin>0",
        "relu",
        "RELU fig1",
        '"relu 2d"',
        "created>=2026-01-01",
        "created<=2026-01-01",
        "created<2026-01-02",
        "created=2026-01-01*",
        "preset=kh24* H>=20 state=finished loss=logistic risk<-3 relu",
    ],
)
def test_fits(text: str) -> None:
    assert matches(text, RUN)


@pytest.mark.parametrize(
    "text",
    [
        "preset=jt20*",
        "preset!=kh24*",
        "state=failed,lost",
        "H>24",
        "step<0.02M",
        "H<20",
        "risk<-3.5",
        "risk>=0",
        "nothing",
        "relu nothing",
        "created>2026-01-01",
        "created<2026-01-01",
        "name=relu",
        "H>=20 state=failed",
    ],
)
def test_does_not_fit(text: str) -> None:
    assert not matches(text, RUN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stat=x", "did you mean 'state'"),
        ("prset=x", "did you mean 'preset'"),
        ("zzz=x", "Fields: name, id,"),
        ("H>=", "'H>=' needs a value"),
        ("H>=many", "'many' is none"),
        ("risk<nan", "'nan' is none"),
        ("state<failed", "has no order"),
        (">=20", "needs a field before it"),
        ("H>=20 stat=x", "did you mean 'state'"),
        ("state=", "needs a value"),
    ],
)
def test_mistakes_are_sentences(text: str, said: str) -> None:
    _, mistake = read_filter(text)
    assert said in mistake
    assert mistake.endswith(".")


def test_terms_beside_a_mistake_still_filter() -> None:
    fits, mistake = read_filter("H>=25 stat=x")
    assert mistake
    assert not fits(RUN)
    assert fits(replace(RUN, H=25))


def test_unknown_numbers_fit_only_unequal() -> None:
    bare = replace(RUN, H=None, log10_risk=None, created="")
    for text in ("H>=0", "H<9", "H=0", "risk<0", "risk>-inf", "created<2030"):
        assert not matches(text, bare), text
    assert matches("H!=3", bare)


def test_not_finite_risks() -> None:
    assert matches("risk>100", replace(RUN, log10_risk=math.inf))
    nan = replace(RUN, log10_risk=math.nan)
    assert not matches("risk>-inf", nan)
    assert not matches("risk<inf", nan)


@pytest.mark.parametrize("seed", range(20))
def test_anything_typed_is_either_a_filter_or_a_sentence(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        text = "".join(chance.choice('aHn=<>!"*?[],. -k5\x1b\té𝓛') for _ in range(14))
        fits, mistake = read_filter(text)
        fits(RUN)
        assert mistake.isprintable()
        assert matches("state=*" + "a*" * 40, RUN) is False


SETTINGS = {"train.lr": 1e-3, "train.steps": 20_000, "init.seed": 3, "data.kind": "kh24-circle"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("train.lr>=1e-3", True),
        ("train.lr>1e-3", False),
        ("init.seed=3", True),
        ("init.seed=2,3", True),
        ("init.seed=2,4", False),
        ("init.seed!=3", False),
        ("train.steps=20,000", True),
        ("train.steps=20k train.lr<1", True),
        ("data.kind=KH24*", True),
        ("data.kind>1", False),
        ("model.width>=1", False),
        ("model.width!=1", True),
    ],
)
def test_any_key_of_the_configuration_filters(text: str, fits: bool) -> None:
    assert matches(text, replace(RUN, settings=SETTINGS)) is fits


def test_keys_that_no_run_has_are_refused_with_the_nearest() -> None:
    _, mistake = read_filter("train.lrr=1", ("train.lr", "init.seed"))
    assert "did you mean 'train.lr'" in mistake
    _, mistake = read_filter("train.lr>many")
    assert "'many' is none" in mistake
