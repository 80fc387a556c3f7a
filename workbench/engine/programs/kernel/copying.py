"""Copies in compiled code, which has no `a[:] = b`: that would make room for what lies in both."""

from __future__ import annotations

from typing import Any

from workbench.engine.programs.kernel.compiled import part


@part
def copy(values: Any, into: Any) -> None:
    """Write numbers where as many others stand; neither lies in the other."""
    for p in range(into.size):
        into[p] = values[p]
