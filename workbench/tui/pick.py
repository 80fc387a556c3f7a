"""Choosing from many by typing a part of the name: one, or several in the order they are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from workbench.tui.dialogs import Dialog, box_of, palette_of, plain


class SearchLine(Input):
    """A line of words to look for; arrows and space go to the list below it."""

    def on_key(self, event: events.Key) -> None:
        """Keys of the list."""
        screen = self.screen
        if isinstance(screen, Pick) and screen.take_key(event.key):
            event.stop()
            event.prevent_default()


class Pick(Dialog[tuple[str, ...] | None]):
    """Some of many, each a (value, label); gives the values, `esc` None.

    `chosen`: those that are already, None: exactly one is asked for, and `enter` takes the one under the
    cursor. `least`: how many it must be.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "leave it")]

    def __init__(
        self,
        question: str,
        options: Sequence[tuple[str, str]],
        chosen: Sequence[str] | None = None,
        *,
        least: int = 0,
    ) -> None:
        super().__init__()
        self.question, self.options, self.least = question, tuple(options), least
        self.many = chosen is not None
        self.chosen = list(chosen or ())
        self.shown: list[str] = []

    def compose(self) -> ComposeResult:
        with box_of(self):
            yield plain(self, self.question, "question")
            yield SearchLine(compact=True, max_length=80, placeholder="type to search")
            yield OptionList(markup=False, compact=True)
            how = (
                "space chooses   enter done   esc leave it"
                if self.many
                else "enter takes it   esc leave it"
            )
            yield plain(self, how, "hint")

    def on_mount(self) -> None:
        """All there are."""
        self.query_one(OptionList).can_focus = False
        self._fill()

    def _fill(self) -> None:
        """The options with all words of the search in them, one of that very name first; without a search
        those that are chosen."""
        words = self.query_one(SearchLine).value.casefold().split()
        found = [
            (value, label)
            for value, label in self.options
            if all(word in f"{value} {label}".casefold() for word in words)
        ]
        if words:
            found.sort(key=lambda option: option[0].casefold() != " ".join(words))
        elif self.many:
            found.sort(key=lambda option: option[0] not in self.chosen)
        say, listed = palette_of(self).say, self.query_one(OptionList)
        here = self.shown[listed.highlighted] if listed.highlighted is not None else None
        self.shown = [value for value, _ in found]
        listed.clear_options()
        listed.add_options([Option(Text(say(self._line(v, label)))) for v, label in found])
        if found:
            listed.highlighted = self.shown.index(here) if here in self.shown and not words else 0

    def _line(self, value: str, label: str) -> str:
        mark = ("● " if value in self.chosen else "  ") if self.many else ""
        return mark + label

    def take_key(self, key: str) -> bool:
        """Whether a key that was typed belongs to the list, which has then done it."""
        listed = self.query_one(OptionList)
        if key in ("up", "down", "pageup", "pagedown"):
            action = {"up": "cursor_up", "down": "cursor_down", "pageup": "page_up"}
            getattr(listed, f"action_{action.get(key, 'page_down')}")()
        elif key == "enter":
            self._done()
        elif key == "space" and self.many:
            self._toggle()
        else:
            return False
        return True

    def _toggle(self) -> None:
        listed = self.query_one(OptionList)
        place = listed.highlighted
        if place is None:
            return
        value = self.shown[place]
        if value in self.chosen:
            self.chosen.remove(value)
        else:
            self.chosen.append(value)
        label = next(label for of, label in self.options if of == value)
        listed.replace_option_prompt_at_index(
            place, Text(palette_of(self).say(self._line(value, label)))
        )

    def _done(self) -> None:
        if self.many:
            if len(self.chosen) >= self.least:
                self.dismiss(tuple(self.chosen))
            return
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.dismiss((self.shown[place],))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._fill()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.many:
            self._toggle()
        else:
            self._done()

    def action_leave(self) -> None:
        """Answer nothing."""
        self.dismiss(None)
