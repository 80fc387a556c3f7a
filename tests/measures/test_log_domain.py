"""Risk and margins in the log domain against 60-digit arithmetic."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from workbench.losses.registry import loss_of
from workbench.measures.margins import margin_smoothed, sample_margins

SCALES = [1e-3, 1.0, 30.0, 29.999, 1e3, 23_000.0]


def exact_log_risk(q, loss):
    with mp.workdps(60):
        terms = [mp.e ** (-mp.mpf(v)) for v in q]
        if loss != "exponential":
            terms = [mp.log1p(t) for t in terms]
        return mp.log(mp.fsum(terms))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("loss", ["exponential", "logistic"])
def test_log_risk_has_twelve_digits(loss, scale):
    rng = np.random.default_rng(1)
    q = scale * (1.0 + rng.random(7))
    found = loss_of(loss).log_risk(q[None], np.ones(7), "sum")[0]
    wanted = exact_log_risk(q, loss)
    assert abs(found - wanted) <= 1e-12 * max(1, abs(wanted))


@pytest.mark.parametrize("scale", SCALES)
def test_negative_margins_too(scale):
    q = -scale * np.array([0.1, 0.5, 1.0])
    for loss in ("logistic", "exponential"):
        wanted = exact_log_risk(q, loss)
        assert abs(loss_of(loss).log_risk(q[None], np.ones(3), "sum")[0] - wanted) <= 1e-12 * max(
            1, abs(wanted)
        )


@pytest.mark.parametrize("scale", SCALES)
def test_cross_entropy_has_twelve_digits(scale):
    rng = np.random.default_rng(2)
    outputs = scale * rng.standard_normal((5, 4))
    y = np.array([0.0, 1.0, 2.0, 3.0, 0.0])
    with mp.workdps(60):
        total = mp.mpf(0)
        for row, label in zip(outputs, y.astype(int), strict=True):
            others = [
                mp.e ** (mp.mpf(v) - mp.mpf(row[label])) for j, v in enumerate(row) if j != label
            ]
            total += mp.log1p(mp.fsum(others))
        wanted = mp.log(total)
    found = loss_of("cross-entropy").log_risk(outputs[None], y, "sum")[0]
    assert abs(found - wanted) <= 1e-12 * max(1, abs(wanted))


@pytest.mark.parametrize("value", [-10_000.0, -500.0, -20.1, -19.9, -1.0, 0.0, 3.0, 600.0])
def test_smoothed_margin_inverts_the_loss(value):
    found = margin_smoothed(np.array([value]), np.ones(1), 2.0, loss_of("logistic"))[0]
    with mp.workdps(400):
        wanted = (
            -mp.log(mp.expm1(mp.e ** mp.mpf(value))) if value < 500 else -(mp.e ** mp.mpf(value))
        )
    assert abs(found - wanted) <= 1e-12 * max(1, abs(wanted))


def test_margin_of_classes_is_the_gap_to_the_best_other():
    outputs = np.array([[[1.0, 4.0, 2.0], [0.0, -1.0, -3.0]]])
    assert sample_margins(outputs, np.array([1.0, 2.0])).tolist() == [[2.0, -3.0]]
