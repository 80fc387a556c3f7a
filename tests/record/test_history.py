"""The history viewers draw from: complete scalars, evenly thinned vectors, no torn reads."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from record import sample_run

from workbench.errors import BadInput
from workbench.record import history as history_module
from workbench.record.history import (
    LAST_ROWS,
    SCALAR_ROWS,
    VECTOR_ROWS,
    History,
    kept_rows,
    vector_bound,
)
from workbench.record.lock import RunLock
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.tui.run.shared_x import SharedX


def test_live_history_keeps_scalars_whole_and_thins_vectors() -> None:
    history = History()
    assert history.length == 0
    assert history.nearest(5) == -1
    rng = np.random.default_rng(2)
    total = 0
    while total < 30_000:
        count = int(rng.integers(1, 700))
        history.append(sample_run.rows(total, count))
        total += count
        steps, values = history.vector("margins")
        assert len(steps) == len(values) <= VECTOR_ROWS
        assert steps[-1] == total - 1
    np.testing.assert_array_equal(history.step, np.arange(total))
    np.testing.assert_array_equal(
        history.scalar("time"), sample_run.expected("time", np.arange(total))
    )
    steps, values = history.vector("neuron_direction")
    np.testing.assert_array_equal(values, sample_run.expected("neuron_direction", steps))
    gaps = np.diff(steps[:-1])
    assert (np.diff(gaps) >= 0).all()
    assert gaps[-1] & (gaps[-1] - 1) == 0
    # Early rows are dense: no gap is wider than a 32nd of a doubling, or than the even stride.
    assert (gaps <= np.maximum(1, steps[:-2] // 32)).all()
    assert (gaps[steps[:-2] >= 32 * gaps[-1]] == gaps[-1]).all()
    assert len(steps) > VECTOR_ROWS // 4
    steps, values = history.vector("theta")
    assert values.shape == (1, sample_run.PARAMETERS)
    np.testing.assert_array_equal(values, sample_run.expected("theta", np.array([total - 1])))
    np.testing.assert_array_equal(history.last("theta"), values[0])
    np.testing.assert_array_equal(
        history.last("margins"), sample_run.expected("margins", np.array([total - 1]))[0]
    )


def test_a_stored_run_keeps_the_rows_that_a_live_one_does() -> None:
    live, bound = History(), 63
    wide = np.zeros((1, 200_000), np.float64)
    for row in range(700):
        live.append({"step": np.array([row * 10]), "margins": wide + row})
        if row in (5, 62, 63, 200, 699):
            index, stride = np.arange(row + 1), 1
            while len(index) > bound:
                stride *= 2
                index = index[kept_rows(index, stride, bound)]
            steps, values = live.vector("margins")
            assert steps.tolist() == sorted({*(10 * index), 10 * row})
            assert values[:, 0].tolist() == (steps / 10).tolist()
            assert steps[1] == 10


def test_short_histories_keep_every_row() -> None:
    history = History()
    for start in range(0, 1000, 10):
        history.append(sample_run.rows(start, 10))
    steps, _ = history.vector("margins")
    np.testing.assert_array_equal(steps, np.arange(1000))


def test_views_never_change_and_cannot_be_written() -> None:
    history = History()
    history.append(sample_run.rows(0, 100))
    view, (steps, values) = history.scalar("time"), history.vector("margins")
    copies = view.copy(), steps.copy(), values.copy()
    history.append(sample_run.rows(100, 9000))
    for now, before in zip((view, steps, values), copies, strict=True):
        np.testing.assert_array_equal(now, before)
        with pytest.raises(ValueError, match="read-only"):
            now[0] = 0


def test_wide_vectors_are_bounded_in_bytes() -> None:
    assert vector_bound((10,)) == VECTOR_ROWS - 1
    assert vector_bound((10_000,)) * 80_000 < 70 * 2**20
    assert vector_bound((10**7,)) == 63


def test_nearest_names_and_refusals() -> None:
    history = History()
    history.append({"step": np.array([0, 10, 30]), "rho": np.ones(3)})
    assert [history.nearest(step) for step in (-5, 0, 4, 5, 6, 20, 21, 99)] == [
        0,
        0,
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    assert history.names() == ["rho", "step"]
    assert history.has("rho")
    assert not history.has("time")
    with pytest.raises(BadInput, match="rho"):
        history.scalar("rh0")
    with pytest.raises(BadInput):
        history.vector("rho")


def test_replay_from_a_file(tmp_path: Path) -> None:
    sample_run.finished(tmp_path, 10_000)
    with RunReader(tmp_path) as reader:
        history = History.from_reader(reader)
        np.testing.assert_array_equal(history.step, np.arange(10_000))
        np.testing.assert_array_equal(history.scalar("log_risk"), reader.read("log_risk"))
        for name in ("margins", "theta"):
            steps, values = history.vector(name)
            assert 1000 < len(steps) <= VECTOR_ROWS
            assert steps[-1] == 9999
            np.testing.assert_array_equal(values, sample_run.expected(name, steps))
        assert history.vector("margins")[1] is history.vector("margins")[1]
        assert history.has("neuron_direction")
        assert history.update() == 10_000


def test_following_a_live_run_that_goes_back(tmp_path: Path) -> None:
    store = sample_run.create(tmp_path)
    with RunLock(tmp_path), RunReader(tmp_path) as reader:
        history = History.from_reader(reader)
        assert history.length == 0
        for _ in range(3):
            store.append(sample_run.rows(store.last_step + 1, 40))
            store.commit()
            history.update()
        assert history.length == 120
        assert len(history.vector("margins")[0]) == 120
        store.truncate(50)
        assert history.update() == 50
        assert len(history.vector("margins")[0]) == 50
    store.close()
    RunStore.reopen(tmp_path).close()


def test_readers_beside_a_writer_see_whole_records() -> None:
    history, wrong, done = History(), [], threading.Event()

    def look() -> None:
        while not done.is_set():
            steps = history.step
            if len(steps) and not np.array_equal(steps, np.arange(len(steps))):
                wrong.append("steps")
            if history.has("margins"):
                rows, values = history.vector("margins")
                if not np.array_equal(values, sample_run.expected("margins", rows)):
                    wrong.append("margins")

    viewer = threading.Thread(target=look)
    viewer.start()
    for start in range(0, 20_000, 100):
        history.append(sample_run.rows(start, 100))
    done.set()
    viewer.join()
    assert wrong == []


def long_rows(first: int, count: int) -> dict[str, np.ndarray]:
    steps = 10 * np.arange(first, first + count)
    return {"step": steps, "time": 0.5 * steps, "neuron_norm": steps[:, None] + np.arange(3.0)}


def test_a_million_records_keep_their_shape_in_bounded_memory() -> None:
    history, sizes, before = History(), [], None
    for first in range(0, 1_000_000, 500):
        history.append(long_rows(first, 500))
        sizes.append(history.length)
        if first == 100_000:
            before = (history.step, history.step.copy())
    assert before is not None
    assert np.array_equal(*before)
    assert history.count == 1_000_000
    assert max(sizes) <= SCALAR_ROWS
    assert min(sizes[400:]) > SCALAR_ROWS // 8
    record, step = history.record, history.step
    assert np.array_equal(step, 10 * record)
    assert np.array_equal(history.scalar("time"), 0.5 * step)
    assert np.array_equal(record[:1024], np.arange(1024))
    assert np.array_equal(record[-LAST_ROWS:], np.arange(1_000_000 - LAST_ROWS, 1_000_000))
    assert np.diff(record).max() <= 64
    steps, values = history.vector("neuron_norm")
    assert np.isin(steps, step).all()
    assert np.array_equal(values[:, 0], steps)
    assert step[history.nearest(123_456_0)] == pytest.approx(123_456_0, abs=640)


def test_up_to_the_bound_every_record_is_there() -> None:
    history = History()
    for first in range(0, SCALAR_ROWS, 4096):
        history.append(long_rows(first, 4096))
    assert np.array_equal(history.record, np.arange(SCALAR_ROWS))


def test_a_long_run_followed_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("SCALAR_ROWS", 256),
        ("LAST_ROWS", 16),
        ("BLOCK", 32),
        ("VECTOR_ROWS", 64),
    ):
        monkeypatch.setattr(history_module, name, value)
    with sample_run.create(tmp_path) as store:
        store.append(sample_run.rows(0, 1000))
        store.commit()
        with RunReader(tmp_path) as reader:
            history = History.from_reader(reader)
            assert history.count == 1000
            assert history.length <= 256
            store.append(sample_run.rows(1000, 50))
            store.commit()
            assert history.update() == 1050
            assert history.update() == 1050
            assert np.array_equal(history.step, history.record)
            assert np.array_equal(
                history.scalar("log_risk"), sample_run.expected("log_risk", history.step)
            )
            steps, norms = history.vector("neuron_norm")
            assert steps[-1] == 1049
            assert np.array_equal(norms, sample_run.expected("neuron_norm", steps))
            row = history.nearest(501)
            theta = reader.read("theta", history.record[row : row + 1])
            assert np.array_equal(theta, sample_run.expected("theta", history.step[row : row + 1]))


def test_a_still_history_stays_as_it_was_while_the_run_is_thinned() -> None:
    history = History()
    history.append(long_rows(0, SCALAR_ROWS - 1))
    still = history.still()
    history.append(long_rows(SCALAR_ROWS - 1, 500))
    assert history.length < SCALAR_ROWS // 2 + 1000
    assert still.length == SCALAR_ROWS - 1
    assert np.array_equal(still.scalar("time"), 0.5 * still.step)
    assert np.array_equal(history.scalar("time"), 0.5 * history.step)


def test_the_cursor_stays_on_its_record_when_the_run_is_thinned() -> None:
    history, shared = History(), SharedX()
    history.append(long_rows(0, SCALAR_ROWS - 1))
    shared.put_cursor(100_000)
    shared.update(history.still(), None, 3)
    history.append(long_rows(SCALAR_ROWS - 1, 500))
    shared.update(history.still(), None, 3)
    assert shared.cursor is not None
    assert shared.cursor < history.length
    assert abs(history.record[shared.cursor] - 100_000) <= 4
