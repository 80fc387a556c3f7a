"""VSS22's claims hold from the stated starts, and fail from others and for wrong verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Bent, OtherLabels, Remembering
from workbench.claims.registry import CLAIMS, select
from workbench.claims.vss22 import layers as vss22_layers
from workbench.claims.vss22 import skip as vss22_skip
from workbench.claims.vss22 import theorems as vss22
from workbench.claims.vss22.limit import reach
from workbench.claims.vss22.starts import STARTS
from workbench.theory.optimality.verdict import Better

OURS = [claim.id for module in (vss22, vss22_layers, vss22_skip) for claim in module.CLAIMS]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("optimal"))


@pytest.fixture(scope="module")
def evidence_of(lab):
    """The evidence of a claim and its folder, made once."""
    made = {}

    def evidence(name):
        if name not in made:
            made[name] = CLAIMS[name].experiment(lab, "quick")
        return made[name]

    return evidence


def test_all_thirteen_are_there():
    names = ("T3.1", "T3.2", "R3.1", "T4.1", "T4.2a", "T4.2b", "T4.3", "T4.4")
    names += ("T5.1", "T5.2", "T5.3", "T5.4", "T6.1")
    assert sorted(OURS) == sorted(f"VSS22-{name}" for name in names)
    beside = {claim.id for claim in select(["VSS22"]) if claim.id not in OURS}
    remarks = {f"VSS22-{name}" for name in ("C1", "R3.1B", "R3.2", "R4.1", "T6.1B")}
    assert beside == {"VSS22-STARTS", *remarks}


@pytest.mark.parametrize("name", OURS)
def test_holds_and_every_check_can_fail(evidence_of, name):
    claim = CLAIMS[name]
    evidence, folder = evidence_of(name)
    good = claim.measure(evidence)
    assert [c for c in claim.criterion(good) if not c.holds] == []
    assert claim.verdict(claim.criterion(good)) == "holds"
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


BROKEN = {
    "3.1: a ReLU network": ("T3.1", ['model={kind = "deep-relu", widths = [4, 4]}'], ""),
    "3.2: both neurons active": (
        "T3.2",
        ["init.values.u=[[1.0, 0.1], [-1.0, 0.1]]"],
        "off the limit",
    ),
    "3.2: half the risk": ("T3.2", ["train.until.log10_risk=-400"], "log10 of the risk"),
    "R3.1: both neurons active": (
        "R3.1",
        ["init.values.u=[[1.0, 0.01], [-1.0, 0.01]]"],
        "off the limit",
    ),
    "4.1: the better coordinate too": (
        "T4.1",
        ["init.values.w1=[1.0, 0.5]", "init.values.w2=[1.0, 0.5]"],
        "off",
    ),
    "4.2a: a neuron at 0": (
        "T4.2a",
        ["init.values.w1=[0.6, 0.3, 0.0, 0.0]", "init.values.w2=[0.5, 0.0]"],
        "",
    ),
    "4.2b: turned a little": (
        "T4.2b",
        ["init.values.u=[[0.2, 2.0], [2.0, -0.2], [-0.2, -2.0], [-2.0, 0.2]]"],
        "off the limit",
    ),
    "4.3: neurons apart": ("T4.3", ["init.values.u=[[2.0, 0.0], [-2.0, -2.0]]"], "off the limit"),
    "4.4: patches not alike": ("T4.4", ["init.values.v=[1.0, 0.4]"], "off the limit"),
    "5.1: coordinates not alike": ("T5.1", ["init.values.w1=[1.0, 0.8]"], "off the limit"),
    "5.3: turned a little": (
        "T5.3",
        ["init.values.u=[[0.2, 2.0], [2.0, -0.2], [-0.2, -2.0], [-2.0, 0.2]]"],
        "off the limit",
    ),
    "5.4: shorter training": ("T5.4", ["train.until.log10_risk=-3"], "log10 of the risk"),
    "6.1: another start": ("T6.1", ["init.values={w = 0.2, v = 0.2, u = 2.0}"], "order in lr"),
    "6.1: no skip connection at first": ("T6.1", ["init.values.u=0.0"], "γ at the start"),
    "6.1: the constant rule": ("T6.1", ['train.rule="constant"'], "log10 of the risk"),
}


SHORT = {"3.2: both neurons active", "4.2b: turned a little", "4.4: patches not alike"}
"""What the normal suite has time for."""


def cases(names, short):
    return [pytest.param(n, marks=[pytest.mark.full] * (n not in short)) for n in names]


@pytest.mark.parametrize("what", cases(BROKEN, SHORT))
def test_other_dynamics_fail(lab, what):
    name, settings, says = BROKEN[what]
    claim = CLAIMS[f"VSS22-{name}"]
    few = [] if name == "T6.1" else ["train.steps=300"]
    evidence, _ = claim.experiment(Altered(lab, *few, *settings), "quick")
    assert_fails(claim, evidence, says)


def lying(found):
    """Another verdict than the right one, for the whole and for every layer."""
    other = "undecided" if found.verdict == "global" else "global"
    layers = tuple(replace(layer, verdict="undecided") for layer in found.layers)
    return replace(found, verdict=other, layers=layers)


def too_short(found):
    """Better points that are a little shorter than they may be."""

    def shrunk(better):
        return None if better is None else replace(better, theta=(1 - 1e-9) * better.theta)

    layers = tuple(replace(layer, better=shrunk(layer.better)) for layer in found.layers)
    return replace(found, better=shrunk(found.better), far=shrunk(found.far), layers=layers)


def no_better(found):
    """Points no shorter than the limit."""
    same = Better(found.theta[None], np.array([found.norm2]), np.zeros(1), "nothing changed")
    layers = tuple(replace(layer, better=same) for layer in found.layers)
    return replace(found, better=same, far=same, layers=layers)


def told(evidence, tale):
    return [replace(reached, verdict=tale(reached.verdict)) for reached in evidence]


@pytest.mark.parametrize("name", STARTS)
def test_wrong_verdicts_fail(evidence_of, name):
    wrong = told(evidence_of(name)[0], no_better if name.endswith("R3.1") else lying)
    assert_fails(CLAIMS[name], wrong, "ratio by the verdict" if name.endswith("R3.1") else "other")


@pytest.mark.parametrize("name", ["T3.2", "R3.1", "T4.1", "T4.2b", "T4.3", "T4.4", "T5.1", "T5.3"])
@pytest.mark.parametrize(("tale", "says"), [(too_short, "margin"), (no_better, "verdict's points")])
def test_wrong_certificates_fail(evidence_of, name, tale, says):
    claim = CLAIMS[f"VSS22-{name}"]
    assert_fails(claim, told(evidence_of(claim.id)[0], tale), says)


def flipped(y):
    return np.concatenate([-y[:1], y[1:]])


@pytest.mark.parametrize("name", cases(OURS, {"VSS22-T5.2"}))
def test_a_label_flipped_fails(lab, name):
    few = [] if name.endswith("T6.1") else ["train.steps=20"]
    broken = Altered(OtherLabels(lab, flipped), *few)
    assert_fails(CLAIMS[name], CLAIMS[name].experiment(broken, "quick")[0])


@pytest.mark.parametrize("name", cases(OURS, {"VSS22-T3.2"}))
def test_weights_that_are_lost_fail(lab, name):
    bent = Bent(lab, lambda theta: np.where(np.arange(len(theta))[:, None] > 5, np.nan, theta))
    with np.errstate(invalid="ignore"):
        assert_fails(CLAIMS[name], CLAIMS[name].experiment(bent, "quick")[0])


def test_a_sample_for_which_the_limit_is_optimal_fails(lab):
    """Theorem 4.4's limit with 1/4 in place of 4 is the same point, and a global optimum."""
    claim = CLAIMS["VSS22-T4.4"]
    starts = [
        replace(
            s,
            settings=(
                *s.settings,
                "data.x=[[0.25, 0.7071067811865476, -0.25, 0.7071067811865476]]",
            ),
        )
        for s in STARTS[claim.id]("quick")
    ]
    evidence, _ = reach(lab, claim.id, starts)
    assert max(reached.off for reached in evidence) < 1e-6
    assert not any(reached.says("not local") for reached in evidence)
    assert_fails(claim, evidence, "verdicts other", "paper's points")


def test_the_closed_form_of_the_falling_margin():
    found = vss22_skip.closed_margin(np.array([0.0, 1.0, 2.0]))
    assert found == pytest.approx([0.910684, 0.797436, 0.670313], abs=5e-7)
    fall = vss22_skip.closed_margin(np.linspace(0.0, 30.0, 3001))
    assert (np.diff(fall) < 0).all()
    assert fall[-1] == pytest.approx(0.5, abs=1e-9)
