"""Work counted by the searches: the more rows the more, the same every time, and it ends them."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.numerics.bounded_proximal import proximal_step
from workbench.theory.numerics.bounded_quadratic import bounded_quadratic
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.numerics.work import STEP, Work


def quadratic(n, work):
    rows = np.random.default_rng(n).normal(size=(n, n + 5))
    low, cap = np.zeros(n), np.full(n, 0.3)
    return bounded_quadratic(rows @ rows.T, rows @ np.ones(n + 5), low, cap, low, work=work)


def proximal(n, work):
    rng = np.random.default_rng(n)
    rows, target = rng.normal(size=(n, 6)), rng.normal(size=6)
    return proximal_step(rows, target, np.full(n, 1.0), np.zeros(n), 1e-6, work=work)


def distance(n, work):
    rng = np.random.default_rng(n)
    return least_distance(rng.normal(size=(n, 400)) + 1.0, np.ones(n), work=work)


@pytest.mark.parametrize("search", [quadratic, proximal, distance])
def test_larger_problems_count_more_and_each_the_same_every_time(search):
    counted = []
    for n in (20, 200) if search is not proximal else (20, 20_000):
        twice = [Work(), Work()]
        for work in twice:
            assert search(n, work).outcome.converged
        assert twice[0].done == twice[1].done
        counted.append(twice[0].done)
    assert STEP < counted[0] < counted[1]


@pytest.mark.parametrize("search", [quadratic, proximal])
def test_a_search_ends_where_its_operations_do(search):
    whole = Work()
    steps = search(60, whole).outcome.iterations
    assert steps > 2
    part = Work(0.5 * whole.done)
    outcome = search(60, part).outcome
    assert outcome.cancelled
    assert 0 < outcome.iterations < steps
    # It overshoots by one step at most.
    assert part.spent
    assert part.done < whole.done


def test_somebody_who_waits_no_longer_ends_it_too():
    work = Work(cancel=lambda: True)
    assert work()
    assert not work.spent
    assert not Work()()
    spent = Work(1.0)
    spent.add(0.0)
    assert spent()
    assert spent.done == STEP
