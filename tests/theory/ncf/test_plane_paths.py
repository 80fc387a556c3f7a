"""The plane's flow against the general one, which integrates every neuron."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.ncf.flow_paths import flow_paths
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.paths import is_balanced
from workbench.theory.ncf.plane_paths import plane_paths

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU


def case(seed, kind, count=12):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 2))
    z = np.maximum(x[:, 0], 0) ** 2 - 0.3 * np.maximum(x[:, 1], 0) + 0.2 * rng.normal(size=20)
    w = 1e-5 * rng.normal(size=(count, kind.width(2)))
    if kind is TWO_LAYER:
        w[:, 0] = np.sign(w[:, 0]) * np.linalg.norm(w[:, 1:], axis=1)
    return x, z, w


@pytest.mark.parametrize("leak", [0.0, 0.2])
@pytest.mark.parametrize("kind", [SQUARED, TWO_LAYER])
@pytest.mark.parametrize("seed", range(4))
def test_times_agree_with_the_general_flow(seed, kind, leak):
    x, z, w = case(seed, kind)
    ncf = Ncf(x, z, kind, leak)
    found = kkt_points(ncf)
    path = plane_paths(w, ncf, found, 0.1)
    known = flow_paths(w, ncf, found, 0.1)
    assert np.array_equal(np.isinf(path.escape_time), np.isinf(known.escape_time))
    finite = np.isfinite(known.escape_time)
    error = np.abs(path.escape_time[finite] / known.escape_time[finite] - 1)
    assert (error < (1e-3 if kind is SQUARED else 1e-2)).all()


@pytest.mark.parametrize("kind", [SQUARED, TWO_LAYER])
@pytest.mark.parametrize("seed", range(3))
def test_the_direction_then_is_that_of_a_plain_loop(seed, kind):
    """Small explicit steps of the neuron's own flow until its norm is there."""
    x, z, w = case(seed, kind, count=5)
    w *= 1e3
    ncf = Ncf(x, z, kind)
    path = plane_paths(w, ncf, kkt_points(ncf), 0.1)
    for k in np.flatnonzero(np.isfinite(path.escape_time)):
        at = w[k].copy()
        step = path.escape_time[k] / 40_000
        for _ in range(40_000):
            before = at.copy()
            s = np.maximum(x @ at[-2:], 0.0)
            if kind is SQUARED:
                at += step * 2.0 * (z * s) @ x
            else:
                v, u = at[0], at[1:]
                at = at + step * np.concatenate([[z @ s], v * (z * (x @ u > 0)) @ x])
        growth = np.log(np.linalg.norm(at) / np.linalg.norm(before)) / step
        # Times are right to 1e-2: the norm then is as far off as it grows in that.
        late = 1e-2 * path.escape_time[k] * growth
        assert abs(np.log(np.linalg.norm(at) / 0.1)) < late
        off = np.angle(np.exp(1j * (np.arctan2(at[-1], at[-2]) - path.escape_angle[k])))
        assert abs(off) < np.radians(0.5)


def test_zero_neurons_and_neurons_that_have_left():
    x, z, w = case(0, SQUARED)
    w[0], w[1] = 0.0, [3.0, 0.0]
    ncf = Ncf(x, z, SQUARED)
    path = plane_paths(w, ncf, kkt_points(ncf), 0.1)
    assert np.isnan(path.escape_time[0])
    assert path.escape_time[1] == 0.0


def test_balance():
    w = np.array([[1.0, 1.0, 0.0], [1.0, 0.5, 0.0], [-1.0, 0.0, 1.0]])
    assert is_balanced(w, TWO_LAYER).tolist() == [True, False, True]
    assert is_balanced(w, SQUARED).all()


def test_cancelled():
    x, z, w = case(0, SQUARED)
    ncf = Ncf(x, z, SQUARED)
    path = plane_paths(w, ncf, kkt_points(ncf), 0.1, cancel=lambda: True)
    assert path.outcome.cancelled
    assert np.isnan(path.escape_time).any()
