"""The first minutes: over a person's first runs, a line at a time says what to press next.

How far somebody is lies in `~/.local/state/workbench/tour` (or below `$XDG_STATE_HOME`), a number; without
such a file the tour begins. It never waits: whoever presses something else is left alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

STEPS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"pause"}),
        "A network learns: at the left its risk falls, at the right its neurons turn. space pauses it.",
    ),
    (
        frozenset({"inspect"}),
        "It waits. i looks inside: a saddle? where do its neurons head, who leaves when? esc comes back.",
    ),
    (
        frozenset({"cursor", "cursor_end"}),
        "← and → move a cursor through what has been, and every number follows; esc puts it away.",
    ),
    (
        frozenset({"next_chart", "zoom", "scale", "scale_y"}),
        "tab chooses a chart, z shows it alone or all again; + and - zoom along the steps, 0 shows all.",
    ),
    (
        frozenset({"pause", "until", "step", "step_n"}),
        "space goes on, s takes one step, u runs until the next saddle, a risk or a step.",
    ),
    (
        frozenset({"help", "browse", "leave"}),
        "? has every key, b the stored runs, and q leaves: the run is kept, workbench resume goes on.",
    ),
)
"""What is done at every step (names of actions), and what is said until then."""


def tour_path() -> Path:
    """Where it is kept how far somebody is."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local/state")
    return Path(home) / "workbench" / "tour"


class Tour:
    """How far a person is; `place` counts steps done, all of them when it is over."""

    def __init__(self, place: int = 0) -> None:
        self.place = min(max(place, 0), len(STEPS))

    @classmethod
    def kept(cls) -> Tour:
        """As far as the file says; from the beginning without one. Never raises."""
        try:
            with open(tour_path(), encoding="ascii") as file:
                return cls(int(file.read(8)))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError):
            return cls(len(STEPS))

    @property
    def text(self) -> str:
        """What to say now, empty when it is over."""
        if self.place >= len(STEPS):
            return ""
        return f"Tour {self.place + 1}/{len(STEPS)}, ? ends it.  {STEPS[self.place][1]}"

    def did(self, action: str) -> bool:
        """Take note of an action by its name; whether the tour went on. Help, which has all, ends it."""
        if self.place >= len(STEPS):
            return False
        if action == "help":
            self.place = len(STEPS)
        elif action in STEPS[self.place][0]:
            self.place += 1
        else:
            return False
        self._keep()
        return True

    def begin(self) -> None:
        """From the beginning."""
        self.place = 0
        self._keep()

    def _keep(self) -> None:
        path = tour_path()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{self.place}\n", encoding="ascii")
