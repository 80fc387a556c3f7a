"""What a person may ask of any figure: its horizontal axis, the part of it that is drawn, and its size."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from workbench.errors import BadInput, clean_text, unknown

Range = tuple[float, float]
Axis = Literal["step", "epoch", "time", "margin"]
Size = Literal["column", "page"]

INCHES: dict[Size, tuple[float, float]] = {"column": (3.4, 2.5), "page": (7.0, 3.6)}
"""Width and height of one panel: a column of a two-column paper, and its full width."""


@dataclass(frozen=True)
class FigureOptions:
    """`x` "epoch" counts passes through all samples, "margin" is ln(n/𝓛), the axis of JT20 Fig. 2; `log_x`
    makes the axis logarithmic. `x_range`: from which and to which place on it; `y_range`: the same of the
    first panel's vertical axis, as it is labelled; None: all that there is."""

    x: Axis = "step"
    log_x: bool = False
    size: Size = "column"
    x_range: Range | None = None
    y_range: Range | None = None

    @classmethod
    def checked(
        cls,
        *,
        x: str,
        log_x: bool,
        size: str,
        x_range: str | None = None,
        y_range: str | None = None,
    ) -> FigureOptions:
        """The options as a person typed them.

        Raises:
            BadInput: an axis or a size that does not exist, or a range that is none.
        """
        axes: dict[str, Axis] = {name: name for name in get_args(Axis)}
        sizes: dict[str, Size] = {name: name for name in get_args(Size)}
        if x not in axes:
            raise unknown("axis", x, axes, "--x")
        if size not in sizes:
            raise unknown("size", size, sizes, "--size")
        return cls(
            axes[x],
            log_x,
            sizes[size],
            _range(x_range, "--x-range", positive=log_x),
            _range(y_range, "--y-range"),
        )


def _range(text: str | None, option: str, *, positive: bool = False) -> Range | None:
    """LOW:HIGH as two finite numbers."""
    if text is None:
        return None
    low, _, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = 0.0, 0.0
    if not (all(map(isfinite, found)) and found[0] < found[1]):
        given = clean_text(text, 40)
        raise BadInput(f"{option} is '{given}'; it is LOW:HIGH, as in {option}=0.5:20.")
    if positive and found[0] <= 0:
        raise BadInput(f"{option} begins at {found[0]:g}, which a logarithmic axis does not have.")
    return found
