"""The watch for saddles: once for each, at the right record, alike however the run was cut."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cases import small

from workbench.engine.control import Resume, RunUntil
from workbench.engine.events import SaddleFound
from workbench.engine.saddle_watch import SaddleWatch
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.session import Session, load_config

SHORT = ("train.steps=7000", "record.every=10", "device.kind=cpu")


def values(gradient, log_risk=None, **more):
    """Series of records with a given log gradient norm; the risk falls a little."""
    t = len(gradient)
    found = {
        "step": np.arange(t) * 10,
        "grad_norm_log": np.asarray(gradient, dtype=float),
        "log_risk": -1e-6 * np.arange(t) if log_risk is None else np.asarray(log_risk),
        "alignment": np.zeros(t),
        "rho": np.ones(t),
    }
    return {**found, **more}


def told(watch, found):
    """Rows at which a saddle is told."""
    rows, start = [], 0
    while start < len(found["step"]):
        seen = watch.scan(found, start, len(found["step"]))
        if seen is None:
            break
        rows.append(seen.row)
        start = seen.row + 1
    return rows


def cosh(lowest, width, rate=0.1):
    """log of a gradient that falls and rises at a rate, as it does past a saddle."""
    return lowest + np.log(np.cosh(rate * np.arange(-width, width + 1)))


def test_a_passage_is_told_once_soon_after_the_closest_approach():
    rows = told(SaddleWatch(), values(cosh(-8.0, 60)))
    assert len(rows) == 1
    assert 60 < rows[0] < 75


def test_every_saddle_once():
    assert len(told(SaddleWatch(), values(np.tile(cosh(-8.0, 60), 3)))) == 3


@pytest.mark.parametrize(
    ("name", "gradient", "risk"),
    [
        ("to a minimum", -0.05 * np.arange(400), None),
        ("to zero risk", -0.05 * np.arange(4000), -0.1 * np.arange(4000)),
        ("slow descent", -1e-3 * np.arange(400), None),
        ("too shallow", cosh(-1.0, 20), None),
        ("not level", cosh(-8.0, 60), -0.05 * np.arange(121)),
        ("risk rises", cosh(-8.0, 60), 0.01 * np.arange(121)),
        ("one jump", np.append(-0.1 * np.arange(100), -9.9 + np.linspace(0.7, 0.4, 50)), None),
    ],
)
def test_what_is_no_saddle(name, gradient, risk):
    assert told(SaddleWatch(), values(gradient, risk)) == [], name


def test_rounding_at_a_minimum_is_no_saddle():
    noise = np.random.default_rng(0).normal(size=3000)
    gradient = np.maximum(-0.1 * np.arange(3000), -36.0 + 0.5 * noise)
    assert told(SaddleWatch(), values(gradient, np.full(3000, -70.0))) == []


def test_the_origin_is_told_when_directions_have_settled():
    t = np.arange(200)
    series = values(
        -20 + 0.05 * t,
        np.full(200, 1.5),
        rho=np.exp(-20 + 0.05 * t),
        alignment=1 - np.exp(-0.05 * t),
    )
    rows = told(SaddleWatch(log_risk_zero=1.5), series)
    assert rows == [int(np.flatnonzero(series["alignment"] >= 0.99)[0])]
    assert told(SaddleWatch(log_risk_zero=None), series) == []
    shrinking = {**series, "alignment": -series["alignment"]}
    assert told(SaddleWatch(log_risk_zero=1.5), shrinking) == []


def test_cutting_and_saving_change_nothing():
    series = values(np.tile(cosh(-8.0, 60), 3))
    whole = SaddleWatch()
    rows = told(whole, series)
    parts, found, start = SaddleWatch(), [], 0
    for stop in (1, 7, 50, 90, 91, 200, 363):
        while start < stop:
            seen = parts.scan(series, start, stop)
            start = stop if seen is None else seen.row + 1
            found += [] if seen is None else [seen.row]
        fresh = SaddleWatch()
        fresh.load(parts.to_array())
        assert fresh == parts
        parts = fresh
    assert found == rows
    assert parts == whole


def test_a_state_of_another_length_is_refused():
    with pytest.raises(ValueError, match="length"):
        SaddleWatch().load(np.zeros(3))


def test_a_perturbation_starts_the_watch_anew():
    watch = SaddleWatch()
    half = values(cosh(-8.0, 60)[:61])
    assert told(watch, half) == []
    watch.disturb()
    assert told(watch, values(cosh(-8.0, 60)[61:])) == []


def test_a_run_that_starts_at_rest_is_told_when_it_leaves_and_not_when_it_settles():
    leaving = values(cosh(-8.0, 60)[61:])
    assert len(told(SaddleWatch(log_risk_zero=5.0), leaving)) == 1
    assert told(SaddleWatch(log_risk_zero=None), leaving) == []
    settling = values(-8.0 - 0.1 * np.arange(100))
    assert told(SaddleWatch(log_risk_zero=5.0), settling) == []


# --- in a run -------------------------------------------------------------------------------------


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def saddles(folder):
    with RunReader(folder) as reader:
        return [(e.step, e.text) for e in reader.events() if e.kind == "saddle"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The preset's first 7,000 steps, unattended."""
    session = Session.create(
        load_config("kh24-saddle-to-saddle", SHORT), tmp_path_factory.mktemp("w")
    )
    session.start()
    assert session.wait(120)
    session.close()
    return session


def test_a_headless_run_records_its_saddles_and_goes_on(whole):
    found = saddles(whole.folder)
    assert len(found) == 2
    assert whole.engine.mode == "finished"
    assert "near the origin" in found[0][1]
    assert "closest approach at step 5,890" in found[1][1]
    assert all("confirmed" in text for _, text in found)
    assert [step for step, kind, _ in whole.events if kind == "saddlefound"] == [
        s for s, _ in found
    ]


def test_an_attended_run_pauses_at_that_very_record_and_resumes_alike(whole, tmp_path):
    expected = saddles(whole.folder)
    config = load_config("kh24-saddle-to-saddle", SHORT)
    session = Session.create(config, tmp_path, attended=True)
    session.start()
    for number, (step, _) in enumerate(expected):
        wait_for(lambda engine=session.engine: engine.mode == "paused")
        assert session.engine.state.step == step
        assert saddles(session.folder) == expected[: number + 1]
        session.close()
        session = Session.resume(session.folder, attended=True)
        session.start()
    assert session.wait(120)
    session.close()
    assert saddles(session.folder) == expected
    with RunReader(whole.folder) as a, RunReader(session.folder) as b:
        for name in a.series_names():
            assert a.read(name).tobytes() == b.read(name).tobytes(), name


def test_run_until_the_next_saddle(whole, tmp_path):
    config = load_config("kh24-saddle-to-saddle", (*SHORT, "pause.at_saddle=false"))
    with Session.create(config, tmp_path, attended=True) as session:
        session.engine.send(RunUntil(next_saddle=True))
        session.start()
        wait_for(lambda: session.engine.mode == "paused")
        assert session.engine.state.step == saddles(whole.folder)[0][0]
        session.engine.send(Resume())
        assert session.wait(120)
    assert saddles(session.folder) == saddles(whole.folder)


def test_a_logistic_run_that_separates_tells_no_late_saddle(tmp_path):
    with Session.create(small("train.steps=4000", "train.lr=5e-2"), tmp_path) as session:
        session.start()
        assert session.wait(60)
    assert not [e for e in session.events if e[1] == "saddlefound"]


def test_checkpoints_of_before_the_watch_still_load(tmp_path):
    with Session.create(small("train.steps=50"), tmp_path) as session:
        session.start()
        assert session.wait(60)
    arrays = dict(latest_checkpoint(session.folder).arrays)
    del arrays["saddle_watch"]
    session.engine.state.load(arrays)


def test_a_candidate_that_is_refused_is_not_told():
    from workbench.engine.saddle_watch import seen

    series = values(np.tile(cosh(-8.0, 60), 2))
    theta = np.zeros((len(series["step"]), 1))
    refused = seen(SaddleWatch(), series, 242, theta, lambda *_: None, first=False)
    told_all = seen(SaddleWatch(), series, 242, theta, None, first=False)
    assert refused == []
    assert len(told_all) == 2
    assert len(seen(SaddleWatch(), series, 242, theta, None, first=True)) == 1
    assert SaddleFound(1, told_all[0].evidence).evidence.endswith("candidate")
