"""KH24 Fig. 2, Fig. 3, Cor. 5.4.1 over real sessions, and over ones that are broken on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims import kh24_landscapes as landscapes
from workbench.claims.registry import CLAIMS
from workbench.claims_lab import SessionLab
from workbench.config import parse_config, parse_toml, to_toml
from workbench.data.load import load_dataset

pytestmark = pytest.mark.full


F2, F3, C541 = CLAIMS["KH24-F2"], CLAIMS["KH24-F3"], CLAIMS["KH24-C5.4.1"]


class BrokenLab(SessionLab):
    """Sessions on other labels, and records that are bent after training."""

    def __init__(self, runs_dir, *, labels=None, bend=None, steps=None):
        super().__init__(runs_dir)
        self.labels, self.bend, self.steps = labels, bend, steps

    def train(self, config):
        values = parse_toml(to_toml(config), "config")
        if self.labels is not None:
            data = load_dataset(config.data)
            values["data"] = {
                "kind": "inline",
                "x": data.x.tolist(),
                "y": self.labels(data.y).tolist(),
            }
        if self.steps is not None:
            values["train"]["steps"] = self.steps(config.train.steps)
        run = super().train(parse_config(values, "broken"))
        return run if self.bend is None else replace(run, theta=self.bend(run.theta))


def wandering(theta):
    """Every pair of numbers turned by a random angle at every record."""
    angle = np.random.default_rng(0).uniform(-0.3, 0.3, theta.shape[0])[:, None]
    a, b = theta[:, 0::2], theta[:, 1::2]
    bent = theta.copy()
    bent[:, 0::2] = np.cos(angle) * a - np.sin(angle) * b
    bent[:, 1::2] = np.sin(angle) * a + np.cos(angle) * b
    return bent


def turned(theta):
    """All of it by five degrees, as if it had settled elsewhere."""
    angle = np.radians(5.0)
    bent = theta.copy()
    bent[:, 0::2] = np.cos(angle) * theta[:, 0::2] - np.sin(angle) * theta[:, 1::2]
    bent[:, 1::2] = np.sin(angle) * theta[:, 0::2] + np.cos(angle) * theta[:, 1::2]
    return bent


def lost(theta):
    return np.full_like(theta, np.nan)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [(F2, "holds"), (F3, "holds corrected"), (C541, "holds")],
    ids=lambda a: getattr(a, "id", a),
)
def test_holds_and_every_check_can_fail(tmp_path, claim, verdict):
    evidence, folder = claim.experiment(SessionLab(tmp_path), "quick")
    good = claim.measure(evidence)
    assert claim.verdict(claim.criterion(good)) == verdict
    assert folder is not None
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


# --- Fig. 3 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"bend": turned}, "settled directions off"),
        ({"bend": wandering}, "share settled at"),
        ({"steps": lambda steps: steps // 3}, "share settled at"),
    ],
)
def test_broken_training_fails_f3(tmp_path, broken, says):
    assert_fails(F3, F3.experiment(BrokenLab(tmp_path, **broken), "quick")[0], says)


def test_other_labels_fail_f3(tmp_path):
    lab = BrokenLab(tmp_path, labels=lambda y: np.roll(y, 9))
    assert_fails(F3, F3.experiment(lab, "quick")[0], "settled directions off")


# --- Corollary 5.4.1 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"labels": lambda y: np.roll(y, 9)}, "on a KKT point or vanished"),
        ({"steps": lambda steps: steps // 8}, "on a KKT point or vanished"),
        ({"bend": turned}, "on a KKT point or vanished"),
        ({"bend": lost}, "on a KKT point or vanished"),
        ({"bend": lambda theta: theta * (1 + np.arange(len(theta)))[:, None]}, "over √C δ"),
    ],
)
def test_broken_training_fails_c541(tmp_path, broken, says):
    evidence, _ = C541.experiment(BrokenLab(tmp_path, **broken), "quick")
    assert_fails(C541, evidence, says)


# --- Fig. 2 ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def branching(tmp_path_factory):
    return landscapes.f2_evidence(SessionLab(tmp_path_factory.mktemp("f2")), "quick")[0]


class Given:
    """A lab that hands back what was trained before."""

    def __init__(self, lab):
        self.lab, self.run = lab, None

    def train(self, config):
        self.run = self.run or self.lab.train(config)
        return self.run


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return Given(SessionLab(tmp_path_factory.mktemp("f2")))


def smooth(u):
    """u_1 u_2²: the line {u_2 = 0} does not repel at finite speed, and flows leave it after ln(1/ε)."""
    return np.column_stack([u[:, 1] ** 2, 2 * u[:, 0] * u[:, 1]])


def one_sided(u):
    """u_1 u_2: no kink, so one side is taken down."""
    return u[:, ::-1].copy()


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (smooth, "escape time"),
        (lambda u: -landscapes.gradient_of_f(u), "flow from (1, ±ε)"),
        (lambda u: 1.1 * landscapes.gradient_of_f(u), "closed form off the inclusion"),
        (lambda u: 2.0 * landscapes.gradient_of_f(u), "flows that wait"),
    ],
)
def test_other_fields_fail_f2(given, field, says):
    assert_fails(F2, landscapes.f2_evidence(given, "quick", field)[0], says)


def test_a_saddle_that_does_not_branch_fails_f2(given):
    assert_fails(F2, landscapes.f2_evidence(given, "quick", one_sided)[0], "closed form")


def test_logarithmic_escape_times_fail_f2(branching):
    """What a smooth saddle would do, and this one does not: ln(1/ε)."""
    times = np.log(1.0 / np.array(landscapes.EPSILONS))[:, None] * np.ones(2)
    assert_fails(F2, replace(branching, escapes=times), "escape time")


def test_broken_evidence_fails_f2(branching):
    both = np.repeat(branching.ends[:, :1], 2, axis=1)
    assert_fails(F2, replace(branching, ends=both), "on the line")
    assert_fails(F2, replace(branching, points=branching.points[1:]), "KKT points off")
    assert_fails(F2, replace(branching, trained=branching.trained[::-1]), "trained neurons")
    assert_fails(F2, replace(branching, spread=float("nan")), "off the line")


def test_a_branching_flow_off_the_line_would_be_noticed(given, monkeypatch):
    exact = landscapes.exact_flow

    def jumping(z, t):
        """Flows with u_1 < 0 pass through {u_2 = 0} on one of two sides, by the start's digits."""
        path = exact(z, t)
        side = 1.0 if int(abs(z[0]) * 1e9) % 2 else -1.0
        return np.column_stack([path[:, 0], side * path[:, 1]])

    monkeypatch.setattr(landscapes, "exact_flow", jumping)
    assert_fails(F2, landscapes.f2_evidence(given, "quick")[0], "off the line")


def test_training_backwards_fails_f2(tmp_path):
    lab = BrokenLab(tmp_path, labels=np.negative)
    assert_fails(F2, landscapes.f2_evidence(lab, "quick")[0], "trained neurons")
