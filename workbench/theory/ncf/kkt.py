"""One door to the KKT points of a constrained NCF: closed form, circle, cells or multistart, by dimension."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workbench.theory.ncf.kkt_cells import CAP, kkt_cells
from workbench.theory.ncf.kkt_circle import kkt_circle
from workbench.theory.ncf.kkt_multistart import kkt_multistart
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.result import KktSet
from workbench.theory.ncf.scalar_neuron import kkt_scalar


def kkt_points(
    ncf: Ncf,
    *,
    cap: int = CAP,
    starts: int = 4096,
    seed: int = 0,
    cancel: Callable[[], bool] | None = None,
) -> KktSet:
    """KKT points of max N_{z,H}(w), ‖w‖ = 1 (KH24 §5).

    d = 1 (two-layer ReLU) and d = 2: exact, any n. Otherwise exact by cells while these are at most
    `cap`, else from `starts` seeded ascents; `method`, `complete` and `reason` of the result say
    which. What cells could not decide in full is still handed back where it holds a point. A neuron
    with the fixed output sign −1 is asked about with −z.

    `cancel` is polled between blocks of work; once it returns True the result comes back with
    a cancelled outcome.

    Raises:
        ValueError: the data, the leak or `starts` is unusable.
    """
    if ncf.in_closed_form:
        return kkt_scalar(ncf)
    if ncf.dimension == 2:
        return kkt_circle(ncf)
    found = kkt_cells(ncf, cap=cap, cancel=cancel)
    if found.points or found.complete or found.outcome.cancelled:
        return found
    tried = kkt_multistart(ncf, starts=starts, seed=seed, cancel=cancel)
    return replace(tried, reason=f"{tried.reason} ({found.reason})")
