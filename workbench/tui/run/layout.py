"""Which parts of the run screen fit a terminal, as a pure function of its size and a few choices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

WIDE = (100, 26)
NARROW = (60, 18)
SMALLEST = (30, 8)

Picture = Literal["directions", "layers", "prediction", "course", "numbers"]
NUMBERS = tuple(f"number-{place}" for place in range(6))
"""Places for charts of chosen numbers."""
PICTURES: dict[Picture, tuple[str, ...]] = {
    "directions": ("compass", "landscape"),
    "layers": ("layers",),
    "prediction": ("prediction",),
    "course": ("course",),
    "numbers": NUMBERS,
}
"""What the upper place on the right can show, and the widgets that it takes."""

LEFT = ("risk", "middle", "lower")
BELOW = ("sparks", "log")
WIDGETS = (*LEFT, "margins", "density", *(w for p in PICTURES.values() for w in p), *BELOW)


@dataclass(frozen=True)
class Parts:
    """The parts there are: the charts on the left, where a density may take the place of lines, and the
    picture on the right. `empty`: widgets with nothing to show, which give their room to the others."""

    left: tuple[str, ...] = LEFT
    picture: Picture = "directions"
    empty: frozenset[str] = frozenset()

    @property
    def right(self) -> tuple[str, ...]:
        """The parts of the right column, from above."""
        return tuple(w for w in (*PICTURES[self.picture], *BELOW) if w not in self.empty)

    @property
    def order(self) -> list[str]:
        """All parts in the order of tab."""
        return [*self.left, *self.right]


@dataclass(frozen=True)
class Arrangement:
    """What the user chose: a selected part, it alone, the right column where only one fits."""

    selected: str | None = None
    one: bool = False
    right: bool = False

    def moved(self, by: int, parts: Parts) -> Arrangement:
        """The next part selected."""
        order = parts.order
        at = order.index(self.selected) if self.selected in order else (-1 if by > 0 else 0)
        chosen = order[(at + by) % len(order)]
        return replace(self, selected=chosen, right=chosen in parts.right)

    def toggled(self) -> Arrangement:
        """One part alone, or all."""
        return replace(self, one=not self.one, selected=self.selected or "risk")

    def turned_to(self, picture: Picture) -> Arrangement:
        """With this picture in sight, wherever only one column or one part fits."""
        return replace(self, selected=PICTURES[picture][0], right=True)


@dataclass(frozen=True)
class Shown:
    """The parts to display."""

    widgets: frozenset[str] = frozenset()
    left: bool = False
    right: bool = False
    too_small: bool = False
    side_by_side: bool = False


def most_numbers(height: int) -> int:
    """Charts of numbers above each other in a terminal of that height."""
    return min(len(NUMBERS), max(1, height // 10))


def arrange(width: int, height: int, choice: Arrangement, parts: Parts) -> Shown:
    """What to display: two columns, one, one part, or a word that it is too small."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return Shown(too_small=True)
    fits_column = width >= NARROW[0] and height >= NARROW[1]
    if choice.one or not fits_column:
        chosen = choice.selected if choice.selected in parts.order else "risk"
        right = chosen in parts.right
        return Shown(frozenset({chosen}), left=not right, right=right)
    first, second = frozenset(parts.left), frozenset(parts.right)
    if width >= WIDE[0] and height >= WIDE[1]:
        return Shown(first | second, left=True, right=True)
    if choice.right:
        return Shown(second, right=True, side_by_side=parts.picture != "numbers")
    return Shown(first, left=True)
