"""What `workbench doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `advice` says what to do where it is not ok."""

    name: str
    level: Level
    found: str
    advice: str = ""
