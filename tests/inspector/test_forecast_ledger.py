"""Forecasts held against rows made by hand: who left, when, in which direction, and what is said of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from record.sample_run import inspection

from workbench.inspector.forecast_ledger import MOST_AT_SADDLES, OVERDUE, ForecastLedger
from workbench.protocol.events import Forecast, Inspected, SaddleFound
from workbench.protocol.inspections import NeuronColumns, PointColumns

WAIT, RADIUS, RATE = 40.0, 0.1, 0.2
H = 4


def intervals(times, sure):
    """±10 % of every time and 5°; none where the confidence is NaN, as in a file of before."""
    known = np.where(np.isnan(sure), np.nan, 1.0)
    low, high = 0.9 * times * known, 1.1 * times * known
    return {
        "escape_time_low": low,
        "escape_time_high": high,
        "escape_steps_low": 10 * low,
        "escape_steps_high": 10 * high,
        "angle_bound": np.full(H, 5.0) * known,
        "confidence": np.full(H, sure),
    }


def forecast(step=100, first=1, wait=WAIT, sure=np.nan, **more):
    """At `step` (time = step/10): neuron 1 leaves first after `wait`, at 30°; neuron 0 is large."""
    angle = np.deg2rad([30.0, 200.0])
    nan = np.full(2, np.nan)
    points = PointColumns(
        np.column_stack([np.cos(angle), np.sin(angle)]), np.array([2.0, 1.0]), nan, nan,
        ("max", "max"), nan, np.ones(2),
    )  # fmt: skip
    times = np.array([np.nan, wait, wait + 5, wait + 9])
    neurons = NeuronColumns(
        index=np.arange(H),
        norm=np.array([1.0, 1e-3, 1e-3, 1e-3]),
        small=np.arange(H) > 0,
        target=np.array([-1, 0, 1, 1]),
        cosine=np.full(H, 0.99),
        rate=np.full(H, RATE),
        escape_time=times,
        escape_steps=10 * times,
        **intervals(times, sure),
    )
    return replace(
        inspection(step), time=step / 10, radius=RADIUS, first=first, points=points, neurons=neurons,
        limits="", **{"runner_up": -1, "last_step": -1, **more},
    )  # fmt: skip


def rows(first, last, leaves, every=10, degrees=30.0, columns=range(H), directions=range(H)):
    """Records of steps first … last; `leaves[k]`: the time at which ‖w_k‖ is the radius, grown at RATE."""
    step = np.arange(first, last + 1, every)
    time = step / 10
    norm = np.stack([RADIUS * np.exp(RATE * (time - leaves.get(k, 1e9))) for k in range(H)], axis=1)
    norm[:, 0] = 1.0
    turn = np.deg2rad(degrees + 0.01 * step)
    direction = np.repeat(np.stack([np.cos(turn), np.sin(turn)], axis=1)[:, None], H, axis=1)
    return {
        "step": step,
        "time": time,
        "neuron_norm": norm[:, list(columns)],
        "neuron_direction": direction[:, list(directions)],
    }


def no_look(theta, step):
    raise AssertionError("nobody asked for a look")


def ledger(
    inspect=no_look, before=lambda step: None, columns=range(H), directions=range(H), **more
):
    return ForecastLedger(inspect, np.array(columns), np.array(directions), before, **more)


def parts(values, cuts):
    ends = [0, *cuts, len(values["step"])]
    for a, b in itertools.pairwise(ends):
        if b > a:
            yield {name: array[a:b] for name, array in values.items()}


def outcome_of(told):
    """The one outcome among events."""
    (found,) = [e.outcome for e in told if isinstance(e, Forecast) and e.outcome is not None]
    return found


def test_the_named_neuron_leaves():
    f = ledger()
    made = f.asked(forecast())
    assert [type(e) for e in made] == [Inspected, Forecast]
    assert made[1].step == 100
    assert "neuron 1" in made[1].text
    assert "step 500" in made[1].text
    assert "30.0°" in made[1].text
    told = f.recorded(rows(110, 700, {1: 10 + 50.0, 2: 10 + 60.0}), ())
    found = outcome_of(told)
    assert (found.made, found.kind, found.neuron, found.step) == (100, "left", 1, 600)
    assert found.time == pytest.approx(50.0)
    assert found.time_error == pytest.approx(WAIT / 50 - 1)
    assert found.angle_error == pytest.approx(6.0)
    assert "neuron 1 left first, as forecast at step 100" in told[0].text
    assert "20.00% too early" in told[0].text
    assert "6.00°" in told[0].text
    assert f.recorded(rows(710, 900, {1: 60.0}), ()) == []


def test_the_time_is_log_linear_between_records():
    f = ledger()
    f.asked(forecast())
    found = outcome_of(f.recorded(rows(110, 1000, {1: 10 + 43.21}, every=70), ()))
    assert found.time == pytest.approx(43.21)


def test_another_neuron_leaves_and_both_are_named():
    f = ledger()
    f.asked(forecast())
    told = f.recorded(rows(110, 700, {1: 70.0, 3: 55.0}), ())
    assert outcome_of(told).neuron == 3
    assert "neuron 3 left first, where step 100 forecast neuron 1" in told[0].text


def test_a_large_neuron_is_none_that_leaves():
    f = ledger()
    f.asked(forecast())
    assert f.recorded(rows(110, 300, {}), ()) == []


def test_what_does_not_come_true_is_closed():
    f = ledger()
    f.asked(forecast())
    told = f.recorded(rows(110, 2000, {1: 150.0}), ())
    found = outcome_of(told)
    assert found.kind == "late"
    assert found.step == 100 + 10 * OVERDUE * WAIT
    assert found.neuron == -1
    assert "did not come true" in told[0].text


def test_moving_by_hand_makes_it_void():
    f = ledger()
    f.asked(forecast(100))
    f.asked(forecast(120))
    told = f.perturbed(150)
    assert [(e.outcome.made, e.outcome.kind, e.step) for e in told] == [
        (100, "void", 150),
        (120, "void", 150),
    ]
    assert "moved by hand" in told[0].text
    assert f.recorded(rows(160, 900, {1: 60.0}), ()) == []
    # An inspection of before that is kept only now foretells nothing either.
    assert outcome_of(f.asked(forecast(130))).kind == "void"
    assert [type(e) for e in f.asked(forecast(150))] == [Inspected, Forecast]


@pytest.mark.parametrize("seed", range(5))
def test_chunks_do_not_show(seed):
    rng = np.random.default_rng(seed)
    values = rows(0, 3000, {1: 61.0, 2: 140.0, 3: 400.0})
    saddles = [SaddleFound(s, "told", np.zeros(1)) for s in (100, 770)]

    def kept_at(step):
        """After neuron 1 has left it is a large one."""
        made = forecast(step, first=1 if step == 100 else 2)
        small = np.arange(H) > made.first - 1
        return replace(made, neurons=replace(made.neurons, small=small))

    def look_kept(f):
        f._inspect = lambda saddle: f._opened(kept_at(saddle.step))
        return f

    def told(cuts):
        f, found = look_kept(ledger()), []
        for part in parts(values, cuts):
            inside = [s for s in saddles if part["step"][0] <= s.step <= part["step"][-1]]
            found += f.recorded(part, inside)
        return [e if isinstance(e, Forecast) else (type(e), e.step) for e in found]

    whole = told([])
    assert [e.outcome.neuron for e in whole if isinstance(e, Forecast) and e.outcome] == [1, 2]
    cuts = np.sort(rng.choice(np.arange(1, 300), 12, replace=False))
    assert told(cuts) == whole
    assert told(range(1, 301)) == whole


def test_it_goes_on_from_what_the_file_keeps():
    values = rows(0, 900, {1: 58.03})
    f = ledger()
    f.asked(forecast())
    whole = [e for part in parts(values, [30]) for e in f.recorded(part, ())]
    before, after = parts(values, [30])
    last = {name: array[-1:] for name, array in before.items()}
    again = ledger(known=[forecast()], last=last)
    assert again.recorded(after, ()) == whole
    done = replace(forecast(), outcome=outcome_of(whole))
    assert ledger(known=[done], last=last).recorded(after, ()) == []


def test_the_same_step_again_is_followed_once_and_told_once():
    f = ledger()
    f.asked(forecast())
    again = f.asked(forecast(verdict="moving"))
    assert [type(e) for e in again] == [Inspected]
    assert again[0].inspection.verdict == "moving"
    assert "neuron 2 will be the first" in f.asked(forecast(first=2))[1].text
    told = f.recorded(rows(110, 900, {1: 60.0}), ())
    done = outcome_of(told)
    assert "forecast neuron 2" in done.text
    # Once decided it stays so: the later inspection takes the outcome along.
    (kept,) = f.asked(forecast(first=2))
    assert kept.inspection.outcome == done


def test_an_inspection_of_an_earlier_state_is_held_against_what_is_recorded():
    values = rows(90, 900, {1: 60.0})
    f = ledger(before=lambda step: values)
    f.recorded(rows(910, 950, {}), ())
    assert outcome_of(f.asked(forecast())).time == pytest.approx(50.0)


def test_thinned_records_follow_the_neurons_they_hold():
    some = {"columns": [0, 2], "directions": [0]}
    f = ledger(**some)
    f.asked(forecast())
    found = outcome_of(f.recorded(rows(110, 700, {1: 20.0, 2: 60.0}, **some), ()))
    assert found.neuron == 2
    assert np.isnan(found.angle_error)
    none = ledger(columns=[0], directions=[0])
    none.asked(forecast())
    assert not none.open
    unknown = ledger(columns=[], directions=[])
    assert unknown.recorded({"step": np.arange(3), "time": np.arange(3.0)}, ()) == []


def test_a_flat_set_has_no_angle():
    kept = forecast()
    points = replace(kept.points, kind=("flat", "max"))
    f = ledger()
    assert "flat set" in f.asked(replace(kept, points=points))[1].text
    assert np.isnan(outcome_of(f.recorded(rows(110, 700, {1: 60.0}), ())).angle_error)


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaves", "degrees", "time_inside", "angle_inside"),
    [(42.0, 28.0, 1, 1), (46.0, 28.0, 0, 1), (42.0, 10.0, 1, 0), (35.0, 28.0, 0, 1)],
)
def test_what_happened_is_scored_against_interval_and_bound(
    leaves, degrees, time_inside, angle_inside
):
    f = ledger()
    made = f.asked(forecast(sure=0.95))[1].text
    assert "near step 500 (460–540), 95% sure, in the KKT direction at 30.0° ± 5.0°" in made
    told = f.recorded(rows(110, 700, {1: 10 + leaves}, degrees=degrees), ())
    found = outcome_of(told)
    assert (found.time_inside, found.angle_inside) == (time_inside, angle_inside)
    assert ("inside its interval" in told[0].text) == (time_inside == 1)
    assert ("outside its interval" in told[0].text) == (time_inside == 0)
    assert ("more than said" in told[0].text) == (angle_inside == 0)


def test_a_forecast_of_before_there_were_intervals_says_nothing_of_them():
    f = ledger()
    assert "sure" not in f.asked(forecast())[1].text
    told = f.recorded(rows(110, 700, {1: 50.0}), ())
    assert (outcome_of(told).time_inside, outcome_of(told).angle_inside) == (-1, -1)
    assert "interval" not in told[0].text


@pytest.mark.parametrize(("leaver", "at"), [(1, 42.0), (2, 47.0)])
def test_where_it_is_undecided_both_are_named_and_either_is_held_against_its_own(leaver, at):
    f = ledger()
    made = f.asked(forecast(sure=0.5, runner_up=2))[1].text
    assert made.startswith("undecided which leaves first: neuron 1, near step 500 (460–540)")
    assert (
        "; or neuron 2, near step 550 (505–595), 50% sure, in the KKT direction at -160.0°" in made
    )
    told = f.recorded(rows(110, 700, {leaver: 10 + at}, degrees=28.0), ())
    found = outcome_of(told)
    assert "one of the two named at step 100" in told[0].text
    assert (found.neuron, found.time_inside) == (leaver, 1)
    assert found.time_error == pytest.approx((WAIT if leaver == 1 else WAIT + 5) / at - 1)
    assert found.angle_inside == (leaver == 1)


def test_a_third_neuron_that_leaves_is_none_of_the_two():
    f = ledger()
    f.asked(forecast(sure=0.5, runner_up=2))
    told = f.recorded(rows(110, 700, {3: 10 + 42.0}), ())
    assert "where step 100 forecast neuron 1 or neuron 2" in told[0].text


def test_late_is_twice_the_latest_time_that_is_named():
    f = ledger()
    f.asked(forecast(sure=0.5, runner_up=2))
    found = outcome_of(f.recorded(rows(110, 2000, {}), ()))
    assert found.step == pytest.approx(100 + 10 * OVERDUE * 1.1 * (WAIT + 5), abs=10)
    assert (found.kind, found.time_inside) == ("late", 0)


def test_an_interval_that_reaches_never_allows_that_none_leaves():
    f = ledger()
    kept = forecast(sure=0.95)
    never = replace(
        kept.neurons,
        escape_time_high=np.full(H, np.inf),
        escape_steps_high=np.full(H, np.inf),
    )
    told = f.asked(replace(kept, neurons=never))
    assert "near step 500 (460–)" in told[1].text
    told = f.recorded(rows(110, 2000, {}), ())
    found = outcome_of(told)
    assert (found.kind, found.time_inside) == ("late", 1)
    assert "allows" in told[0].text


@pytest.mark.parametrize(("end", "said"), [(400, True), (500, False), (-1, False)])
def test_what_is_past_the_runs_last_step_is_said_to_be(end, said):
    made = ledger().asked(forecast(sure=0.95, last_step=end))[1].text
    assert ("; past the run's last step 400" in made) == said


@pytest.mark.parametrize(
    "changes",
    [
        {"first": -1},
        {"radius": np.nan},
        {"time": np.inf},
        {"first": -1, "limits": "None is small."},
    ],
)
def test_where_nothing_is_forecast_it_says_why(changes):
    f = ledger()
    told = f.asked(replace(forecast(), **changes))
    assert [type(e) for e in told] == [Inspected, Forecast]
    assert told[1].text.startswith("no forecast for this state (saddle): ")
    assert changes.get("limits", "") in told[1].text
    assert not f.open


def test_looks_that_fail_or_take_too_long_are_told():
    def broken(theta, step):
        raise np.linalg.LinAlgError("singular")

    saddle = SaddleFound(5, "told", np.zeros(3))
    for look, words in (
        (broken, "failed (singular)"),
        (lambda theta, step: "too many", "too many"),
    ):
        told = ledger(look).recorded(rows(0, 20, {}), [saddle])
        assert [type(e) for e in told] == [SaddleFound, Forecast]
        assert words in told[1].text


def test_a_run_makes_a_bounded_number_of_looks():
    seen = []
    f = ledger(lambda theta, step: str(seen.append(step)))
    for step in range(MOST_AT_SADDLES + 10):
        told = f.recorded(rows(step, step, {}), [SaddleFound(step, "told", np.zeros(1))])
    assert len(seen) == MOST_AT_SADDLES
    assert [type(e) for e in told] == [SaddleFound]
