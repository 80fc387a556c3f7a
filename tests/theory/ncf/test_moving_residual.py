"""The scenarios of a moving residual against explicit steps of the same weights, small and slow."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.ncf.frozen_residual import frozen_paths
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.moving_residual import SCENARIOS, scenarios_ahead
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, neuron_outputs
from workbench.theory.ncf.separable_risk import ApartRisk, SeparableRisk
from workbench.theory.numerics.outcome import End
from workbench.theory.numerics.work import Work

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_outputs_are_what_the_correlation_function_sums(kind):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(9, 3)), rng.normal(size=9)
    w = rng.normal(size=(5, kind.width(3)))
    assert neuron_outputs(w, x, kind, 0.2) @ z == pytest.approx(Ncf(x, z, kind, 0.2).value(w))


class Drifting:
    """Two teachers; a large neuron on its way to the first, and small ones everywhere."""

    def __init__(self, kind, seed, moving=True, size=1e-4):
        rng = np.random.default_rng(seed)
        self.kind, self.leak = kind, 0.0
        self.x = rng.normal(size=(14, 2))
        turn = rng.uniform(0, 2 * np.pi)
        t = np.array([[np.cos(a), np.sin(a)] for a in (turn, turn + 2.0)])
        s = np.maximum(self.x @ t.T, 0.0)
        self.y = s**2 @ [1.0, 0.5] if kind is SQUARED else s @ [1.0, 0.5]
        p = kind.width(2)
        large = t[0] + 0.04 * rng.normal(size=2)
        self.large = np.zeros((0, p))
        if moving:
            self.large = (large if kind is SQUARED else np.concatenate([[1.0], large]))[None]
        u = rng.normal(size=(5, 2))
        if kind is TWO_LAYER:
            u = np.column_stack([np.linalg.norm(u, axis=1) * rng.choice([-1, 1], 5), u])
        self.small = size * u
        self.signs = np.ones(len(self.large)), np.ones(len(self.small))

    def outputs(self, w):
        return neuron_outputs(w, self.x, self.kind, self.leak).sum(axis=0)

    def pull(self, w, z):
        return Ncf(self.x, z, self.kind, self.leak).gradient(w)

    @property
    def z(self):
        return self.y - self.outputs(self.large) - self.outputs(self.small)

    @property
    def found(self):
        return kkt_points(Ncf(self.x, self.z, self.kind, self.leak))

    @property
    def highest(self):
        return max(p.value for p in self.found.points)

    @property
    def radius(self):
        return float(np.sqrt(0.01 * 0.5 * np.sum(self.z**2) / self.highest))

    def scenarios(self, step, **more):
        made = frozen_paths(self.small, Ncf(self.x, self.z, self.kind), self.found, self.radius)
        risk = SeparableRisk(
            self.x, self.kind, self.leak, lambda out: self.y - out, np.zeros(len(self.y))
        )
        first = np.min(made.escape_time[np.isfinite(made.escape_time)])
        found = scenarios_ahead(
            risk, (self.large, self.signs[0]), (self.small, self.signs[1]),
            radius=self.radius, highest=self.highest, step=step, still_first=float(first), **more,
        )  # fmt: skip
        return found.by_name, made, found.outcome

    def stepped(self, step, alone):
        """(first to leave, when, its unit direction then), by steps w ← w + η∇N(w).

        `alone`: the large neuron moves by itself and the small ones only see what it leaves; otherwise
        everything is trained together.
        """
        large, small, rest = self.large.copy(), self.small.copy(), self.outputs(self.small)
        for count in range(1, 20_000):
            z = self.y - self.outputs(large) - (rest if alone else self.outputs(small))
            before = np.linalg.norm(small, axis=1)
            if len(large):
                large = large + step * self.pull(large, z)
            small = small + step * self.pull(small, z)
            size = np.linalg.norm(small, axis=1)
            if size.max() >= self.radius:
                k = int(np.argmax(size))
                part = np.log(self.radius / before[k]) / np.log(size[k] / before[k])
                return k, (count - 1 + part) * step, small[k] / size[k]
        raise AssertionError("none left")


CASES = [(SQUARED, 0), (SQUARED, 2), (TWO_LAYER, 0)]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_moving_is_the_large_neurons_flow_with_small_ones_carried_along(kind, seed):
    case = Drifting(kind, seed)
    fine = 0.005 / case.highest
    found, *_ = case.scenarios(step=fine)
    k, time, direction = case.stepped(fine, alone=True)
    scenario = found["moving"]
    assert np.argmin(scenario.high) == k
    assert scenario.low[k] == scenario.high[k]
    assert scenario.high[k] == pytest.approx(time, rel=0.01)
    assert np.degrees(np.arccos(min(1.0, scenario.direction[k] @ direction))) < 0.5


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_answered_is_near_the_training_itself_in_its_own_steps(kind, seed):
    """At one tenth of the growth rate a step, where steps and flow differ by 5 %."""
    case = Drifting(kind, seed)
    step = 0.1 / (2 * case.highest)
    found, *_ = case.scenarios(step=step)
    k, time, _ = case.stepped(step, alone=False)
    assert np.argmin(found["answered"].high) == k
    assert found["answered"].high[k] == pytest.approx(time, rel=0.02)
    assert found["moving"].high[k] < found["answered"].high[k]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_at_rest_it_is_the_ncf_flow(kind, seed):
    case = Drifting(kind, seed)
    found, made, _ = case.scenarios(step=1e-3)
    scenario = found["still"]
    known = (scenario.low == scenario.high) & np.isfinite(made.escape_time)
    assert known.any()
    assert scenario.high[known] == pytest.approx(made.escape_time[known], rel=3e-3)
    # What is not followed to its end is bracketed, where the frozen residual knows it.
    rest = ~known & ~np.isnan(made.escape_time)
    assert (scenario.low[rest] <= made.escape_time[rest] * 1.003).all()


def test_more_and_less_lie_on_either_side():
    case = Drifting(SQUARED, 0)
    found, *_ = case.scenarios(step=1e-3)
    k = int(np.argmin(found["moving"].high))
    ends = sorted([found["less"].high[k], found["more"].high[k]])
    assert ends[0] < found["moving"].high[k] < ends[1]


def test_without_large_neurons_nothing_but_the_small_ones_moves_it():
    case = Drifting(SQUARED, 1, moving=False)
    found, *_ = case.scenarios(step=1e-4)
    assert set(found) == set(SCENARIOS)
    for name in ("moving", "less", "more"):
        assert found[name] is found["still"]
    k = int(np.argmin(found["still"].high))
    assert 1.0 < found["answered"].high[k] / found["still"].high[k] < 1.02


def test_a_neuron_that_is_out_already_has_left():
    case = Drifting(SQUARED, 1, moving=False)
    case.small[3] *= 2 * case.radius / np.linalg.norm(case.small[3])
    found, *_ = case.scenarios(step=1e-4)
    assert found["still"].high[3] == found["answered"].low[3] == 0.0


def test_cancelled():
    assert Drifting(SQUARED, 0).scenarios(step=1e-3, work=Work(cancel=lambda: True))[2].cancelled


def test_spent_work_ends_it_as_the_last_step_does_with_bounds_that_hold():
    case, counted = Drifting(SQUARED, 0), Work()
    whole = case.scenarios(step=1e-3, work=counted)[0]
    cut, _, outcome = case.scenarios(step=1e-3, work=Work(0.5 * counted.done))
    assert outcome.end is End.OUT_OF_STEPS
    for name, scenario in cut.items():
        assert (scenario.low <= whole[name].low * (1 + 1e-6)).all()
    again = case.scenarios(step=1e-3, work=Work(0.5 * counted.done))[0]
    assert all((again[name].high == cut[name].high).all() for name in cut)


@pytest.mark.parametrize("step", [0.0, -1.0])
def test_numbers_that_are_none(step):
    with pytest.raises(ValueError, match="must be positive"):
        Drifting(SQUARED, 0).scenarios(step=step)


def test_neurons_apart_see_a_coordinate_each():
    """Outputs by their definition; the pull against differences of z·Φ."""
    random = np.random.default_rng(4)
    x, z = random.normal(size=(9, 3)), random.normal(size=9)
    weights, sees = random.normal(size=(5, 2)), np.array([0.0, 2.0, 1.0, 2.0, 0.0])
    risk = ApartRisk(x, 0.3, lambda outputs: outputs, np.zeros(9))
    by_hand = sum(
        v * np.where(u * x[:, int(j)] > 0, u * x[:, int(j)], 0.3 * u * x[:, int(j)])
        for (v, u), j in zip(weights, sees, strict=True)
    )
    assert risk.outputs(weights, sees) == pytest.approx(by_hand)
    for k in range(5):
        for c in range(2):
            step = np.zeros((5, 2))
            step[k, c] = 1e-6
            ahead = risk.outputs(weights + step, sees) - risk.outputs(weights - step, sees)
            assert risk.pull(weights, sees, z)[k, c] == pytest.approx(z @ ahead / 2e-6, rel=1e-6)
