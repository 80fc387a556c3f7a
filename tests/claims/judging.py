"""What every claim's tests do: each check fails alone, on NaN and on a wrong number."""

from __future__ import annotations

import numpy as np

from workbench.claims.claim import Measured


def failing(claim, measured):
    """Names of the checks that do not hold."""
    return [check.quantity for check in claim.criterion(measured) if not check.holds]


def assert_every_check_can_fail_alone(claim, good):
    """From measured numbers that hold, change one at a time."""
    assert failing(claim, good) == []
    checks = claim.criterion(good)
    assert {check.quantity for check in checks} == set(good.quantities)
    for name in good.quantities:
        found = []
        for bad in (float("nan"), 1e9, -1e9):
            one = failing(claim, Measured({**good.quantities, name: bad}))
            assert one in ([], [name]), (name, bad)
            if np.isnan(bad):
                assert one == [name], name
            found += one
        assert len(found) >= 2, f"{name} fails on NaN only"


def assert_fails(claim, evidence, *quantities):
    """The verdict is `fails`, and these checks are among those that say so."""
    with np.errstate(all="ignore"):
        measured = claim.measure(evidence)
    names = failing(claim, measured)
    assert claim.verdict(claim.criterion(measured)) == "fails"
    for quantity in quantities:
        assert any(quantity in name for name in names), (quantity, names)
