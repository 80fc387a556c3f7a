"""Every claim by its id."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.claims import (
    jt19_descent,
    jt19_figures,
    jt19_flow,
    jt20_deep_linear,
    jt20_directions,
    jt20_margins,
    jt20_program,
    jt20_surfaces,
    kh24,
    kh24_balance,
    kh24_flow,
    kh24_forecast,
    kh24_landscapes,
    kh24_ncf,
    kh24_neurons,
    kh24_patterns,
    kh24_points,
    kh24_saddle,
    ll20_classes,
    ll20_descent,
    ll20_flow,
    ll20_hat,
    ll20_images,
    ll20_kkt,
    ll20_log_domain,
    ll20_logistic,
    ll20_robust,
    vss22,
    vss22_layers,
    vss22_skip,
)
from workbench.claims.claim import Claim
from workbench.errors import unknown

_MODULES = (
    kh24,
    kh24_neurons,
    kh24_flow,
    kh24_ncf,
    kh24_patterns,
    kh24_saddle,
    kh24_landscapes,
    kh24_points,
    kh24_balance,
    kh24_forecast,
    ll20_classes,
    ll20_descent,
    ll20_flow,
    ll20_hat,
    ll20_images,
    ll20_kkt,
    ll20_log_domain,
    ll20_logistic,
    ll20_robust,
    jt20_directions,
    jt20_deep_linear,
    jt20_program,
    jt20_surfaces,
    jt20_margins,
    vss22,
    vss22_layers,
    vss22_skip,
    jt19_flow,
    jt19_descent,
    jt19_figures,
)
CLAIMS: dict[str, Claim] = {claim.id: claim for module in _MODULES for claim in module.CLAIMS}


def select(names: Sequence[str]) -> list[Claim]:
    """The claims of the given papers and ids, each once, in the registry's order; all for none.

    Raises:
        BadInput: a name that is neither a paper nor an id, with the nearest known one.
    """
    if not names:
        return list(CLAIMS.values())
    papers = {claim.paper for claim in CLAIMS.values()}
    wanted = set()
    for name in names:
        upper = name.upper()
        found = [c.id for c in CLAIMS.values() if upper in (c.paper.upper(), c.id.upper())]
        if not found:
            raise unknown("claim or paper", upper, [*papers, *CLAIMS])
        wanted.update(found)
    return [claim for claim in CLAIMS.values() if claim.id in wanted]
