"""What VSS22 says beside its theorems, as claims: they hold, and other limits, verdicts and starts fail."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Remembering
from workbench.claims.exact_network import ExactNetwork
from workbench.claims.registry import CLAIMS
from workbench.claims.vss22 import balance, biased, perturbed, predictor, unbounded

HOLDS = {
    "VSS22-C1": "holds",
    "VSS22-R3.1B": "holds",
    "VSS22-R3.2": "holds corrected",
    "VSS22-R4.1": "holds",
    "VSS22-T6.1B": "holds corrected",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("remarks"))


@pytest.fixture(scope="module")
def evidence_of(lab):
    """The evidence of a claim and its folder, made once."""
    made = {}

    def evidence(name):
        if name not in made:
            made[name] = CLAIMS[name].experiment(lab, "quick")
        return made[name]

    return evidence


QUICK = {"VSS22-C1", "VSS22-R4.1"}
"""What the normal suite has time for."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.full] * (n not in QUICK)) for n in HOLDS]
)
def test_holds_and_every_check_can_fail(evidence_of, name):
    claim = CLAIMS[name]
    evidence, folder = evidence_of(name)
    good = claim.measure(evidence)
    assert [check for check in claim.criterion(good) if not check.holds] == []
    assert claim.verdict(claim.criterion(good)) == HOLDS[name]
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


def lying(reached, verdict):
    return [replace(r, verdict=replace(r.verdict, verdict=verdict)) for r in reached]


def shrunk(reached):
    """Better points that are a little shorter than they may be."""

    def short(better):
        return None if better is None else replace(better, theta=(1 - 1e-9) * better.theta)

    return [
        replace(
            r, verdict=replace(r.verdict, better=short(r.verdict.better), far=short(r.verdict.far))
        )
        for r in reached
    ]


def elsewhere(reached):
    return [replace(r, goal=1.001 * r.goal) for r in reached]


@pytest.mark.full
@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda e: replace(e, not_local=lying(e.not_local, "local")), perturbed.NOT_LOCAL),
        (lambda e: replace(e, local=lying(e.local, "global")), perturbed.LOCAL),
        (lambda e: replace(e, local=shrunk(e.local)), "far points: 1 − least margin"),
        (lambda e: replace(e, not_local=shrunk(e.not_local)), "verdict's points: 1 − least"),
        (lambda e: replace(e, not_local=elsewhere(e.not_local)), "off the limit"),
        # The start that keeps to its ray is not left.
        (lambda e: replace(e, kept=e.not_local), perturbed.LEAVES),
    ],
)
def test_other_verdicts_of_perturbed_samples_fail(evidence_of, broken, says):
    assert_fails(CLAIMS["VSS22-R3.2"], broken(evidence_of("VSS22-R3.2")[0]), says)


def test_the_shortest_neuron_of_samples_as_they_are():
    rows = np.array([[1.0, 0.25], [-1.0, 0.25]])
    assert perturbed.shortest_neuron(rows) == pytest.approx([0.0, 4.0])
    assert perturbed.two_neurons(rows, np.array([[0.0, -1.0]])) == pytest.approx(
        [0.0, 2.0, 0.0, -1.0, 2.0, 1.0]
    )
    assert np.isnan(perturbed.shortest_neuron(np.array([[1.0, 0.0], [-1.0, 0.0]]))).all()


def test_predictors_the_wrong_way_round_fail(evidence_of):
    good = evidence_of("VSS22-R4.1")[0]
    swapped = predictor.Predictors(good.without, good.with_zero)
    says = (predictor.SHORTER, predictor.ZEROS, predictor.DUAL, predictor.PROGRAM)
    assert_fails(CLAIMS["VSS22-R4.1"], swapped, *says)
    nowhere = [replace(r, polished=None) for r in good.without]
    assert_fails(CLAIMS["VSS22-R4.1"], replace(good, without=nowhere), predictor.HALF)


@pytest.mark.full
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda far: replace(far, s=100.0 * far.s), unbounded.RATIO),
        (
            lambda far: (
                replace(
                    far,
                    reached=replace(
                        far.reached, start=replace(far.reached.start, better=lambda _: np.ones(4))
                    ),
                )
                if far.case.theorem == "4.1"
                else far
            ),
            unbounded.RATIO,
        ),
        (
            lambda far: replace(far, case=unbounded.CASES[0]) if far.case.theorem == "4.4" else far,
            "theorems",
        ),
        (
            lambda far: replace(
                far,
                reached=replace(
                    far.reached,
                    start=replace(
                        far.reached.start, better=lambda e, b=far.reached.start.better: 0.99 * b(e)
                    ),
                ),
            ),
            unbounded.FEASIBLE,
        ),
    ],
)
def test_points_that_are_not_so_short_fail(evidence_of, change, says):
    good = evidence_of("VSS22-R3.1B")[0]
    assert_fails(CLAIMS["VSS22-R3.1B"], [change(far) for far in good], says)


@pytest.mark.full
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("init.values={w = 0.2, v = 0.2, b = 2.0}",), biased.ORDER),
        (("init.values={w = 2.0, v = 2.0, b = 0.0}",), biased.FIRST),
        (("train.steps=50",), biased.LOWEST_RISK),
        # With a neuron that is off, what is left is the bias or the skip connection alone.
        (("init.values={w = -2.0, v = 2.0, b = 2.0}",), biased.FIRST),
    ],
)
def test_other_starts_of_the_neuron_fail(lab, settings, says):
    with np.errstate(all="ignore"):
        evidence, _ = CLAIMS["VSS22-T6.1B"].experiment(
            Altered(lab, "train.steps=200", *settings), "quick"
        )
    assert_fails(CLAIMS["VSS22-T6.1B"], evidence, says)


@pytest.mark.full
def test_a_label_flipped_fails(evidence_of, lab):
    flipped = Altered(lab, "data.y=[-1.0]", "train.steps=50")
    evidence, _ = CLAIMS["VSS22-T6.1B"].experiment(flipped, "quick")
    assert_fails(CLAIMS["VSS22-T6.1B"], evidence, biased.LOWEST_RISK)


def test_what_is_not_balanced_fails(evidence_of):
    good = evidence_of("VSS22-C1")[0]
    claim = CLAIMS["VSS22-C1"]
    network, theta = good.points[0]

    class Other(ExactNetwork):
        """Slopes of the first layer that are not the network's."""

        def slopes(self, theta, index):
            rows = super().slopes(theta, index)
            return rows if index else [[v + Fraction(1, 1000) for v in row] for row in rows]

    other = Other(network.places, network.leak, network.x, network.y)
    broken = replace(good, points=[(other, theta), *good.points[1:]])
    assert_fails(claim, broken, balance.LAYERS, balance.NEURONS)
    moved = good.norms * np.linspace(1.0, 1.01, len(good.norms))[:, None, None] ** [1.0, 0.0]
    assert_fails(claim, replace(good, norms=moved), balance.KEPT)
    assert_fails(claim, replace(good, rho2=good.rho2 * 1e-3), balance.BALANCED)
    plain = [(n, t) for n, t in good.points if not n.shares]
    assert_fails(claim, replace(good, points=plain), balance.SHARED)


def test_pulls_are_those_of_the_network(evidence_of):
    """⟨u_l, ∂q_i/∂u_l⟩ is q_i for every layer, of which the margins are linear."""
    for network, theta in evidence_of("VSS22-C1")[0].points[::4]:
        margins = network.margins(theta.tolist())
        for layer in balance.pulls(network, theta):
            totals = [sum(values) for values in zip(*layer.values(), strict=True)]
            assert totals == margins
