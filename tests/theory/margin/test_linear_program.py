"""JT20 Prop. 4.6's linear program: closed forms, brute force on the simplex, certificates."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.margin.linear_program import margin_program, squared_relu_features


def test_rock_paper_scissors_and_a_single_direction():
    game = np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])
    found = margin_program(game)
    assert found.shares == pytest.approx(np.full(3, 1 / 3), abs=1e-15)
    assert abs(found.value) <= 1e-15
    assert abs(found.value_above) <= 1e-15
    single = margin_program(np.array([[3.0], [2.0]]))
    assert (single.value, single.value_above) == (2.0, 2.0)
    negative = margin_program(np.array([[-3.0, -1.0]]))
    assert (negative.value, negative.value_above) == (-1.0, -1.0)


@pytest.mark.parametrize("seed", range(6))
def test_against_a_grid_of_the_simplex(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(6, 2)), np.sign(rng.normal(size=6))
    directions = rng.normal(size=(3, 2))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    signs = np.array([-1.0, 1.0, -1.0])
    phi = squared_relu_features(directions, signs, x, y)
    slow = np.array(
        [
            [y[i] * signs[j] * max(0.0, directions[j] @ x[i]) ** 2 for j in range(3)]
            for i in range(6)
        ]
    )
    assert phi == pytest.approx(slow)
    found = margin_program(phi)
    steps = 200
    best = max(
        (phi @ (np.array([a, b, steps - a - b]) / steps)).min()
        for a in range(steps + 1)
        for b in range(steps + 1 - a)
    )
    assert best <= found.value + 1e-15
    assert found.value <= best + 2.0 / steps * np.abs(phi).max()
    assert found.gap >= -1e-15
    assert found.gap <= 1e-14


@pytest.mark.parametrize(("n", "h"), [(40, 10), (30, 300), (200, 1000)])
def test_certificates_meet(n, h):
    rng = np.random.default_rng(n + h)
    x = rng.normal(size=(n, 3))
    directions = rng.normal(size=(h, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    phi = squared_relu_features(
        directions, np.where(np.arange(h) % 2, 1.0, -1.0), x, np.sign(x[:, 0])
    )
    found = margin_program(phi)
    assert (found.shares >= 0).all()
    assert found.shares.sum() == pytest.approx(1.0)
    assert (found.weights >= 0).all()
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.value == (phi @ found.shares).min() or found.gap <= 1e-13
    assert abs(found.gap) <= 1e-13 * np.abs(phi).max() + 1e-13


def test_refuses_what_is_no_matrix_game():
    with pytest.raises(ValueError, match="one or more"):
        margin_program(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="finite"):
        margin_program(np.array([[np.inf]]))
