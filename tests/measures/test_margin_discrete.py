"""γ^ of LL20 E.2 against its definition by quadrature in 30 digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from workbench.measures.margin_discrete import DiscreteMargin, largest_rate


def slope(w, order, start):
    """r(w) as printed, with κ in both of its pieces."""
    power = 2 - 2 / mp.mpf(order)
    height = mp.log(1 / w)
    kappa = w * height**power if height >= power else mp.e ** (power * (mp.log(power) - 1))
    grows = w * height ** (1 - 2 / mp.mpf(order)) / (order * kappa)
    return (1 + 2 * (1 + grows) * start / (2 * height)) / (w * height)


def correction(height, order, start):
    """∫_0^x (φ' + 1/(w log 1/w)) dw in ℓ = log 1/w, the sup over a grid of [x, 𝓛(t_0)]."""

    def steepest(at):
        grid = [start + (at - start) * mp.mpf(k) / 200 for k in range(201)]
        return max(slope(mp.e**-v, order, start) for v in grid)

    def integrand(at):
        return 1 / at - mp.e**-at * steepest(at)

    # Beyond 60 the tail −ℓ_0(1/ℓ + 1/(2Lℓ²)) of the paper's (19).
    points = [height, *[p for p in (2, 3, 4, 6, 10, 20) if p > height], 60]
    return mp.quad(integrand, points, maxdegree=5) - start * (mp.mpf(1) / 60 + 1 / (2 * order * mp.mpf(3600)))


@pytest.mark.parametrize(("order", "start"), [(2, 1.0), (2, 4.0), (3, 1.5), (1, 0.5)])
def test_the_closed_form_is_the_definition(order, start):
    found = DiscreteMargin(float(order), start)
    heights = np.array([start, start + 0.3, start + 2.0, 30.0])
    with mp.workdps(20):
        wanted = [float(correction(mp.mpf(h), order, mp.mpf(start))) for h in heights]
    assert found.correction(heights) == pytest.approx(wanted, abs=2e-4)
    assert found.correction(np.array([1e4])) == pytest.approx(
        -start * (1e-4 + 0.5e-8 / order), rel=1e-9
    )


def test_it_lies_below_the_smoothed_margin_and_nears_it():
    found = DiscreteMargin(2.0, 1.2)
    log_risk, rho = -np.geomspace(1.2, 1e5, 40), np.full(40, 7.0)
    ratio = found.margin(log_risk, rho) / (-log_risk / rho**2)
    assert np.all(ratio < 1.0)
    assert np.all(np.diff(ratio) > 0)
    assert 1.0 - ratio[-1] < 2.0 * 1.2 / 1e5
    assert np.isnan(found.margin(np.array([-1.0]), np.array([7.0]))).all()


def test_the_largest_rate_is_the_formula():
    found = DiscreteMargin(2.0, 2.0)
    start = float(found.margin(np.array([-2.0]), np.array([3.0]))[0])
    constant = 0.5 * (0.5**2 + 0.7 / 9.0) * start**-2 * 0.25
    x = np.exp(-5.0)
    rate = largest_rate(np.array([-5.0]), found, 3.0, (0.25, 0.5, 0.7))
    assert np.exp(rate[0]) == pytest.approx((2.0 / 10.0) / (constant * x * 5.0), rel=1e-12)


def test_times_before_its_form_are_refused():
    with pytest.raises(ValueError, match="take a later t_0"):
        DiscreteMargin(3.0, 1.0)
    with pytest.raises(ValueError, match="order must be at least 1"):
        DiscreteMargin(0.5, 1.0)
