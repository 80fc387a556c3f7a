"""What one may run until."""

from __future__ import annotations

import pytest

from workbench.errors import BadInput
from workbench.protocol.commands import RunUntil
from workbench.tui.until import parse_until


@pytest.mark.parametrize("text", ["saddle", "next saddle", "SADDLE "])
def test_one_may_run_until_the_next_saddle(text):
    assert parse_until(text) == RunUntil(next_saddle=True)


def test_what_one_may_run_until_is_named():
    with pytest.raises(BadInput, match="nor 'saddle'"):
        parse_until("sadle")
