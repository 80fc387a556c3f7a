"""Which parts of the run screen fit a terminal, as a pure function of its size and a few choices."""

from __future__ import annotations

from dataclasses import dataclass, replace

WIDE = (100, 26)
NARROW = (60, 18)
SMALLEST = (30, 8)

LEFT = ("risk", "middle", "lower")
RIGHT = ("compass", "landscape", "sparks", "log")


@dataclass(frozen=True)
class Arrangement:
    """What the user chose: a selected part, it alone, the right column where only one fits."""

    selected: str | None = None
    one: bool = False
    right: bool = False

    def moved(self, by: int, density: bool) -> Arrangement:
        """The next part selected."""
        order = parts(density)
        at = order.index(self.selected) if self.selected in order else (-1 if by > 0 else 0)
        chosen = order[(at + by) % len(order)]
        return replace(self, selected=chosen, right=chosen in RIGHT)

    def toggled(self) -> Arrangement:
        """One part alone, or all."""
        return replace(self, one=not self.one, selected=self.selected or "risk")


@dataclass(frozen=True)
class Shown:
    """The parts to display."""

    widgets: frozenset[str] = frozenset()
    left: bool = False
    right: bool = False
    too_small: bool = False
    side_by_side: bool = False


def parts(density: bool) -> list[str]:
    """All parts in the order of tab; the density map takes the place of the angle lines."""
    lower = "density" if density else "lower"
    return ["risk", "middle", lower, *RIGHT]


def arrange(width: int, height: int, choice: Arrangement, density: bool) -> Shown:
    """What to display: two columns, one, one part, or a word that it is too small."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return Shown(too_small=True)
    order = parts(density)
    fits_column = width >= NARROW[0] and height >= NARROW[1]
    if choice.one or not fits_column:
        chosen = choice.selected if choice.selected in order else "risk"
        right = chosen in RIGHT
        return Shown(frozenset({chosen}), left=not right, right=right)
    first, second = frozenset(order[:3]), frozenset(order[3:])
    if width >= WIDE[0] and height >= WIDE[1]:
        return Shown(first | second, left=True, right=True)
    if choice.right:
        return Shown(second, right=True, side_by_side=True)
    return Shown(first, left=True)
