"""Questions over a screen: yes or no, a line of text, one of several; and sheets to read. All by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.palette import Palette, default_palette

T = TypeVar("T")

Check = Callable[[str], str | None]
"""Says in a sentence what is wrong with a text; None or nothing: it is fine."""


def palette_of(widget: Widget) -> Palette:
    """The palette of the app a widget is in; the terminal's own if the app has none."""
    found = getattr(widget.app, "palette", None)
    return found if isinstance(found, Palette) else default_palette()


def plain(widget: Widget, text: str, classes: str = "") -> Static:
    """Text as it is: never markup, and only characters the terminal has."""
    return Static(Text(palette_of(widget).say(text)), markup=False, classes=classes)


def no_check(text: str) -> str | None:
    """Anything will do."""
    del text
    return None


class Dialog(Unbroken, ModalScreen[T]):
    """A screen over another, which shows through."""

    # By its whole path: dialogs lie in other folders too.
    CSS_PATH = Path(__file__).with_name("dialogs.tcss")


def box_of(screen: Widget, *, danger: bool = False) -> Vertical:
    """The frame of a dialog."""
    box = Vertical(classes="dialog")
    box.set_class(danger, "danger")
    box.set_class(palette_of(screen).ascii, "plain")
    return box


class Confirm(Dialog[bool]):
    """A question with two answers; `esc` is no. A dangerous one begins on no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape", "answer(False)", "no"),
        Binding("left,up,h,k", "app.focus_previous", "previous answer", show=False),
        Binding("right,down,l,j", "app.focus_next", "next answer", show=False),
    ]

    def __init__(
        self, question: str, *, yes: str = "yes", no: str = "no", danger: bool = False
    ) -> None:
        super().__init__()
        self.question, self.yes, self.no, self.danger = question, yes, no, danger

    def compose(self) -> ComposeResult:
        say = palette_of(self).say
        with box_of(self, danger=self.danger):
            yield plain(self, self.question, "question")
            with Horizontal(classes="answers"):
                yes = Button(Text(f"y {say(self.yes)}"), id="yes", compact=True)
                yes.set_class(self.danger, "danger")
                yield yes
                yield Button(Text(f"n {say(self.no)}"), id="no", compact=True)

    def on_mount(self) -> None:
        """Begin on the answer that does no harm."""
        self.query_one("#no" if self.danger else "#yes", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """A key that answers at once."""
        self.dismiss(answer)


class Ask(Dialog[str | None]):
    """A line of text, checked as it is typed; `esc` gives None.

    With `replace` typing takes the place of `value`, as suits a number; else it is added to it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave it")]

    def __init__(
        self,
        question: str,
        *,
        value: str = "",
        hint: str = "",
        check: Check = no_check,
        replace: bool = False,
    ) -> None:
        super().__init__()
        self.question, self.value, self.hint, self.check = question, value, hint, check
        self.replace = replace

    def compose(self) -> ComposeResult:
        with box_of(self):
            yield plain(self, self.question, "question")
            yield Input(self.value, compact=True, select_on_focus=self.replace, max_length=1000)
            if self.hint:
                yield plain(self, self.hint, "hint")
            yield Static("", markup=False, classes="mistake")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.say_mistake(None if event.value == self.value else self.check(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        mistake = self.check(event.value)
        self.say_mistake(mistake)
        if not mistake:
            self.dismiss(event.value)

    def say_mistake(self, mistake: str | None) -> None:
        """Show a sentence below the line, or nothing."""
        place = self.query_one(".mistake", Static)
        place.update(Text(palette_of(self).say(mistake or "")))
        place.set_class(bool(mistake), "shown")

    def action_leave(self) -> None:
        """Answer nothing."""
        self.dismiss(None)


class Choose(Dialog[str | None]):
    """One of several, each a (value, label); gives the value, `esc` gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave it"),
        Binding("j", "move(1)", "down", show=False),
        Binding("k", "move(-1)", "up", show=False),
    ]

    def __init__(self, question: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.question, self.options = question, tuple(options)

    def compose(self) -> ComposeResult:
        say = palette_of(self).say
        with box_of(self):
            yield plain(self, self.question, "question")
            yield OptionList(
                *(Option(Text(say(label))) for _, label in self.options),
                markup=False,
                compact=True,
            )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self.options[event.option_index][0])

    def action_move(self, rows: int) -> None:
        """Up or down by letter."""
        options = self.query_one(OptionList)
        if rows > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def action_leave(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


class Sheet(Dialog[None]):
    """Text over the screen beneath, in a frame that scrolls; what shows it writes it and says its title."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("up,k", "scroll(-1)", "up", show=False),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self.heading = title

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="sheet") as box:
            box.border_title = self.heading
            box.set_class(palette_of(self).ascii, "plain")
            yield Static(markup=False)

    def on_mount(self) -> None:
        """Say how to leave, and how to see the rest, where there is more than fits."""
        self.watch(self.box, "show_vertical_scrollbar", self._say_keys)

    def _say_keys(self, scrolls: bool) -> None:
        keys = "↑↓ more   esc close" if scrolls else "esc close"
        self.box.border_subtitle = palette_of(self).say(keys)

    @property
    def box(self) -> VerticalScroll:
        """The frame."""
        return self.query_one(VerticalScroll)

    @property
    def room(self) -> int:
        """Columns for the text."""
        return max(20, self.box.content_size.width - 1)

    def write(self, text: RenderableType) -> None:
        """Take the place of the text."""
        self.query_one(Static).update(text)

    def action_close(self) -> None:
        """Back to the screen beneath."""
        self.dismiss(None)

    def action_scroll(self, rows: int) -> None:
        """Up or down."""
        self.box.scroll_relative(y=rows, animate=False)
