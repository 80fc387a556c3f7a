"""A step rule of a user's own: one choice raises, one kills its process, the others take their time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch

RAISES, KILLS = 3, 5
AT = 6
"""The step at which they do."""


class Mortal:
    """Gradient descent; every move is noted, with who made it, in a file named for its fate."""

    def __init__(self, notes: str, fate: int = 0, pause: float = 0.0) -> None:
        self.fate, self.pause = fate, pause
        self.notes = Path(notes) / str(fate)

    def move(self, at: Any, memory: Any) -> tuple[Any, float]:
        step = int(memory.get("count", torch.tensor(0)))
        with self.notes.open("a") as notes:
            notes.write(f"{step} {os.getpid()}\n")
        if step == AT and self.fate == RAISES:
            raise ValueError("this one is to raise")
        if step == AT and self.fate == KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.pause)
        memory["count"] = torch.tensor(step + 1)
        return -at.risk_gradient, 1e-3 * (1 + self.fate)


def moves(notes: Path, fate: int) -> list[tuple[int, int]]:
    """Step and process of every move of one fate, in their order."""
    path = notes / str(fate)
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(step), int(pid)) for step, pid in (line.split() for line in lines)]
