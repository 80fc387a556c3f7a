"""How KKT points and data directions look, in the compass and in the landscape alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KktKind = Literal["max", "saddle", "min", "flat", "point"]
"""`point`: nothing more is known of it."""

KKT_GLYPHS: dict[str, str] = {"max": "▲", "min": "▼", "saddle": "◆", "flat": "▬", "point": "•"}

POSITIVE, NEGATIVE = "orange", "cyan"
"""Colours of a sign: of an output weight, of a label."""


@dataclass(frozen=True)
class KktPoint:
    """A KKT point on the circle: its angle, kind, and the value N there; `bright` is the chosen one."""

    angle: float
    kind: KktKind
    value: float
    bright: bool = False

    @property
    def glyph(self) -> str:
        """Its character."""
        return KKT_GLYPHS.get(self.kind, "◆")

    @property
    def color(self) -> str:
        """Purple where neurons grow (N > 0), pink where N < 0, dim where it is zero."""
        if self.bright:
            return "bright"
        return "purple" if self.value > 0 else "pink" if self.value < 0 else "dim"


@dataclass(frozen=True)
class DataDirection:
    """The direction of a training input on the circle, with its label's sign; None: it has no one label."""

    angle: float
    label: float | None

    @property
    def glyph(self) -> str:
        """Filled for a positive label, and where there is no one label."""
        return "●" if self.label is None or self.label > 0 else "○"

    @property
    def color(self) -> str:
        """The colour of the label's sign."""
        if self.label is None:
            return "text"
        return POSITIVE if self.label > 0 else NEGATIVE
