"""VSS22's claims hold from the stated starts, and fail from others and for wrong verdicts."""

from __future__ import annotations

import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Altered, Remembering
from workbench.claims import vss22, vss22_layers, vss22_skip
from workbench.claims.registry import CLAIMS, select

OURS = [claim.id for module in (vss22, vss22_layers, vss22_skip) for claim in module.CLAIMS]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("optimal"))


def test_all_thirteen_are_there():
    names = ("T3.1", "T3.2", "R3.1", "T4.1", "T4.2a", "T4.2b", "T4.3", "T4.4")
    names += ("T5.1", "T5.2", "T5.3", "T5.4", "T6.1")
    assert sorted(OURS) == sorted(f"VSS22-{name}" for name in names)
    assert [claim.id for claim in select(["VSS22"])] == OURS


@pytest.mark.parametrize("name", OURS)
def test_holds_and_every_check_can_fail(lab, name):
    claim = CLAIMS[name]
    evidence, folder = claim.experiment(lab, "quick")
    good = claim.measure(evidence)
    assert [c for c in claim.criterion(good) if not c.holds] == []
    assert claim.verdict(claim.criterion(good)) == "holds"
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


BROKEN = {
    "3.1: a ReLU network": ("T3.1", ['model={kind = "deep-relu", widths = [4, 4]}'], "verdicts"),
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
    "5.2: patches not alike": ("T5.2", ["init.values={w = [0.2, 1.0], v = [0.7, 0.3]}"], "off"),
    "5.3: turned a little": (
        "T5.3",
        ["init.values.u=[[0.2, 2.0], [2.0, -0.2], [-0.2, -2.0], [-2.0, 0.2]]"],
        "off the limit",
    ),
    "5.4: shorter training": ("T5.4", ["train.until.log10_risk=-3"], "log10 of the risk"),
    "6.1: another start": ("T6.1", ["init.values={w = 0.2, v = 0.2, u = 2.0}"], "change of γ"),
    "6.1: no skip connection at first": ("T6.1", ["init.values.u=0.0"], "γ at the start"),
    "6.1: the constant rule": ("T6.1", ['train.rule="constant"'], "log10 of the risk"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_other_dynamics_fail(lab, what):
    name, settings, says = BROKEN[what]
    claim = CLAIMS[f"VSS22-{name}"]
    evidence, _ = claim.experiment(Altered(lab, *settings), "quick")
    assert_fails(claim, evidence, says)
