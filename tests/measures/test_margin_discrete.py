"""γ^ of LL20 E.2 against its definition on a fine grid."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.measures.margin_discrete import DiscreteMargin, largest_rate

FAR = 60.0


def correction(heights, order, start):
    """∫_0^x (φ' + 1/(w log 1/w)) dw over ℓ = log 1/w as printed, κ in both of its pieces: the running
    largest r on a grid up to 60, and from there the tail of the paper's (19)."""
    grid = np.geomspace(start, FAR, 2_000_001)
    power = 2.0 - 2.0 / order
    low = -grid + power * np.log(grid)
    kappa = np.where(
        grid >= power, low, power * (np.log(max(power, 1e-300)) - 1.0) if power else 0.0
    )
    grows = np.exp(-grid - kappa) * grid ** (1.0 - 2.0 / order) / order
    log_r = np.log(1.0 + (1.0 + grows) * start / grid) + grid - np.log(grid)
    integrand = 1.0 / grid - np.exp(np.maximum.accumulate(log_r) - grid)
    pieces = 0.5 * (integrand[1:] + integrand[:-1]) * np.diff(grid)
    after = np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])
    tail = -start * (1.0 / FAR + 0.5 / (order * FAR**2))
    return np.interp(heights, grid, after) + tail


@pytest.mark.parametrize(("order", "start"), [(2.0, 1.0), (2.0, 4.0), (3.0, 1.5), (1.0, 0.5)])
def test_the_closed_form_is_the_definition(order, start):
    found = DiscreteMargin(order, start)
    heights = np.array([start, start + 0.3, start + 2.0, 30.0])
    assert found.correction(heights) == pytest.approx(
        correction(heights, order, start), rel=1e-9, abs=1e-9
    )
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
