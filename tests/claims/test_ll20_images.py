"""LL20's claims on digits over real sessions, and over ones that are broken on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from tests.claims.session_labs import Remembering, Short
from workbench.claims.lab import Lazy
from workbench.claims.ll20 import classes as ll20_classes
from workbench.claims.ll20 import images as ll20_images
from workbench.claims.ll20 import robust as ll20_robust
from workbench.claims.registry import CLAIMS
from workbench.config.toml import override, parse_config, parse_toml, to_toml

F, F1, T1, J2 = (CLAIMS[f"LL20-{name}"] for name in ("F", "F1", "T1", "J2"))


class OtherRule:
    """Trains by `rule` whatever the claim asks for."""

    def __init__(self, lab, rule):
        self.lab, self.rule = lab, rule

    def train(self, config):
        name = config.name.replace("loss-based", self.rule)
        settings = [f"train.rule={self.rule}", f"name={name}"]
        values = override(parse_toml(to_toml(config), "config"), settings)
        return self.lab.train(parse_config(values, "broken"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Remembering(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def evidence(lab):
    """What each claim has seen, and the folder it names."""
    return {claim.id: claim.experiment(lab, "quick") for claim in (T1, J2, F, F1)}


def backwards(run):
    """Its records in the other order, as if everything had been unlearned."""
    series = Lazy(run.series, lambda name: run.series[name][::-1])
    return replace(run, log_risk=run.log_risk[::-1], theta=run.theta[::-1], series=series)


@pytest.mark.full
@pytest.mark.parametrize("claim", [T1, F1, F, J2], ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence, claim):
    seen, folder = evidence[claim.id]
    good = claim.measure(seen)
    verdict = "holds corrected" if claim.erratum else "holds"
    assert claim.verdict(claim.criterion(good)) == verdict, good
    assert folder is not None
    assert folder.is_dir()
    assert_every_check_can_fail_alone(claim, good)


# --- Table 1 --------------------------------------------------------------------------------------


def test_what_stops_early_or_unlearns_fails_table_1(lab, evidence):
    run = evidence["LL20-T1"][0]
    assert_fails(T1, T1.experiment(Short(lab, 0.7), "quick")[0], "log10")
    assert_fails(T1, backwards(run), "log10", "tenfold", "Table 1")
    wrong = Lazy(run.series, lambda name: run.series[name] * (0.99 if name == "accuracy" else 1.0))
    assert_fails(T1, replace(run, series=wrong), "accuracy")


@pytest.mark.full
def test_a_constant_rate_fails_table_1(lab):
    assert_fails(T1, T1.experiment(OtherRule(lab, "constant"), "quick")[0], "log10")


# --- Fig. 1 ---------------------------------------------------------------------------------------


def test_one_rule_under_two_names_fails_fig_1(lab):
    seen, _ = F1.experiment(OtherRule(lab, "constant"), "quick")
    assert_fails(F1, seen, "loss-based over constant, without", "loss-based over constant, with")


def test_margins_that_shrink_fail_fig_1(evidence):
    seen = evidence["LL20-F1"][0]
    shrinking = {
        biases: {rule: replace(g, margin=g.margin[::-1]) for rule, g in runs.items()}
        for biases, runs in seen.items()
    }
    assert_fails(F1, shrinking, "γ̄_m falls a step by, constant, with")


def test_the_margin_of_fig_1_is_the_recorded_one_without_later_biases(lab):
    run = lab.train(ll20_images.fig1_config("without biases", "constant", "quick"))
    assert np.allclose(ll20_images.growth(run).margin, run.series["margin_multi"], rtol=1e-10)


# --- Appendix F -----------------------------------------------------------------------------------


def test_flows_that_turn_back_or_miss_the_norm_fail_appendix_f(evidence):
    flows = evidence["LL20-F"][0]
    turned = [ll20_classes.Flow(replace(f.run, log_risk=f.run.log_risk[::-1])) for f in flows]
    assert_fails(F, turned, "γ~ falls", "−log10")
    other = [ll20_classes.Flow(replace(f.run, log_risk=f.run.log_risk + 6.0)) for f in flows]
    assert_fails(F, other, "log(N(C−1)/log 2)")
    other = [ll20_classes.Flow(replace(f.run, log_risk=1.2 * f.run.log_risk)) for f in flows]
    assert_fails(F, other, "γ~/γ̄")


def test_a_bent_direction_fails_appendix_f(evidence):
    flows = evidence["LL20-F"][0]
    bent = []
    for flow in flows:
        theta = flow.run.theta.copy()
        size = np.linalg.norm(theta, axis=1)
        theta[:, 0] += 0.3 * size * np.sin(np.arange(len(theta)))
        theta *= (size / np.linalg.norm(theta, axis=1))[:, None]
        bent.append(ll20_classes.Flow(replace(flow.run, theta=theta)))
    assert_fails(F, bent, "L‖Δθ^‖²")


# --- robustness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [ll20_robust.CNN, ll20_robust.EXACT])
def test_broken_evidence_fails_j2(evidence, network):
    seen = evidence["LL20-J2"][0]
    models = seen[network]

    def fails(broken, *says):
        assert_fails(J2, {**seen, network: broken}, *(f"{name}, {network}" for name in says))

    fails(models[::-1], ll20_robust.AREA, ll20_robust.WHOLE, ll20_robust.MARGIN)
    fails([replace(m, plain=1e3 * m.plain) for m in models], ll20_robust.BELOW)
    loose = [replace(m, found=replace(m.found, bound=30.0 * m.found.bound)) for m in models]
    fails(loose, ll20_robust.CERTIFIED)
    fails([replace(m, still_wrong=0.9) for m in models], ll20_robust.WRONG)
    fails([replace(models[0], margin=m.margin) for m in models], ll20_robust.WHOLE)
    half = np.arange(len(models[0].found.attack)) % 2
    gone = [replace(m, found=replace(m.found, attack=half * m.found.attack)) for m in models]
    fails(gone, ll20_robust.LEFT_OUT)


def test_distances_that_are_not_exact_fail_j2(evidence):
    seen = evidence["LL20-J2"][0]
    farther = [
        replace(m, found=replace(m.found, attack=1.01 * m.found.attack))
        for m in seen[ll20_robust.EXACT]
    ]
    assert_fails(J2, {**seen, ll20_robust.EXACT: farther}, ll20_robust.SHARE)


def test_the_figure_of_j2_is_there(evidence):
    from workbench.figures import draw_figure
    from workbench.record.reader import RunReader

    folder = evidence["LL20-J2"][1]
    with RunReader(folder) as reader:
        axes = draw_figure(reader, "robustness").axes[0]
    assert len(axes.get_lines()) == 2 * len(ll20_images.TENFOLD)
    assert ll20_robust.SMALL < 1.0
