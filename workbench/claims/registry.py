"""Every claim by its id."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.claims.claim import Claim
from workbench.claims.jt19 import descent as jt19_descent
from workbench.claims.jt19 import figures as jt19_figures
from workbench.claims.jt19 import flow as jt19_flow
from workbench.claims.jt20 import deep_linear as jt20_deep_linear
from workbench.claims.jt20 import directions as jt20_directions
from workbench.claims.jt20 import margins as jt20_margins
from workbench.claims.jt20 import program as jt20_program
from workbench.claims.jt20 import surfaces as jt20_surfaces
from workbench.claims.kh24 import balance as kh24_balance
from workbench.claims.kh24 import flow as kh24_flow
from workbench.claims.kh24 import forecast as kh24_forecast
from workbench.claims.kh24 import landscapes as kh24_landscapes
from workbench.claims.kh24 import ncf as kh24_ncf
from workbench.claims.kh24 import neurons as kh24_neurons
from workbench.claims.kh24 import patterns as kh24_patterns
from workbench.claims.kh24 import points as kh24_points
from workbench.claims.kh24 import saddle as kh24_saddle
from workbench.claims.kh24 import theorems as kh24
from workbench.claims.ll20 import classes as ll20_classes
from workbench.claims.ll20 import descent as ll20_descent
from workbench.claims.ll20 import flow as ll20_flow
from workbench.claims.ll20 import hat as ll20_hat
from workbench.claims.ll20 import images as ll20_images
from workbench.claims.ll20 import kkt as ll20_kkt
from workbench.claims.ll20 import log_domain as ll20_log_domain
from workbench.claims.ll20 import logistic as ll20_logistic
from workbench.claims.ll20 import robust as ll20_robust
from workbench.claims.vss22 import layers as vss22_layers
from workbench.claims.vss22 import skip as vss22_skip
from workbench.claims.vss22 import theorems as vss22
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
