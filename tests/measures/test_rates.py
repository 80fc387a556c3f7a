"""Local slopes against LL20 Theorem 4.3: on its own law, on the flow of one sample, where nothing applies."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from workbench.losses.registry import loss_of
from workbench.measures.rates import WINDOWS, rates


def law(order, gamma=0.3, count=500):
    """Records that obey 𝓛 = 1/(T (log T)^{2−2/L}) and γ~ = gamma to the letter."""
    s = np.geomspace(2.0, 2000.0, count)
    f = -s - (2.0 - 2.0 / order) * np.log(s)
    return s, f, (-f / gamma) ** (1.0 / order)


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, 4.0])
def test_the_law_itself_has_the_theorems_slopes(order):
    s, f, rho = law(order)
    found = rates(s, f, rho, order, loss_of("exponential"))
    assert len(found) == WINDOWS
    assert np.allclose(found.risk, found.risk_theory, rtol=1e-10)
    assert np.allclose(found.exponent, 2.0 - 2.0 / order, atol=1e-8)
    assert np.allclose(found.norm, found.norm_theory, rtol=1e-8)
    assert found.power[-1] == pytest.approx(1.0 / order, rel=0.01)
    assert np.all(np.diff(found.log_time) > 0)


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0])
def test_a_cubed_margin_has_the_slopes_of_theorem_a_10(order):
    """𝓛 = g(log T)^{2/L}/(T (log T)²) with g(x) = x^{1/3}, and γ~ = 0.3."""
    s = np.geomspace(2.0, 2000.0, 500)
    f = -s - 2.0 * np.log(s) + 2.0 / (3.0 * order) * np.log(s)
    rho = (np.cbrt(-f) / 0.3) ** (1.0 / order)
    found = rates(s, f, rho, order, loss_of("exponential-cubed"))
    assert np.allclose(found.risk, found.risk_theory, rtol=1e-10)
    assert np.allclose(found.exponent, 2.0 - 2.0 / (3.0 * order), atol=1e-8)
    assert np.allclose(found.norm, found.norm_theory, rtol=1e-8)
    assert found.power[-1] == pytest.approx(1.0 / (3.0 * order), rel=0.01)


def log_time_of(height, order):
    """log t at which one sample's flow has −log 𝓛 = height: dF/dt = e^{−F} F^{2−2/L}, in 30 digits."""
    with mp.workdps(30):
        power = 2 - 2 / mp.mpf(order)
        # The last e-folds, the rest is below rounding.
        low = max(mp.mpf(1), mp.mpf(height) - 80)
        whole = mp.quad(lambda f: mp.e ** (f - height) * f**-power, [low, height])
        return float(mp.log(whole) + height)


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, 4.0])
def test_one_samples_flow_tends_to_the_theorems_slopes(order):
    heights = np.geomspace(5.0, 20_000.0, 60)
    s = np.array([log_time_of(h, order) for h in heights])
    found = rates(s, -heights, heights ** (1.0 / order), order, loss_of("exponential"))
    off = np.abs(found.exponent - found.exponent_theory)
    assert off[-1] < 3e-3
    assert off[-1] <= off[len(off) // 2]
    assert found.power[-1] == pytest.approx(1.0 / order, rel=2e-3)
    assert found.norm[-1] == pytest.approx(found.norm_theory[-1], rel=1e-4)


def test_a_wrong_order_shows():
    s, f, rho = law(3.0)
    found = rates(s, f, rho, 2.0, loss_of("exponential"))
    assert np.all(np.abs(found.exponent - found.exponent_theory) > 0.3)


def test_records_before_the_separation_and_before_log_time_one_do_not_count():
    s, f, rho = law(2.0)
    early = np.array([-np.inf, -3.0, 0.5, 1.2])
    s = np.concatenate([early, s])
    f = np.concatenate([[3.0, 1.0, -0.5, 0.1], f])
    rho = np.concatenate([[0.0, 1.0, 1.0, 1.0], rho])
    found = rates(s, f, rho, 2.0, loss_of("exponential"), windows=10)
    assert len(found) == 10
    assert found.log_time[0] > 2.0
    assert np.allclose(found.exponent, 1.0, atol=1e-8)


def test_nothing_where_the_theorem_says_nothing():
    s, f, rho = law(2.0)
    assert len(rates(s, f, rho, None, loss_of("exponential"))) == 0
    assert len(rates(s, f, rho, 2.0, loss_of("square"))) == 0
    assert len(rates(s, -f, rho, 2.0, loss_of("exponential"))) == 0
    assert len(rates(s[:1], f[:1], rho[:1], 2.0, loss_of("exponential"))) == 0
    assert len(rates(s[:0], f[:0], rho[:0], 2.0, loss_of("logistic"))) == 0
    with np.errstate(invalid="ignore"):
        assert len(rates(np.full(5, 3.0), f[:5], rho[:5], 2.0, loss_of("exponential"))) == 0


def test_norms_beyond_a_float_are_not_a_number():
    s, f, rho = law(2.0)
    found = rates(s, f, rho * 1e200, 2.0, loss_of("exponential"))
    assert np.isnan(found.norm).all()
    assert np.isfinite(found.risk).all()
    assert np.isfinite(found.power).all()
