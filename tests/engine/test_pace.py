"""How long chunks are: 60 ms soon, whatever the first one took, and no endless one."""

from __future__ import annotations

import pytest

from workbench.engine import pace as pace_module
from workbench.engine.pace import CHUNK_SECONDS, FIRST_STEPS, GROWTH, Pace

MANY = 10**12


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [0.0]
    monkeypatch.setattr(pace_module.time, "perf_counter", lambda: now[0])
    return now


def chunks(pace, clock, step_seconds, count, overhead=1e-4, first=0.0):
    """Seconds of `count` chunks of a program that takes so long a step and a call, the first one longer."""
    found = []
    for number in range(count):
        steps = pace.chunk_steps(MANY)
        seconds = steps * step_seconds + overhead + (first if number == 0 else 0.0)
        clock[0] += seconds
        pace.took(steps, seconds)
        found.append(seconds)
    return found


@pytest.mark.parametrize("step_seconds", [3e-7, 1.4e-6, 1e-4, 1e-3])
@pytest.mark.parametrize("first", [0.0, 3.0])
def test_chunks_take_60_ms_soon(clock, step_seconds, first):
    found = chunks(Pace(), clock, step_seconds, 12, first=first)
    assert sum(found[1:6]) < 6 * CHUNK_SECONDS
    assert found[-1] == pytest.approx(CHUNK_SECONDS, rel=0.2)


def test_a_step_longer_than_a_chunk_is_one(clock):
    pace = Pace()
    chunks(pace, clock, 0.5, 3)
    assert pace.chunk_steps(MANY) == 1


def test_the_first_chunk_is_short_and_none_grows_without_end(clock):
    pace = Pace()
    assert pace.chunk_steps(MANY) == FIRST_STEPS
    pace.took(FIRST_STEPS, 1e-9)
    assert pace.chunk_steps(MANY) == GROWTH * FIRST_STEPS


def test_steps_that_become_slower_are_believed_within_a_few_chunks(clock):
    pace = Pace()
    chunks(pace, clock, 1e-6, 10)
    found = chunks(pace, clock, 1e-5, 12)
    assert found[-1] == pytest.approx(CHUNK_SECONDS, rel=0.2)


def test_a_chunk_is_never_longer_than_what_is_left(clock):
    pace = Pace()
    chunks(pace, clock, 1e-6, 10)
    assert pace.chunk_steps(17) == 17
    assert pace.chunk_steps(1) == 1


def test_the_rate_is_that_of_steps_with_their_records_however_long_one_takes(clock):
    """A record of 20 s after every 600 steps of 10 ms: 600 steps in 26 s, seen at any moment."""
    pace, seen = Pace(), []
    for _ in range(6):
        for chunk in range(100):
            seconds = 6 * 0.01 + (20.0 if chunk == 99 else 0.0)
            clock[0] += seconds
            pace.took(6, seconds)
            seen.append(pace.steps_per_second)
    settled = seen[300:]
    assert min(settled) > 0.5 * 600 / 26
    assert max(settled) < 2.0 * 600 / 26


def test_the_rate_forgets_a_slow_first_chunk_and_follows_what_changes(clock):
    pace = Pace()
    chunks(pace, clock, 1e-4, 10, first=5.0)
    assert pace.steps_per_second == pytest.approx(1e4, rel=0.05)
    chunks(pace, clock, 1e-3, 120)
    assert pace.steps_per_second == pytest.approx(1e3, rel=0.05)
