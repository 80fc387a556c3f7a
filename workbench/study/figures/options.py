"""What a person may ask of a study's figure: what is drawn, over which keys, its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from workbench.errors import BadInput, clean_text, unknown
from workbench.figures.options import Size


@dataclass(frozen=True)
class StudyFigureOptions:
    """`of`: an outcome, or a series for bands; None: what the figure draws by itself. `over`: keys of the
    grid, the horizontal axis first; empty: the first that are no seed. `saddle`: which one, from 1."""

    of: str | None = None
    over: tuple[str, ...] = ()
    saddle: int = 1
    log_x: bool = False
    size: Size = "column"

    @classmethod
    def checked(
        cls, *, of: str | None, over: str, saddle: int, log_x: bool, size: str
    ) -> StudyFigureOptions:
        """The options as a person typed them, keys apart by commas.

        Raises:
            BadInput: a size that does not exist, an empty key, a saddle before the first.
        """
        sizes: dict[str, Size] = {name: name for name in get_args(Size)}
        if size not in sizes:
            raise unknown("size", size, sizes, "--size")
        keys = tuple(part.strip() for part in over.split(",")) if over.strip() else ()
        if "" in keys:
            raise BadInput(
                f"--over '{clean_text(over, 80)}' has an empty key; allowed: KEY or KEY,KEY."
            )
        if saddle < 1:
            raise BadInput(f"--saddle {saddle} is before the first; allowed: a number from 1.")
        return cls(of or None, keys, saddle, log_x, sizes[size])
