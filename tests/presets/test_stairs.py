"""Stairs of deep linear networks: each saddle is the best map of its rank, modes leave by singular value."""

from __future__ import annotations

import time

import numpy as np
import pytest

from workbench.presets import load_config
from workbench.protocol.commands import Resume
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.run.stored import StoredRun

NAME = "deep-linear-stairs"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The preset watched to its end, gone on with at every pause; and the steps at which it paused."""
    config = load_config(NAME, ["device.kind=cpu"])
    paused = []
    with Session.create(config, tmp_path_factory.mktemp("r"), attended=True) as session:
        session.start()
        end = time.monotonic() + 120.0
        while not session.wait(0.005):
            assert time.monotonic() < end, "waited in vain"
            step = session.engine.state.step
            if session.engine.status == "paused" and step not in paused:
                paused.append(step)
                session.engine.send(Resume())
    with StoredRun(session.folder) as stored:
        yield stored, paused


def modes(stored):
    """Singular vectors a_j, b_j and values s_j of the teacher, from its samples."""
    data = stored.dataset
    teacher = np.linalg.lstsq(data.x, data.y, rcond=None)[0].T
    a, s, b = np.linalg.svd(teacher, full_matrices=False)
    return a[:, :3], s[:3], b[:3]


def products(stored):
    """W_2W_1 at every record."""
    with RunReader(stored.folder) as reader:
        theta = reader.read("theta")
    return np.array([t[48:].reshape(4, 8) @ t[:48].reshape(8, 6) for t in theta])


def test_it_pauses_at_three_saddles_whose_risk_is_half_the_squares_still_to_come(run):
    stored, paused = run
    _, s, _ = modes(stored)
    assert s == pytest.approx([4.0, 2.0, 1.0], rel=1e-12)
    with RunReader(stored.folder) as reader:
        step, log_risk = reader.read("step"), reader.read("log_risk")
        told = [event.step for event in reader.events() if event.kind == "saddle"]
        names = reader.series_names()
    assert told == paused
    risk = np.exp(log_risk)
    at = [float(risk[step == k][0]) for k in told]
    # Between a saddle and the next the modes to come are e^{−30} and less of their size.
    assert at == pytest.approx([0.5 * sum(s[r:] ** 2) for r in range(3)], rel=1e-9)
    assert risk[-1] < 1e-20
    assert not {"q_min", "accuracy", "margins", "margin_normalized"} & set(names)


def test_at_every_saddle_the_network_is_the_best_map_of_its_rank(run):
    stored, paused = run
    a, s, b = modes(stored)
    for rank, step in enumerate(paused):
        theta = stored.theta(step)
        found = theta[48:].reshape(4, 8) @ theta[:48].reshape(8, 6)
        assert found == pytest.approx(a[:, :rank] * s[:rank] @ b[:rank], abs=1e-6)


def test_modes_leave_one_by_one_the_largest_singular_value_first(run):
    stored, _ = run
    a, s, b = modes(stored)
    strength = np.einsum("ij,tik,jk->tj", a, products(stored), b) / s
    half = [int(np.argmax(strength[:, j] > 0.5)) for j in range(3)]
    assert 0 < half[0] < half[1] < half[2]
    for j, row in enumerate(half):
        assert strength[row, :j] == pytest.approx(1.0, abs=1e-6)
        assert strength[row, j + 1 :] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.full
def test_the_autoencoder_learns_principal_components_one_by_one(tmp_path):
    config = load_config("digits-autoencoder", ["device.kind=cpu"])
    with Session.create(config, tmp_path) as session:
        session.start()
        assert session.wait(300)
    with RunReader(session.folder) as reader:
        x, step, risk = reader.x, reader.read("step"), np.exp(reader.read("log_risk"))
        told = [event.step for event in reader.events() if event.kind == "saddle"]
    with StoredRun(session.folder) as stored:
        theta = stored.theta(int(step[-1]))
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    values, vectors = values[::-1], vectors[:, ::-1]
    stairs = [0.5 * values[r:].sum() for r in range(6)]
    # Neighbours are as near as 0.698 and 0.647, so that the one leaves before the other is whole.
    assert [float(risk[step == k][0]) for k in told] == pytest.approx(stairs[:5], rel=2e-4)
    assert risk[-1] == pytest.approx(stairs[5], rel=1e-9)
    product = theta[320:].reshape(64, 5) @ theta[:320].reshape(5, 64)
    assert product == pytest.approx(vectors[:, :5] @ vectors[:, :5].T, abs=1e-4)
