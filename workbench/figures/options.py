"""What a person may ask of any figure: its horizontal axis and its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from workbench.errors import unknown

Axis = Literal["step", "epoch", "time", "margin"]
Size = Literal["column", "page"]

INCHES: dict[Size, tuple[float, float]] = {"column": (3.4, 2.5), "page": (7.0, 3.6)}
"""Width and height of one panel: a column of a two-column paper, and its full width."""


@dataclass(frozen=True)
class FigureOptions:
    """`x` "epoch" counts passes through all samples, "margin" is ln(n/𝓛), the axis of JT20 Fig. 2; `log_x`
    makes the axis logarithmic."""

    x: Axis = "step"
    log_x: bool = False
    size: Size = "column"

    @classmethod
    def checked(cls, *, x: str, log_x: bool, size: str) -> FigureOptions:
        """The options as a person typed them.

        Raises:
            BadInput: an axis or a size that does not exist.
        """
        axes: dict[str, Axis] = {name: name for name in get_args(Axis)}
        sizes: dict[str, Size] = {name: name for name in get_args(Size)}
        if x not in axes:
            raise unknown("axis", x, axes, "--x")
        if size not in sizes:
            raise unknown("size", size, sizes, "--size")
        return cls(axes[x], log_x, sizes[size])
