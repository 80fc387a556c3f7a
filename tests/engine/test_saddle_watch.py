"""The watch for saddles: once for each, at the right record, alike however the run was cut."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cases import small, stored_state
from reference_watch import SlowWatch

from workbench.engine.saddle_watch import Answer, SaddleWatch, seen
from workbench.inspector.inspect import inspect_state
from workbench.protocol.commands import Resume, RunUntil
from workbench.protocol.events import SaddleFound
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.run.session import Session, load_config

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


def told(watch, found, start=0, stop=None, saddle=lambda row: True, rate=1.0):
    """Rows at which a saddle is told, where the verdict is `saddle`, and those that were asked about."""
    rows, asked = [], []
    stop = len(found["step"]) if stop is None else stop
    while start < stop:
        seen = watch.scan(found, start, stop)
        if seen is None:
            break
        asked.append(seen.row)
        if saddle(seen.row):
            watch.told()
            rows.append(seen.row)
        else:
            watch.refused(rate)
        start = seen.row + 1
    return rows, asked


def cosh(lowest, width, rate=0.1):
    """log of a gradient that falls and rises at a rate, as it does past a saddle."""
    return lowest + np.log(np.cosh(rate * np.arange(-width, width + 1)))


def stairs(count, width=60, drop=0.1):
    """`count` passages with the risk falling by `drop` between each two."""
    risk = -drop * np.repeat(np.arange(count), 2 * width + 1)
    return values(np.tile(cosh(-8.0, width), count), risk)


def test_a_passage_is_told_once_soon_after_the_closest_approach():
    rows, asked = told(SaddleWatch(), values(cosh(-8.0, 60)))
    assert rows == asked
    assert len(rows) == 1
    assert 60 < rows[0] < 70


def test_every_saddle_once():
    assert len(told(SaddleWatch(), stairs(3))[0]) == 3


def test_the_same_saddle_is_not_told_again_however_often_the_gradient_turns():
    assert len(told(SaddleWatch(), stairs(7, drop=0.0))[0]) == 1
    assert len(told(SaddleWatch(), stairs(7, drop=1e-4))[0]) == 1


def test_a_fall_within_the_noise_is_none():
    noise = 0.05 * np.random.default_rng(0).normal(size=7 * 121)
    series = stairs(7, drop=0.0)
    assert len(told(SaddleWatch(), {**series, "log_risk": noise})[0]) == 1


def test_leaving_in_jumps_is_not_another_saddle():
    """The risk falls while the gradient rises, with turns that are no approach."""
    series = values(
        0.02 * np.arange(400) + 0.2 * np.sin(0.3 * np.arange(400)), -1e-3 * np.arange(400)
    )
    assert len(told(SaddleWatch(), series)[0]) == 1


def test_what_is_refused_is_asked_about_ever_more_rarely():
    rng = np.random.default_rng(0)
    series = values(-8.0 + 0.5 * rng.normal(size=20_000), 0.01 * rng.normal(size=20_000))
    rows, asked = told(SaddleWatch(), series, saddle=lambda row: False, rate=0.0)
    assert rows == []
    assert 3 < len(asked) < 30
    # A deeper one is asked about at once.
    deep = values(np.append(series["grad_norm_log"], cosh(-16.0, 60)), np.zeros(20_121))
    assert len(told(SaddleWatch(), deep, saddle=lambda row: row >= 20_000, rate=0.0)[0]) == 1


def test_where_the_risk_falls_far_faster_than_anything_grows_nothing_is_asked():
    rng = np.random.default_rng(0)
    series = values(4.0 + 0.5 * rng.normal(size=2000), -0.01 * np.arange(2000))
    _, asked = told(SaddleWatch(), series, saddle=lambda row: False, rate=1e-3)
    assert len(asked) < 15


@pytest.mark.parametrize(
    ("name", "gradient", "risk"),
    [
        ("to zero risk", -0.05 * np.arange(4000), -0.1 * np.arange(4000)),
        ("slow descent", -1e-3 * np.arange(400), -1e-2 * np.arange(400)),
        (
            "one jump",
            np.append(-0.1 * np.arange(100), -9.9 + np.linspace(0.7, 0.4, 50)),
            -1e-2 * np.arange(150),
        ),
    ],
)
def test_what_is_never_asked_about(name, gradient, risk):
    assert told(SaddleWatch(), values(gradient, risk))[1] == [], name


def test_a_minimum_is_asked_about_when_the_risk_has_long_been_level():
    rows, asked = told(
        SaddleWatch(), values(np.maximum(-0.1 * np.arange(3000), -30.0)), saddle=lambda r: False
    )
    assert rows == []
    assert 0 < len(asked) < 8


def test_rounding_at_a_minimum_does_not_turn():
    noise = np.random.default_rng(0).normal(size=90)
    gradient = np.maximum(-0.5 * np.arange(90), -36.0 + 0.5 * noise)
    assert told(SaddleWatch(), values(gradient, np.full(90, -70.0)))[1] == []


def test_the_origin_is_told_when_directions_have_settled():
    t = np.arange(200)
    series = values(
        -20 + 0.05 * t,
        np.full(200, 1.5),
        rho=np.exp(-20 + 0.05 * t),
        alignment=1 - np.exp(-0.05 * t),
    )
    rows, _ = told(SaddleWatch(log_risk_zero=1.5), series)
    assert rows == [int(np.flatnonzero(series["alignment"] >= 0.99)[0])]


def test_a_start_at_a_critical_point_is_asked_about_at_once():
    still = values(np.full(50, -36.0), np.full(50, 2.0), rho=np.full(50, 3.0))
    assert told(SaddleWatch(log_risk_zero=5.0), still) == ([0], [0])
    zero = values(np.full(50, -np.inf), np.full(50, 2.0), rho=np.zeros(50))
    assert told(SaddleWatch(log_risk_zero=2.0), zero) == ([0], [0])
    # Tiny weights near the origin have a tiny gradient, and directions that have yet to settle.
    tiny = values(np.full(50, -46.0), np.full(50, 2.0), rho=np.full(50, 1e-20))
    assert told(SaddleWatch(log_risk_zero=2.0), tiny)[1] == []


def test_cutting_and_saving_change_nothing():
    series = stairs(3)
    rows, whole = [], SaddleWatch()
    rows, _ = told(whole, series)
    parts, found, start = SaddleWatch(), [], 0
    for stop in (1, 7, 50, 90, 91, 200, 363):
        found += told(parts, series, start, stop)[0]
        start = stop
        fresh = SaddleWatch()
        fresh.load(parts.to_array())
        np.testing.assert_array_equal(fresh.to_array(), parts.to_array())
        parts = fresh
    assert found == rows
    np.testing.assert_array_equal(parts.to_array(), whole.to_array())


def wandering(seed, t=3000):
    """Series of every sort in turns: waves, plateaus, falls, rounding, what is no number."""
    rng = np.random.default_rng(seed)
    parts = rng.integers(20, 400, size=40)
    gradient, risk, share = [], [], []
    level = 0.0
    for size in parts:
        slope = rng.choice([-0.05, -1e-3, 0.0, 1e-3, 0.05])
        wave = rng.choice([0.0, 1e-9, 0.3]) * np.sin(0.2 * np.arange(size))
        noise = rng.choice([0.0, 1e-12, 0.05]) * rng.normal(size=size)
        gradient.append((gradient[-1][-1] if gradient else -3.0) + slope * np.arange(size) + wave)
        risk.append(level + rng.choice([0.0, -1e-6, -1e-2]) * np.arange(size) + noise)
        share.append(rng.choice([-1.0, 0.0, 0.995]) * np.ones(size))
        level = risk[-1][-1]
    found = values(np.concatenate(gradient)[:t], np.concatenate(risk)[:t])
    found["alignment"] = np.concatenate(share)[:t]
    odd = rng.integers(0, len(found["step"]), size=6)
    for row, value in zip(odd, (np.nan, np.inf, -np.inf, -np.inf, -2000.0, np.nan), strict=True):
        found["grad_norm_log"][row] = value
    found["log_risk"][odd[2]] = np.inf
    return found


@pytest.mark.parametrize("zero", [None, 0.0, 0.3])
@pytest.mark.parametrize("seed", range(12))
def test_the_compiled_scan_is_the_plain_one_to_the_last_bit(seed, zero):
    series, rng = wandering(seed), np.random.default_rng(seed)
    epsilon = float(np.finfo([np.float32, np.float64][seed % 2]).eps)
    fast, slow = SaddleWatch(zero, epsilon), SlowWatch(zero, epsilon)
    start, asked, stop = 0, 0, len(series["step"])
    while start < stop:
        end = min(stop, start + int(rng.integers(1, 200)))
        candidate = fast.scan(series, start, end)
        assert slow.scan(series, start, end) == candidate
        assert slow.to_array().tobytes() == fast.to_array().tobytes()
        start = end
        if candidate is not None:
            start, asked = candidate.row + 1, asked + 1
            rate, saddle = float(rng.choice([0.0, 1e-3, 10.0])), rng.random() < 0.4
            for watch in (fast, slow):
                watch.told() if saddle else watch.refused(rate)
        if rng.random() < 0.01:
            fast.disturb()
            slow.disturb()
    assert asked > 0


def test_a_state_of_another_length_is_refused():
    with pytest.raises(ValueError, match="length"):
        SaddleWatch().load(np.zeros(3))


def test_a_state_of_the_watch_before_this_one_loads_and_tells_no_saddle_twice():
    old = np.array([0, 0, 1, 1, -2.0, -3.0, -9.0, 480.0, -0.05, -9.0, 0.0, 0.0, -9.0, -0.05])
    watch = SaddleWatch()
    watch.load(old)
    series = stairs(2)
    rows, _ = told(watch, {**series, "log_risk": series["log_risk"] - 0.05})
    assert len(rows) == 1
    assert rows[0] > 121


def test_a_perturbation_starts_the_turn_anew():
    watch = SaddleWatch()
    half = values(cosh(-8.0, 60)[:61])
    assert told(watch, half)[0] == []
    watch.disturb()
    rows, _ = told(watch, values(cosh(-8.0, 60)[61:]))
    assert len(rows) == 1


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
    assert whole.engine.status == "finished"
    assert "near the origin" in found[0][1]
    assert "closest approach at step 5,890" in found[1][1]
    for step, text in found:
        judgement = inspect_state(stored_state(whole.folder, step)).judgement
        assert judgement.verdict == "saddle"
        assert text.startswith(" ".join(judgement.reasons))
    assert [step for step, kind, _ in whole.events if kind == "saddle"] == [s for s, _ in found]


def test_an_attended_run_pauses_at_that_very_record_and_resumes_alike(whole, tmp_path):
    expected = saddles(whole.folder)
    config = load_config("kh24-saddle-to-saddle", SHORT)
    session = Session.create(config, tmp_path, attended=True)
    session.start()
    for number, (step, _) in enumerate(expected):
        wait_for(lambda engine=session.engine: engine.status == "paused")
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
        wait_for(lambda: session.engine.status == "paused")
        assert session.engine.state.step == saddles(whole.folder)[0][0]
        session.engine.send(Resume())
        assert session.wait(120)
    assert saddles(session.folder) == saddles(whole.folder)


def test_a_logistic_run_that_separates_tells_no_late_saddle(tmp_path):
    with Session.create(small("train.steps=4000", "train.lr=5e-2"), tmp_path) as session:
        session.start()
        assert session.wait(60)
    assert not [e for e in session.events if e[1] == "saddle"]


def test_checkpoints_of_before_the_watch_still_load(tmp_path):
    with Session.create(small("train.steps=50"), tmp_path) as session:
        session.start()
        assert session.wait(60)
    arrays = dict(latest_checkpoint(session.folder).arrays)
    del arrays["saddle_watch"]
    session.engine.state.load(arrays)


def test_a_candidate_that_is_refused_is_not_told():
    series = stairs(2)
    theta = np.zeros((len(series["step"]), 1))

    def never(*_):
        return Answer(False, "moving", 0.0)

    refused = seen(SaddleWatch(), series, 242, theta, never, first=False)
    told_all = seen(SaddleWatch(), series, 242, theta, None, first=False)
    assert refused == []
    assert len(told_all) == 2
    assert len(seen(SaddleWatch(), series, 242, theta, None, first=True)) == 1
    assert SaddleFound(1, told_all[0].evidence).text.startswith("candidate")


EXACT = (
    "model.width=6",
    "init.noise=0.0",
    "init.values.u=[[2.23606797749979, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]",
    "loss.reduction=sum",
    "train.lr=3e-4",
    "train.steps=400",
    "device.kind=cpu",
)


def test_a_run_that_starts_exactly_at_a_saddle_pauses_there_once(tmp_path):
    """KH24 Fig. 4's saddle, and the inspector says of that step what the pause says."""
    config = load_config("kh24-fig4", EXACT)
    with Session.create(config, tmp_path, attended=True) as session:
        session.start()
        wait_for(lambda: session.engine.status == "paused")
        assert session.engine.state.step == 0
        ((step, text),) = saddles(session.folder)
        session.engine.send(Resume())
        assert session.wait(60)
    assert saddles(session.folder) == [(step, text)]
    for at in (0, 200, 400):
        found = inspect_state(stored_state(session.folder, at)).judgement
        assert found.verdict == "saddle"
    assert " ".join(found.reasons).split(" while ")[0] in text


def test_a_start_of_zeros_pauses_and_its_twin_that_was_resumed_tells_the_same(tmp_path):
    zero = (
        "model.width=6",
        "init.kind=gaussian",
        "init.scale=0.0",
        "train.steps=300",
        "device.kind=cpu",
    )
    found = []
    for part in ("whole", "cut"):
        config = load_config("kh24-fig1", zero)
        session = Session.create(config, tmp_path / part, attended=True)
        session.start()
        wait_for(lambda engine=session.engine: engine.status == "paused")
        if part == "cut":
            session.close()
            session = Session.resume(session.folder, attended=True)
            session.start()
        else:
            session.engine.send(Resume())
        assert session.wait(60)
        session.close()
        found.append(saddles(session.folder))
    assert found[0] == found[1]
    assert [step for step, _ in found[0]] == [0]
