"""The late-phase rules in whole runs: files, resuming to the last bit, going back to a record, the ends."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cases import finished, small

from workbench.errors import BadInput
from workbench.protocol.commands import Perturb, Resume
from workbench.protocol.events import Noted
from workbench.record.reader import RunReader
from workbench.run.session import Session

RULES = {
    "normalized": ("train.rule=normalized", "train.lr=0.1", "train.max_update=0.05"),
    "normalized-batch": ("train.rule=normalized", "train.lr=0.1", "train.batch=5"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.1"),
    "loss-based-batch": ("train.rule=loss-based", "train.lr=0.05", "train.batch=5"),
    "sign": ("train.rule=sign", "train.lr=1e-2"),
    "coordinate-batch": ("train.rule=coordinate", "train.lr=0.1", "train.batch=5"),
    "spectral": ("train.rule=spectral", "train.lr=1e-2"),
    "sign-unnormalized": ("train.rule=sign", "train.lr=2e-3", "train.normalized=false"),
    "signum-batch": ("train.rule=signum", "train.lr=1e-2", "train.batch=5"),
    "muon": ("train.rule=muon", "train.lr=1e-2"),
    "momentum": ("train.rule=momentum", "train.lr=2e-3"),
    "momentum-batch": ("train.rule=momentum", "train.lr=2e-3", "train.batch=5"),
    "adam": ("train.rule=adam", "train.lr=1e-2", "train.epsilon=0"),
    "adam-batch": ("train.rule=adam", "train.lr=1e-2", "train.batch=5"),
    "flow": ("train.rule=flow", "train.rtol=1e-4", "train.steps=150", "record.every=7"),
}


def series(folder):
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)) for name in reader.series_names()}


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def ended(session):
    session.start()
    assert session.wait(120)
    session.close()
    assert session.engine.error is None
    return session


@pytest.mark.parametrize("rule", sorted(RULES))
def test_stopping_and_resuming_changes_no_bit(tmp_path, rule):
    settings = ("train.steps=300", "checkpoint.every=61", *RULES[rule])
    whole = finished(tmp_path / "whole", *settings)
    session = Session.create(
        small(*settings, "pause.at=[37,97]", "pause.at_saddle=false"),
        tmp_path / "parts",
        attended=True,
    )
    for at in (37, 97):
        session.start()
        wait_for(lambda engine=session.engine: engine.status == "paused")
        assert session.engine.state.step == at
        session.close()
        session = Session.resume(session.folder, attended=True)
    ended(session)
    a, b = series(whole.folder), series(session.folder)
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name
    x, y = whole.engine.state.to_arrays(), session.engine.state.to_arrays()
    for name in x:
        assert name == "saddle_watch" or x[name].tobytes() == y[name].tobytes(), name
    assert a["log_risk"][-1] < a["log_risk"][0] - 1.0
    time_log = a.get("time_log", a["time"])  # where time passes evenly there is no logarithm of it
    assert np.all(np.diff(time_log[1:]) >= 0) or rule == "loss-based-batch"


@pytest.mark.parametrize("rule", ["flow", "loss-based", "normalized"])
def test_a_risk_goal_goes_back_to_its_record_and_on_without_a_trace(tmp_path, rule):
    """The chunk that passes the goal is undone: the rule's own memory with it."""
    settings = ("train.steps=120", *RULES[rule], "train.steps=120", "record.every=3")
    whole = finished(tmp_path / "whole", *settings)
    risks = series(whole.folder)["log_risk"]
    goal = float(np.exp(0.5 * (risks[18] + risks[19])))
    session = Session.create(
        small(*settings, f"pause.risk_below={goal!r}", "pause.at_saddle=false"),
        tmp_path / "goal",
        attended=True,
    )
    session.start()
    wait_for(lambda: session.engine.status in ("paused", "finished", "failed"))
    assert session.engine.status == "paused"
    assert session.engine.state.step < 100
    session.engine.send(Resume())
    assert session.wait(60)
    session.close()
    a, b = series(whole.folder), series(session.folder)
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


def test_the_flow_finishes_at_its_risk_and_is_not_resumed(tmp_path):
    settings = (*RULES["flow"], "train.steps=5000", "train.until.log10_risk=-800")
    session = finished(tmp_path, *settings)
    assert session.engine.status == "finished"
    assert session.engine.state.step < 5000
    found = series(session.folder)
    assert found["log_risk"][-1] <= -800 * np.log(10.0) < found["log_risk"][-2]
    assert np.isfinite(found["time_log"][1:]).all()
    assert found["time"][-1] == np.inf
    with pytest.raises(BadInput, match="reached the risk"):
        Session.resume(session.folder)
    at = session.engine.state.step
    fork = ended(
        Session.fork(
            session.folder, at, tmp_path / "fork", settings=["train.until.log10_risk=-900"]
        )
    )
    again = series(fork.folder)
    assert again["log_risk"][-1] <= -900 * np.log(10.0)
    assert again["time_log"][0] == found["time_log"][-1]
    assert again["time_log"][-1] > found["time_log"][-1]


def test_a_stalled_run_says_so_in_its_file(tmp_path):
    session = finished(
        tmp_path, "train.rule=loss-based", "train.lr=0.1", "train.floor=0.0999", "train.steps=5000",
        "init.scale=3.0",
    )  # fmt: skip
    if session.engine.status == "finished":
        pytest.fail("no epoch was refused")
    assert session.engine.status == "stalled"
    with RunReader(session.folder) as reader:
        assert reader.status == "stalled"
    assert any(kind == "stalled" and "train.floor" in text for _, kind, text in session.events)


def test_a_perturbed_theta_is_not_taken_back_by_the_line_search(tmp_path):
    session = Session.create(
        small(*RULES["loss-based"], "pause.at=[20]", "pause.at_saddle=false", "train.steps=21"),
        tmp_path,
        attended=True,
    )
    session.start()
    wait_for(lambda: session.engine.status == "paused")
    delta = np.full(session.engine.state.theta.numel(), 0.5)
    session.engine.send(Perturb(delta, "by hand"))
    wait_for(lambda: any(kind == "perturbed" for _, kind, _ in session.events))
    before = session.engine.state.theta.numpy().copy()
    session.engine.send(Resume())
    assert session.wait(60)
    session.close()
    moved = np.linalg.norm(session.engine.state.theta.numpy() - before)
    assert moved < 0.5 * np.linalg.norm(delta), "it went back to before the perturbation"


def test_what_a_rule_notes_becomes_an_event(tmp_path):
    session = Session.create(small("train.steps=20"), tmp_path)
    session.experiment.state.notes.append((0, "the smoothed margin fell"))
    told = []
    session.engine.viewers += (told.append,)
    ended(session)
    assert [e.text for e in told if isinstance(e, Noted)] == ["the smoothed margin fell"]
    assert (0, "note", "the smoothed margin fell") in session.events


REFUSED = [
    (["train.rule=flow", "train.batch=5"], "full batch"),
    (["train.rule=normalized", "train.until.log10_risk=-8"], "train.until belongs"),
    (["train.rule=flow", "device.dtype=float32"], "float64"),
    (["train.rule=loss-based", "train.lr=1e-3", "train.floor=0.1"], "not below"),
    (["train.rule=flow", "train.until.log10_rsk=-8"], "log10_risk is missing"),
    (["train.rule=momentun"], "loss-based.*Did you mean 'momentum'"),
    (["train.rule=adam", "train.beta3=0.9"], "beta1"),
    (["train.rule=momentum", "train.momentum=1.0"], "train.momentum"),
    (["train.rule=adam", "train.epsilon=-1e-8"], "train.epsilon"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_settings_that_do_not_fit_are_refused_in_a_sentence(settings, words):
    with pytest.raises(BadInput, match=words) as caught:
        small(*settings)
    assert "\n" not in str(caught.value)


def test_the_first_rate_follows_the_rule():
    base = small().model_dump(mode="json", by_alias=True, exclude_none=True)
    from workbench.config.toml import parse_config

    for rule, rate in (("constant", 1e-3), ("normalized", 0.1), ("loss-based", 0.1)):
        assert parse_config({**base, "train": {"rule": rule}}, "t").train.lr == rate
        assert parse_config({**base, "train": {"rule": rule, "lr": 0.5}}, "t").train.lr == 0.5
