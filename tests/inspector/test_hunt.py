"""Pauses and verdicts on runs that lie in wait for them, held against slow and obvious truth."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.inspector.hunt import (
    KINDS,
    hunt,
    judged,
    made_of,
    passage,
    shown,
    strength,
    table,
)
from workbench.inspector.inspect import inspect_state

QUICK = (
    "minibatch noise",
    "exactly at a saddle",
    "near a saddle",
    "diagonal",
    "zero weights",
    "dead ReLU neurons",
)


@pytest.mark.parametrize("kind", QUICK)
def test_one_run_of_a_kind(kind):
    run = hunt(made_of(kind, 0))
    truth = judged(run)
    assert (truth.false, truth.missed, truth.twice) == (0, 0, 0)
    assert run.pauses == truth.told == truth.saddles
    for event in run.told:
        row = int(np.flatnonzero(run.step == event.step)[0])
        found = inspect_state(run.experiment.inspected(run.theta[row], step=event.step)).judgement
        assert found.verdict == "saddle"
        assert event.text.startswith(found.reasons[0])


@pytest.mark.full
def test_sixty_runs():
    """Five of each kind."""
    rows = table(KINDS, range(5))
    sys.stdout.write(f"\n{shown(rows, 5)}\n")
    total = {
        n: sum(getattr(r, n) for r in rows.values())
        for n in ("saddles", "false", "missed", "twice")
    }
    assert total["saddles"] >= 60
    assert total["false"] == 0
    assert total["twice"] == 0
    assert total["missed"] <= 0.02 * total["saddles"]


@pytest.mark.full
def test_from_which_strength_on_it_tells():
    """All passages below 0.07 of the escape rate are told, none above 0.1."""
    found = []
    for seed in range(60):
        run = hunt(passage(seed))
        found.append((strength(run), len(run.told)))
    sys.stdout.write(
        "\n" + "\n".join(f"{low:10.4f} {count}" for low, count in sorted(found)) + "\n"
    )
    assert sum(low < 0.07 for low, _ in found) >= 10
    assert all(count == 1 for low, count in found if low < 0.07)
    assert all(count == 0 for low, count in found if low > 0.1)
