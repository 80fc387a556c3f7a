"""docs/audit.md says of every claim of a paper it has a section of where it stands, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.claims.registry import CLAIMS

TEXT = (Path(__file__).parent.parent / "docs" / "audit.md").read_text(encoding="utf-8")
SECTIONS = {
    part.split("\n", 1)[0].strip(): part.split("\n", 1)[1] for part in TEXT.split("\n## ")[1:]
}
CLAIM = re.compile(r"`([A-Z]+\d\db?-[A-Za-z0-9.-]+)`")


def rows(section):
    """(item, what runs it, what came of it) of every row."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == 3 for row in cells)
    return cells[1:]


def test_every_claim_that_is_named_exists():
    assert set(CLAIM.findall(TEXT)) <= CLAIMS.keys()


@pytest.mark.parametrize("paper", SECTIONS)
def test_every_claim_of_the_paper_is_named_in_its_section(paper):
    named = set(CLAIM.findall(SECTIONS[paper]))
    assert {claim.id for claim in CLAIMS.values() if claim.paper == paper} <= named


@pytest.mark.parametrize("paper", SECTIONS)
def test_every_item_has_what_came_of_it(paper):
    """And what is corrected is called so, and nothing else is."""
    for item, runs, outcome in rows(SECTIONS[paper]):
        assert outcome, item
        claims = [CLAIMS[name] for name in CLAIM.findall(runs)]
        if not claims and "`" not in runs:
            assert "not numeric" in outcome, item
        assert any(claim.erratum for claim in claims) == ("corrected" in outcome), item
