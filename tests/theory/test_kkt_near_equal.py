"""Near-equal inputs: every list that says it is complete is compared with rational arithmetic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from tests import reference_kkt as ref
from workbench.theory.kkt import kkt_points
from workbench.theory.kkt_cells import kkt_cells
from workbench.theory.ncf import NeuronKind

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
LEAKS = (0.0, 0.1, 0.5, -0.5)


@dataclass(frozen=True)
class Instance:
    """Seeded data with near-duplicates and near-antipodes."""

    x: np.ndarray
    z: np.ndarray
    kind: NeuronKind
    leak: float


def near(rng, x):
    """A copy of an input: exact, in float32, or turned by 1e-6 to 1e-14 rad; or the antipode of that."""
    how = rng.integers(0, 5)
    if how == 0:
        copy = x.astype(np.float32).astype(float)
    elif how == 1:
        copy = 2.0 ** rng.integers(-2, 3) * x
    else:
        aside = rng.normal(size=len(x))
        aside -= (aside @ x) / (x @ x) * x
        aside *= np.linalg.norm(x) / np.linalg.norm(aside)
        copy = rng.choice([1.0, 1.0, 0.3, 50.0]) * (x + 10.0 ** -rng.integers(6, 15) * aside)
    return copy if rng.random() < 0.5 else -copy


def instance(seed: int, d: int) -> Instance:
    """Data of norms 1 or, for every other seed, 0.1 to 4,000; labels normal, ±1, or cancelling."""
    rng = np.random.default_rng([20, d, seed])
    base = rng.normal(size=(rng.integers(d, d + 2), d))
    if seed % 2:
        base *= 10 ** rng.uniform(-1, 3.6, size=(len(base), 1)) / np.linalg.norm(
            base, axis=1, keepdims=True
        )
    labels = rng.normal(size=len(base)) if seed % 3 else rng.choice([-1.0, 1.0], len(base))
    rows, values = list(base), list(labels)
    for _ in range(rng.integers(1, {2: 9, 3: 6, 4: 4}[d])):
        i = rng.integers(len(base))
        rows.append(near(rng, base[i]))
        values.append(rng.choice([labels[i], -labels[i], rng.normal()]))
    kind = SQUARED if seed // 2 % 2 else TWO_LAYER
    return Instance(np.array(rows), np.array(values), kind, LEAKS[seed // 4 % 4])


def faults(data: Instance, found) -> list[str]:
    """What is wrong with a list that says it is complete; `Ambiguous` where the reference cannot tell."""
    slow = ref.squared if data.kind is SQUARED else ref.two_layer
    answer = slow(data.x, data.z, data.leak)
    degree = 2 if data.kind is SQUARED else 1
    scale = np.abs(data.z) @ np.linalg.norm(data.x, axis=1) ** degree
    poles = [p for p in found.points if data.kind is TWO_LAYER and not p.direction[1:].any()]
    crossings = [p for p in found.points if is_crossing(p, data)]
    left = [p for p in found.points if p.kind != "flat" and p not in crossings]
    if answer.poles is None:
        left = [p for p in left if p not in poles]
    wrong = []
    for point in answer.points:
        direction = np.array([float(v) for v in point.direction])
        same = [p for p in left if np.abs(p.direction - direction).max() < 1e-15]
        right = [p for p in same if p.kind == point.kind]
        if not right:
            wrong.append(f"missing {point.kind} at {direction}, listed {[p.kind for p in same]}")
            continue
        left.remove(right[0])
        if abs(right[0].value - float(point.value)) > 1e-14 * scale:
            wrong.append(f"value {right[0].value}, not {float(point.value)}")
    wrong += [f"invented {p.kind} at {p.direction}" for p in left]
    wrong += [f"residual {p.residual}" for p in found.points if not p.residual < 1e-14]
    zero_sets = len([p for p in found.of_kind("flat") if p.extent.shape == "zero-set"])
    flat = len(found.of_kind("flat")) - zero_sets
    if flat != answer.flat:
        wrong.append(f"{flat} flat sets, not {answer.flat}")
    if answer.zero_set != bool(zero_sets or crossings):
        wrong.append(f"changes sign: {answer.zero_set}")
    return wrong


def is_crossing(point, data: Instance) -> bool:
    """d = 2: a direction (0, u) where g changes sign, listed by itself."""
    return data.kind is TWO_LAYER and point.kind == "saddle" and point.direction[0] == 0


def hunt(seeds, d: int) -> Counter:
    """Counts of tried instances, complete lists, wrong ones, and such that could not be compared."""
    counts: Counter = Counter()
    for seed in seeds:
        data = instance(seed, d)
        found = kkt_points(data.x, data.z, data.kind, data.leak, starts=16)
        counts["tried"] += 1
        if not found.complete:
            counts["not complete"] += 1
            continue
        counts["complete"] += 1
        try:
            wrong = faults(data, found)
        except ref.Ambiguous as reason:
            counts[f"not compared: {reason}"] += 1
            continue
        counts["wrong"] += bool(wrong)
        assert not wrong, (d, seed, wrong)
    return counts


@pytest.mark.parametrize(("d", "seeds"), [(2, range(24)), (3, range(16)), (4, range(4))])
def test_complete_lists_are_right_where_inputs_are_nearly_equal(d, seeds):
    counts = hunt(seeds, d)
    assert counts["complete"] == counts["tried"]
    assert sum(counts[key] for key in counts if key.startswith("not compared")) <= len(seeds) // 8


@pytest.mark.full
@pytest.mark.parametrize(("d", "first", "count"), [(2, 1000, 300), (3, 1000, 200), (4, 1000, 100)])
def test_six_hundred_lists_with_nearly_equal_inputs(d, first, count):
    counts = hunt(range(first, first + count), d)
    print(d, dict(counts))
    assert counts["complete"] == counts["tried"] == count
    assert sum(counts[key] for key in counts if key.startswith("not compared")) <= count // 10
