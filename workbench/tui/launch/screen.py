"""Start a run: pick a preset or a file, change a few settings, go."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.suggester import SuggestFromList
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.errors import WorkbenchError
from workbench.presets import preset_names
from workbench.tui.dialogs import palette_of, plain
from workbench.tui.launch.form import (
    MORE,
    TOGETHER,
    Answers,
    Field,
    Source,
    answer,
    fields_of,
    file_source,
    preset_source,
)
from workbench.tui.routes import Go, StartRun
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyHint, KeyLine

FIRST, OWN_FILE = "first-look", "your own file"
FILE = "file"


class FormRow(Horizontal):
    """A setting: its key, its value, and what it is."""

    def __init__(self, field: Field) -> None:
        super().__init__(classes="row")
        self.set_class(field.key in (FILE, MORE, "name"), "long")
        self.field = field

    def compose(self) -> ComposeResult:
        yield plain(self, self.field.key, "key")
        yield Input(
            self.field.value,
            compact=True,
            max_length=1000,
            select_on_focus=False,
            suggester=SuggestFromList(self.field.choices) if self.field.choices else None,
        )
        yield plain(self, self.field.about, "about")

    @property
    def line(self) -> Input:
        """Where its value is typed."""
        return self.query_one(Input)


class LaunchScreen(Unbroken, Screen[None]):
    """A new run."""

    CSS_PATH = "launch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "start", "start the run", priority=False),
        Binding("escape", "back", "back"),
        Binding("down,tab", "app.focus_next", "next field"),
        Binding("up,shift+tab", "app.focus_previous", "field before"),
        Binding("right", "into_form", "to the settings", show=False),
        Binding("ctrl+r", "restore", "all settings as they were"),
        Binding("f1", "app.help", "help"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.names = (*preset_names(), OWN_FILE)
        self.source: Source | None = None
        self.answers = Answers()
        self.trouble = ""

    # --- what is on the screen ---

    def compose(self) -> ComposeResult:
        palette = palette_of(self)
        title = Text("new run", style="bold").append(
            "  pick what to train, change what you like", style="not bold"
        )
        yield Static(title, id="title", markup=False)
        with Horizontal(id="body"):
            yield OptionList(
                *(Option(Text(palette.say(name))) for name in self.names),
                id="presets",
                markup=False,
                compact=True,
            )
            with Vertical(id="right"):
                yield Static(id="about", markup=False)
                yield VerticalScroll(id="form", can_focus=False)
                yield Static(id="mistake", markup=False)
        yield KeyLine(palette=palette, id="keys")

    def on_mount(self) -> None:
        """Begin with the first preset."""
        presets = self.query_one(OptionList)
        presets.highlighted = self.names.index(FIRST) if FIRST in self.names else 0
        presets.focus()
        # The list has no height yet to scroll in.
        self.call_after_refresh(presets.scroll_to_highlight)
        self.query_one(KeyLine).show(
            (
                KeyHint("↑↓", "pick", 3),
                KeyHint("tab", "settings", 1),
                KeyHint("enter", "start"),
                KeyHint("ctrl+r", "restore", 4),
                KeyHint("esc", "back"),
                KeyHint("F1", "help", 2),
            )
        )

    def on_resize(self, event: events.Resize) -> None:
        """Side by side, or one above the other."""
        self.set_class(event.size.width < 70, "narrow")
        self.set_class(event.size.height < 24, "low")

    @on(OptionList.OptionHighlighted)
    async def _picked(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        await self.show_choice(self.names[event.option_index])

    async def show_choice(self, name: str) -> None:
        """The form of a preset, or of a person's own file."""
        if name == OWN_FILE:
            await self._fill(None, "Train what a TOML file of your own says: give its path.")
            return
        try:
            source = preset_source(name)
        except WorkbenchError as error:
            await self._fill(None, str(error))
        else:
            await self._fill(source, source.config.description)

    async def _fill(self, source: Source | None, about: str) -> None:
        """New rows for a source; for a file, the row of its path comes first and stays."""
        self.source = source
        self.query_one("#about", Static).update(Text(palette_of(self).say(about)))
        form = self.query_one("#form", VerticalScroll)
        rows = [FormRow(field) for field in self._fields(source)]
        async with self.batch():
            await form.remove_children()
            await form.mount_all(rows)
        self._check()

    def _fields(self, source: Source | None) -> list[Field]:
        if source is None:
            return [Field(FILE, "", "the path of a TOML file")]
        return [
            *fields_of(source.config),
            Field(MORE, "", "any other settings: section.key=value …"),
        ]

    # --- what is typed ---

    @property
    def rows(self) -> dict[str, FormRow]:
        """The rows of the form by key."""
        return {row.field.key: row for row in self.query(FormRow)}

    @on(Input.Changed)
    async def _typed(self, event: Input.Changed) -> None:
        event.stop()
        row = event.input.parent
        if isinstance(row, FormRow) and row.field.key == FILE:
            await self._read_file(event.value)
        else:
            self._check()

    async def _read_file(self, text: str) -> None:
        """Try a file's path; the rows of its settings appear once it can be read."""
        form = self.query_one("#form", VerticalScroll)
        try:
            source, self.trouble = file_source(text), ""
        except WorkbenchError as error:
            source, self.trouble = None, str(error)
        if source is not None and self.source is not None and source.config == self.source.config:
            self.source = source
            self._check()
            return
        self.source = source
        rows = [FormRow(field) for field in self._fields(source) if field.key != FILE]
        old = [row for key, row in self.rows.items() if key != FILE]
        async with self.batch():
            await form.remove_children(old)
            await form.mount_all(rows)
        about = source.config.description if source is not None else ""
        self.query_one("#about", Static).update(Text(palette_of(self).say(about)))
        self._check()

    def _check(self) -> None:
        """Say what is wrong, first of all with the field one is in."""
        rows = self.rows
        if self.source is None:
            typed = FILE in rows and bool(rows[FILE].line.value)
            self._say(self.trouble if typed else "")
            return
        fields = tuple(row.field for key, row in rows.items() if key not in (MORE, FILE))
        texts = {key: row.line.value for key, row in rows.items()}
        self.answers = answer(self.source, fields, texts)
        wrong = self.answers.mistakes
        for key, row in rows.items():
            row.set_class(key in wrong, "wrong")
            row.set_class(key != FILE and texts[key].strip() != row.field.value, "changed")
        here = self.focused.parent if self.focused is not None else None
        key = here.field.key if isinstance(here, FormRow) else TOGETHER
        about = here.field.about if isinstance(here, FormRow) else ""
        self._say(wrong.get(key) or next(iter(wrong.values()), ""), about)

    def _say(self, mistake: str, about: str = "") -> None:
        """A sentence below the form: what is wrong, else what the field one is in means."""
        place = self.query_one("#mistake", Static)
        place.set_class(bool(mistake), "wrong")
        place.update(Text(palette_of(self).say(mistake or about)))

    def on_descendant_focus(self) -> None:
        """The sentence is about the field one is in."""
        self._check()

    # --- keys ---

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _entered(self, event: Input.Submitted | OptionList.OptionSelected) -> None:
        event.stop()
        self.action_start()

    def action_start(self) -> None:
        """Start the run if everything fits, else go to what does not."""
        if self.source is None:
            if FILE in self.rows:
                self.rows[FILE].line.focus()
            return
        if not self.answers.fine:
            key = next(iter(self.answers.mistakes))
            if key in self.rows:
                self.rows[key].line.focus()
            return
        self.post_message(Go(StartRun(self.source.name, self.answers.settings)))

    def action_into_form(self) -> None:
        """From the list to the first setting."""
        if isinstance(self.focused, OptionList):
            self.app.action_focus_next()

    def action_restore(self) -> None:
        """All settings as the preset has them."""
        for key, row in self.rows.items():
            if key != FILE:
                row.line.value = row.field.value

    def action_back(self) -> None:
        """From the form to the list, from the list to where one came from."""
        presets = self.query_one(OptionList)
        if self.focused is presets or self.focused is None:
            self.dismiss(None)
        else:
            presets.focus()
