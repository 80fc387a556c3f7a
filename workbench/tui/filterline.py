"""A line to type a filter into, which filters as it is typed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static


class FilterLine(Horizontal):
    """Hidden until it is opened. What is typed is told at once; `before` is what there was."""

    DEFAULT_CSS = """
    FilterLine {
        height: 1; display: none; background: $ink-bar;
        &.open { display: block; }
        & Static { width: 9; color: $ink-warn; padding: 0 0 0 1; }
        & Input, & Input:focus {
            width: 1fr; height: 1; border: none; padding: 0; background: $ink-bar;
        }
    }
    """

    class Typed(Message):
        """The text is another."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Entered(Message):
        """The text is to be kept."""

    before = ""

    def compose(self) -> ComposeResult:
        yield Static("filter /", markup=False)
        yield Input(compact=True, max_length=200, select_on_focus=False)

    @property
    def typing(self) -> bool:
        """Whether it is open."""
        return self.has_class("open")

    def open(self, text: str) -> None:
        """Let a text be changed."""
        self.before = text
        self.add_class("open")
        line = self.query_one(Input)
        line.value = text
        line.focus()

    def close(self) -> None:
        """Out of sight; whoever opened it says where keys go then."""
        self.remove_class("open")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered())
