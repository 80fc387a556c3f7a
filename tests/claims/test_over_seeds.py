"""Claims over many starts: they hold, and fail on members of other dynamics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.judging import assert_every_check_can_fail_alone, assert_fails
from workbench.claims.beyond import escape as order_3
from workbench.claims.beyond.blow_up import blow_up_times
from workbench.claims.escape_times import EscapeTimes, escape_step, times_of
from workbench.claims.jt20 import seeds as jt20
from workbench.claims.kh24 import basins as kh24_basins
from workbench.claims.kh24 import escape as order_2
from workbench.claims.over_seeds import over_seeds
from workbench.claims.registry import CLAIMS
from workbench.claims.sessions import SessionLab
from workbench.claims.vss22 import random_starts as vss22
from workbench.config.study import parse_study
from workbench.data.load import load_dataset
from workbench.presets import load_config
from workbench.study.source import load_study

ESCAPE, ESCAPE_3, BASINS = (CLAIMS[f"KH24{name}"] for name in ("-ESCAPE", "b-ESCAPE", "-BASINS"))
STARTS, SEEDS = CLAIMS["VSS22-STARTS"], CLAIMS["JT20-SEEDS"]
SOME = "45,48,51,40,99,101,107"
"""Two global optima, a local one, three of none, of which two start as in Theorem 3.2, and none at all."""


class Kept:
    """A lab that keeps the members it trained, and changes what it is asked to train or hands back."""

    def __init__(self, lab):
        self.lab, self.members, self.table, self.bend = lab, None, {}, None

    def study(self, study):
        if self.table:
            study = parse_study({**study.table, **self.table, **_choices(study)}, "broken")
        self.members = self.lab.study(study)
        return [self.bend(m) for m in self.members] if self.bend else self.members

    def broken(self, table=None, bend=None):
        other = Kept(self.lab)
        other.table, other.bend = table or {}, bend
        return other


def _choices(study):
    return {"grid": study.grid, "zip": study.zip, "study": study.study.model_dump()}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Kept(SessionLab(tmp_path_factory.mktemp("starts")))


@pytest.fixture(scope="module")
def evidence_of(lab):
    """The evidence of a claim and its members, made once."""
    made = {}

    def evidence(claim):
        if claim.id not in made:
            made[claim.id] = (claim.experiment(lab, "quick")[0], lab.members)
        return made[claim.id]

    return evidence


HOLD = [
    ESCAPE,
    BASINS,
    *(pytest.param(claim, marks=pytest.mark.full) for claim in (ESCAPE_3, STARTS, SEEDS)),
]


@pytest.mark.parametrize("claim", HOLD, ids=lambda c: c.id)
def test_holds_and_every_check_can_fail(evidence_of, claim):
    good = claim.measure(evidence_of(claim)[0])
    assert [check for check in claim.criterion(good) if not check.holds] == []
    assert_every_check_can_fail_alone(claim, good)


# --- escape times ---------------------------------------------------------------------------------


def test_an_escape_step_is_read_between_records():
    step = np.arange(0.0, 200.0, 10.0)
    for order, fall in ((2.0, 1e-6 * np.exp(0.2 * step)), (3.0, (30.0 - 0.2 * step) ** -3.0)):
        log_risk = 1.3 + np.log1p(-np.minimum(fall, 0.9))
        if order == 2.0:
            exact = np.log(0.01 / 1e-6) / 0.2
            assert escape_step(step, log_risk, order) == pytest.approx(exact, abs=1e-2)
        else:
            exact = (30.0 - 0.01 ** (-1.0 / 3.0)) / 0.2
            fall = fall - fall[0]
            found = escape_step(step, 1.3 + np.log1p(-np.minimum(fall, 0.9)), order)
            assert found == pytest.approx(exact, abs=0.1)
    assert np.isnan(escape_step(step, np.zeros(len(step)), 2.0))


def test_seeds_intervals_hold_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    found = [over_seeds(3.0 + rng.standard_normal(5)) for _ in range(4_000)]
    assert np.mean([i.low <= 3.0 <= i.high for i in found]) == pytest.approx(0.95, abs=0.01)
    assert np.isnan(over_seeds(np.array([1.0])).low)


def test_other_laws_of_the_time_fail(evidence_of):
    law, _ = evidence_of(ESCAPE)
    times = law.times
    power = replace(times, steps=times.steps[:, :1] * (times.scale[0] / times.scale))
    assert_fails(ESCAPE, replace(law, times=power), "interval to", "smallest scales")
    still = replace(times, steps=np.repeat(times.steps[:, :1], len(times.scale), axis=1))
    assert_fails(ESCAPE, replace(law, times=still), "interval from")
    assert_fails(ESCAPE, replace(law, times=replace(times, steps=np.nan * times.steps)), "never")


def test_other_laws_fail_for_order_3():
    scale, blow_up = np.array([3e-2, 1e-2, 3e-3]), np.linspace(50.0, 90.0, 6)
    steps = blow_up[:, None] / scale - 80.0
    cubic = order_3.Law(EscapeTimes(scale, tuple(range(6)), steps), blow_up, 130_000.0)
    good = ESCAPE_3.measure(cubic)
    assert ESCAPE_3.verdict(ESCAPE_3.criterion(good)) == "holds"
    assert_every_check_can_fail_alone(ESCAPE_3, good)
    slow = replace(cubic.times, steps=1e3 * cubic.times.log_inverse * np.ones((6, 1)))
    assert_fails(ESCAPE_3, replace(cubic, times=slow), "interval from", "off the NCF's")
    square = replace(cubic.times, steps=cubic.times.steps / cubic.times.scale)
    assert_fails(ESCAPE_3, replace(cubic, times=square), "slope of ln time")
    assert_fails(ESCAPE_3, replace(cubic, blow_up=2.0 * cubic.blow_up), "time δ over the NCF's")
    assert_fails(ESCAPE_3, replace(cubic, blow_up=np.inf * cubic.blow_up), "starts that stay")


def test_half_of_the_labels_fail_the_slope(lab):
    half = lab.broken({"data": {"kind": "kh24-circle", "n": 25}})
    assert_fails(ESCAPE, ESCAPE.experiment(half, "quick")[0], "interval to")


def test_times_are_by_seed_and_falling_scale(evidence_of):
    law, members = evidence_of(ESCAPE)
    again = times_of(members[::-1], 2.0)
    assert again.seed == law.times.seed[::-1]
    assert (np.diff(again.scale) < 0).all()
    assert np.array_equal(again.steps, law.times.steps[::-1])


def test_the_flow_of_an_ncf_blows_up_when_it_must():
    # N = a w³/3 in one dimension: w' = a w², infinite at 1/(a w_0), or to 0 from w_0 < 0.
    start = np.array([[0.5], [2.0], [-1.0]])
    found = blow_up_times(lambda u: 3.0 * u**2 * np.array([1.0]), start, 3.0)
    assert np.allclose(found[:2], [1.0 / 1.5, 1.0 / 6.0], rtol=1e-3)
    assert np.isinf(found[2])
    # N = x y z: from its KKT point w' = w²/3^(1/2)·…, ‖u‖' = L N(û)‖u‖² with N(û) = 3^(−3/2).
    u = np.array([[1.0, 1.0, 1.0], [0.2, 1.0, 0.7]])
    product = blow_up_times(lambda u: u[:, [1, 0, 0]] * u[:, [2, 2, 1]], u, 3.0)
    assert product[0] == pytest.approx(1.0, rel=1e-3)
    assert product[1] == pytest.approx(_slow_blow_up(u[1]), rel=1e-2)


def _slow_blow_up(u):
    """Tiny steps of u̇ = ∇(xyz) until it is huge."""
    time = 0.0
    while u.max() < 1e3:
        step = 1e-3 / u.max()
        middle = u + 0.5 * step * u[[1, 0, 0]] * u[[2, 2, 1]]
        u = u + step * middle[[1, 0, 0]] * middle[[2, 2, 1]]
        time += step
    return time


def test_blow_up_steps_are_those_of_tiny_descent():
    config = load_config_of("escape-time-order-3")
    assert order_3.blow_up_steps(config, (0, 1))[0] == pytest.approx(54.8, abs=0.5)
    assert order_2.steps_an_e_fold(load_config("kh24-fig1")) == pytest.approx(
        1.0 / np.log1p(2.0 * 5e-5 * 46.875 / 50.0), rel=1e-12
    )


def load_config_of(name):
    """The base of a study."""
    return load_study(name).base


# --- basins ---------------------------------------------------------------------------------------


def test_neurons_that_go_elsewhere_fail_the_basins(lab, evidence_of):
    found, members = evidence_of(BASINS)

    def mirrored(member):
        angle = member.series["neuron_angle"].copy()
        angle[-1] = np.pi - angle[-1]
        return replace(member, series={**member.series, "neuron_angle": angle})

    config = load_config_of("kh24-basins")
    wrong = kh24_basins.arrivals(config, [mirrored(member) for member in members])
    assert_fails(BASINS, wrong, "elsewhere")
    rolled = replace(found, start=np.roll(found.start, 1))
    assert_fails(BASINS, rolled, "elsewhere")
    assert_fails(BASINS, replace(found, end=found.start), "elsewhere", "outside")
    everyone = replace(found, end=np.zeros_like(found.end))
    assert_fails(BASINS, everyone, "outside")
    late = lab.broken({"train": {"lr": 5e-5, "steps": 7000}})
    assert_fails(BASINS, BASINS.experiment(late, "quick")[0], "risk changes")


def test_equal_shares_are_told_from_the_basins_by_twenty_thousand_neurons():
    """The intervals that the full size has leave out one half."""
    shares = kh24_basins.shares
    config = load_config_of("kh24-basins")
    data = load_dataset(config.data)
    ncf = kh24_basins.PlaneNcf.of(data.x, data.y, 1.0)
    rng = np.random.default_rng(0)
    start = rng.uniform(-np.pi, np.pi, 20_000)
    right = kh24_basins.Arrivals(ncf, start, ncf.targets(start), 0.0)
    assert BASINS.verdict(BASINS.criterion(BASINS.measure(right))) == "holds"
    half = replace(right, end=np.where(np.cos(start) > 0, 0.0, np.pi))
    assert_fails(BASINS, half, "outside", "elsewhere")
    assert sum(share.count for share in shares(half)) == 20_000


# --- random starts --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Members from some seeds, of which each kind of end is one, and two starts as in Theorem 3.2."""
    study = load_study(
        "vss22-random-starts", ["model.width=2", f"init.seed={SOME}"], settings=["device.kind=cpu"]
    )
    return SessionLab(tmp_path_factory.mktemp("few")).study(study)


@pytest.mark.full
def test_wrong_verdicts_fail_vss22(few):
    found = vss22.ends(few)
    assert STARTS.verdict(STARTS.criterion(STARTS.measure(found))) == "holds"

    def called(word, to, only=lambda end: True):
        return [
            replace(end, verdict=replace(end.verdict, verdict=to))
            if end.called == word and only(end)
            else end
            for end in found
        ]

    assert_fails(STARTS, called("not local", "local"), "as in Theorem 3.2 that end otherwise")
    assert_fails(STARTS, called("local", "not local"), "without a kink that are called")
    assert_fails(STARTS, called("local", "global"), "global optima off")
    assert_fails(STARTS, called("global", "local"), "least over those")
    assert_fails(STARTS, called("global", "undecided"), "left open")
    assert_fails(STARTS, [end for end in found if not end.as_theorem_3_2], "starts as in Theorem")
    longer = [
        replace(end, verdict=replace(end.verdict, norm2=0.9 * end.verdict.norm2))
        if end.called == "not local"
        else end
        for end in found
    ]
    assert_fails(STARTS, longer, "over the limit's")


def test_members_that_separate_nothing_fail_vss22(few):
    lost = [replace(member, theta=-np.abs(member.theta)) for member in few]
    assert_fails(STARTS, vss22.ends(lost), "as in Theorem 3.2 that end")


def test_the_conditions_of_theorem_3_2_are_as_likely_as_said():
    x = np.array([[1.0, 0.25], [-1.0, 0.25]])
    rng = np.random.default_rng(1)
    u, v = rng.standard_normal((200_000, 2, 2)), rng.standard_normal((200_000, 2))
    heights = u @ x.T
    on, off = (heights > 0).all(-1), (heights < 0).all(-1)
    counted = np.mean((on & off[:, ::-1] & (v > 0)).any(axis=1))
    assert vss22.probability_of_theorem_3_2(x) == pytest.approx(counted, rel=0.1)
    assert vss22.globally_least(x) == pytest.approx(4.0 / np.sqrt(17.0 / 16.0))


# --- JT20 -----------------------------------------------------------------------------------------


def test_paths_and_margins_of_other_flows_fail_jt20():
    depth = np.geomspace(1.0, 7000.0, 200)
    margin, path = 0.19 * (1.0 - 0.5 / depth), 1.5 - 0.4 / np.sqrt(depth)
    late = [jt20.Late(12, depth, margin, path, 0.19) for _ in range(3)]
    found = jt20.Seeds(late, {12: 1}, 0.191)
    good = SEEDS.measure(found)
    assert SEEDS.verdict(SEEDS.criterion(good)) == "holds"
    assert good.observed["12 neurons: that separate"] == 3.0
    assert_every_check_can_fail_alone(SEEDS, good)
    straight = [replace(one, path=one.depth) for one in late]
    assert_fails(SEEDS, replace(found, late=straight), "path's growth")
    falling = [replace(one, margin=0.19 * (0.9 - 1e-5 * one.depth)) for one in late]
    assert_fails(SEEDS, replace(found, late=falling), "own program's value")
    assert_fails(SEEDS, replace(found, highest=0.9 * found.highest), "greatest of any width")
    assert_fails(SEEDS, replace(found, late=[]), "greatest of any width")


@pytest.mark.full
def test_flows_that_stop_early_are_no_late_ones(evidence_of):
    _, members = evidence_of(SEEDS)
    stopped = [replace(m, series={n: s[:3] for n, s in m.series.items()}) for m in members]
    none = jt20.seeds_of(stopped)
    assert (len(none.late), none.others) == (0, {12: 4})


def test_the_greatest_margin_is_that_of_cover():
    """In the plane, against a fine grid of directions."""
    from workbench.claims.jt20.cover import greatest_margin as of_a_grid

    rng = np.random.default_rng(3)
    x = rng.standard_normal((9, 2))
    x /= 1.01 * np.linalg.norm(x, axis=1).max()
    y = np.where(x @ [1.0, 0.3] > 0, 1.0, -1.0)
    exact = jt20.greatest_margin(x, y)
    assert exact == pytest.approx(of_a_grid(x, y), abs=1e-4)
    assert exact <= of_a_grid(x, y) + 1e-9
