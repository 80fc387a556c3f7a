"""Minibatches of many steps at once, and their table on the device: what is drawn step by step."""

from __future__ import annotations

import pytest
import torch

from workbench.engine.batches import Minibatches
from workbench.engine.programs.captured import batches
from workbench.engine.programs.captured.batches import BatchTable

CPU = torch.device("cpu")


@pytest.mark.parametrize("numbers", [1, 40, 1 << 22])
@pytest.mark.parametrize(("n", "size"), [(12, 5), (12, 6), (7, 6), (5, 4), (9, 1)])
def test_every_step_s_indices(monkeypatch, n, size, numbers):
    monkeypatch.setattr(batches, "TABLE_NUMBERS", numbers)
    table = BatchTable([Minibatches(n, size, seed, CPU) for seed in (1, 2, 3)], CPU)
    slow = [Minibatches(n, size, seed, CPU) for seed in (1, 2, 3)]
    for begin, end in ((0, 25), (25, 26), (13, 40)):
        table.begin()
        for step in range(begin, end):
            assert 1 <= table.left(step, end - step) <= end - step
            b = table.samples(step)
            found = table.next(b)
            assert torch.equal(found, torch.stack([drawn.indices(step) for drawn in slow]))


@pytest.mark.parametrize(("n", "size"), [(12, 5), (12, 6), (7, 6), (5, 4), (9, 1), (4, 4)])
def test_many_steps_at_once_are_those_steps(n, size):
    slow = Minibatches(n, size, 3, CPU)
    for begin, steps in ((0, 1), (0, 25), (2, 3), (13, 27)):
        drawn = [slow.indices(step) for step in range(begin, begin + steps)]
        assert torch.equal(Minibatches(n, size, 3, CPU).run(begin, steps), torch.cat(drawn))
