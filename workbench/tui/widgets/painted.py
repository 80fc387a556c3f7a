"""The base of all drawn widgets: show a model, repaint only the rows that changed."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

import numpy as np
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from workbench.errors import clean_text
from workbench.tui.unbroken import Unbroken, contained
from workbench.tui.widgets.cells import Frame, Grid, changed_rows, clip
from workbench.tui.widgets.palette import Palette, default_palette

ModelT = TypeVar("ModelT")


class Painted(Unbroken, Widget, Generic[ModelT]):
    """A widget drawn from an immutable model by a pure function.

    `show` draws at once when the widget is on the current screen, compares with what is there and
    refreshes one region for each changed row. While it cannot be seen, only the model is kept and
    the drawing waits until a row is asked for. A picture that fails is a line that says so.
    """

    DEFAULT_CSS = "Painted { width: 1fr; height: 1fr; }"
    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(
        self,
        model: ModelT | None = None,
        *,
        palette: Palette | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.palette = palette or default_palette()
        self._model = model
        self._frame: Frame | None = None
        self._strips: list[Strip | None] = []
        self._stale = True
        self._failed: Exception | None = None

    @property
    def model(self) -> ModelT | None:
        """The model shown last."""
        return self._model

    @abstractmethod
    def draw(self, model: ModelT | None, width: int, height: int) -> Grid:
        """The picture of a model at a size: the widget's pure drawing function is called here."""

    def show(self, model: ModelT | None) -> int:
        """Show a model; returns how many rows have to be repainted now."""
        if model is self._model and not self._stale:
            return 0
        self._model, self._failed = model, None
        return self.repaint()

    def fail(self, error: Exception) -> None:
        """Say in the picture's place that there is none, until the next model; raises it in a test."""
        if not contained(self.app, error, f"the picture #{self.id}"):
            raise error
        self._failed, self._stale = error, True
        self.repaint()

    def repaint(self) -> int:
        """Draw again and refresh the rows that differ; returns their number."""
        if not self.is_attached or not self.size or not self.screen.is_current:
            if not self._stale:
                self._stale = True
                self.refresh()
            return 0
        old = self._frame
        rows = self._paint()
        if old is None or self._frame is None or old.shape != self._frame.shape:
            self.refresh()
        elif rows:
            width = self.size.width
            self.refresh(*[Region(0, row, width, 1) for row in rows])
        return len(rows)

    def recolour(self, palette: Palette) -> None:
        """Draw again in another palette."""
        self.palette, self._frame, self._stale = palette, None, True
        if self.is_attached:
            self.refresh()

    def _paint(self) -> list[int]:
        """Draw the model at the present size; returns the rows that differ from before."""
        width, height = self.size
        frame = self._drawn(width, height)
        rows = changed_rows(self._frame, frame)
        if len(self._strips) != height:
            self._strips = [None] * height
        for row in rows:
            self._strips[row] = None
        self._frame, self._stale = frame, False
        return rows

    def _drawn(self, width: int, height: int) -> Frame:
        """The picture, or a line in its place."""
        if self._failed is None:
            try:
                # numpy's warnings would be written over the screen.
                with np.errstate(all="ignore"):
                    return self.draw(self._model, width, height).frame()
            except Exception as error:
                if not contained(self.app, error, f"the picture #{self.id}"):
                    raise
                self._failed = error
        grid = Grid(width, height, self.palette)
        said = clean_text(f"cannot be drawn: {type(self._failed).__name__}: {self._failed}")
        grid.text(0, 0, clip(said, width), "faint")
        return grid.frame()

    def render_line(self, y: int) -> Strip:
        """One row for Textual, built when it is asked for."""
        width, height = self.size
        if self._stale or self._frame is None or self._frame.shape != (height, width):
            self._paint()
        if self._frame is None or not 0 <= y < len(self._strips):
            return Strip.blank(width)
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = self._frame.strip(y)
        return strip
