"""Every claim by its id: those of `CLAIMS` in the modules of the papers' folders.

A module is all that a claim needs. Those that hold others' parts have no `CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules

from workbench.claims.claim import Claim
from workbench.errors import unknown

FIRST = {
    "kh24": (
        "theorems",
        "neurons",
        "flow",
        "ncf",
        "patterns",
        "saddle",
        "landscapes",
        "points",
        "balance",
        "forecast",
    ),
    "ll20": (),
    "jt20": ("directions", "deep_linear", "program", "surfaces"),
    "vss22": ("theorems",),
    "jt19": ("flow",),
    "beyond": (),
}
"""The papers' folders in the order of listings, and the modules that are listed first, a paper's figures
before its lemmas; the others follow by name."""


def found(folder: str, package: str = "workbench.claims") -> Iterator[Claim]:
    """The claims of a paper's folder, in the order of listings."""
    first = FIRST.get(folder, ())
    paper = import_module(f"{package}.{folder}")
    names = sorted({module.name for module in iter_modules(paper.__path__)} - set(first))
    for name in (*first, *names):
        yield from getattr(import_module(f"{package}.{folder}.{name}"), "CLAIMS", ())


CLAIMS: dict[str, Claim] = {claim.id: claim for folder in FIRST for claim in found(folder)}


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
        matching = [c.id for c in CLAIMS.values() if upper in (c.paper.upper(), c.id.upper())]
        if not matching:
            raise unknown("claim or paper", upper, [*papers, *CLAIMS])
        wanted.update(matching)
    return [claim for claim in CLAIMS.values() if claim.id in wanted]
