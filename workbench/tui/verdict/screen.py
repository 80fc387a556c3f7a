"""Is the KKT point that this state heads for an optimum of the max-margin problem? The verdict and its proof.

The search runs in a worker thread; leaving the page cancels it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from workbench.errors import WorkbenchError
from workbench.protocol.status import RunStatus
from workbench.tui.borders import BORDER_KEYS, Border, Bordered
from workbench.tui.dialogs import palette_of
from workbench.tui.run.layout import NARROW, WIDE
from workbench.tui.unbroken import Unbroken
from workbench.tui.verdict import words as show
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.listing import Cell, Listing, lines
from workbench.tui.widgets.statusline import Status, StatusLine

if TYPE_CHECKING:
    from workbench.inspector.state import InspectedState
    from workbench.theory.optimality.verdict import Optimality

TABLES = ("family", "layers", "weights")


class VerdictScreen(Unbroken, Bordered, Screen["Optimality | None"]):
    """The verdict on one state; dismissed with it, so that it need not be sought again."""

    CSS_PATH = "verdict.tcss"
    AUTO_FOCUS = "#family"
    HELP_NAME: ClassVar[str] = "optimality"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_table", "next table", priority=True),
        Binding("shift+tab", "next_table(-1)", "previous table", show=False, priority=True),
        Binding("v", "turn", "other column"),
        Binding("left,h", "point(-1)", "shorter point before", show=False),
        Binding("right,l", "point(1)", "next shorter point", show=False),
        Binding("escape,o,q", "out", "back"),
        *BORDER_KEYS,
    ]

    def __init__(
        self,
        name: str,
        state: InspectedState,
        known: Optimality | None = None,
        word: RunStatus = RunStatus.REPLAYED,
    ) -> None:
        super().__init__()
        self.run_name = name
        self.word = word
        self.state = state
        self.found = known
        self.refused = ""
        self._cancel = threading.Event()
        self._began = time.monotonic()

    # --- composing ---

    def compose(self) -> ComposeResult:
        """Words and tables on the left; on the right the shorter point against θ~."""
        yield StatusLine(id="status")
        with Horizontal(id="body"):
            with VerticalScroll(id="left", can_focus=False):
                yield Static(id="verdict", markup=False)
                yield Static(id="reason", markup=False)
                yield Static(id="numbers", markup=False)
                yield Static(id="family-title", classes="title", markup=False)
                yield Listing(id="family")
                yield Static(id="layers-title", classes="title", markup=False)
                yield Listing(id="layers")
                yield Static(id="layer-reason", markup=False)
            yield Border("left", "right", least=(30, 28), id="optimality")
            with Vertical(id="right"):
                with Container(id="pictures"):
                    yield Compass(id="compass")
                    yield LineChart(id="gain")
                yield Listing(id="weights")
        yield Static(id="waiting", markup=False)
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Begin to search, unless the verdict is known."""
        self._arrange()
        if self.found is None:
            self.set_interval(0.5, self._tick)
            self._search()
        self._draw()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._cancel.set()

    def on_resize(self, event: events.Resize) -> None:
        """Another arrangement may fit."""
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size.width, self.size.height
        self.set_class(width < WIDE[0] or height < NARROW[1], "narrow")
        self.set_class(height < 30, "short")
        self._draw_keys()

    # --- searching ---

    @work(thread=True, exit_on_error=False, group="verdict")
    def _search(self) -> None:
        from workbench.inspector.optimality import optimality_verdict

        found: Optimality | str
        try:
            found = optimality_verdict(self.state, self._cancel.is_set)
        except WorkbenchError as error:
            found = str(error)
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            found = f"the search failed: {type(error).__name__}: {error}"
        if not self._cancel.is_set() and self.is_attached:
            self.app.call_from_thread(self._show, found)

    def _show(self, found: Optimality | str) -> None:
        if isinstance(found, str):
            self.refused = found
        else:
            self.found = found
        self._draw()

    def _tick(self) -> None:
        """How long the search has taken: it may be a minute for a hundred weights."""
        if self.found is None and not self.refused:
            self._draw_waiting()

    def _draw_waiting(self) -> None:
        spent = int(time.monotonic() - self._began)
        text = self.refused or f"looking for shorter points … {spent} s   (esc: stop looking)"
        self.query_one("#waiting", Static).update(palette_of(self).say(text))

    # --- drawing ---

    def _draw(self) -> None:
        found, palette = self.found, palette_of(self)
        self.set_class(found is None, "waiting")
        self.query_one("#status", StatusLine).show(
            Status(
                state=self.word,
                name=self.run_name,
                step=self.state.step,
                extra="is the KKT point optimal?",
            )
        )
        self._draw_keys()
        if found is None:
            self._draw_waiting()
            return

        def say(name: str, words: list[Cell], between: str = "\n") -> None:
            self.query_one(f"#{name}", Static).update(lines(words, palette, between))

        say("verdict", show.verdict_line(found), "")
        say("reason", show.reason_lines(found))
        say("numbers", show.number_lines(found))
        for name, title in (
            ("family", show.family_title(found)),
            ("layers", show.layers_title(found)),
        ):
            say(f"{name}-title", [(title, "text")])
            self.query_one(f"#{name}-title").display = bool(title)
        self.query_one("#family", Listing).show_rows(show.family_table(found))
        self.query_one("#layers", Listing).show_rows(show.layers_table(found))
        self.set_class(not show.has_plane(self.state), "plain")
        self.set_class(not show.has_family(found), "single")
        self._draw_choice()

    recoloured = _draw

    def _draw_choice(self) -> None:
        """What depends on the chosen point and layer."""
        found = self.found
        if found is None:
            return
        chosen = self.query_one("#family", Listing).chosen
        if show.has_plane(self.state):
            model = show.verdict_compass(found, self.state, chosen)
            self.query_one("#compass", Compass).show(model)
        self.query_one("#gain", LineChart).show(show.gain_chart(found, chosen))
        weights = show.weights_table(found, self.state.structure, chosen)
        self.query_one("#weights", Listing).show_rows(weights)
        reason = show.layer_reason(found, self.query_one("#layers", Listing).chosen)
        self.query_one("#layer-reason", Static).update(lines(reason, palette_of(self)))

    def _draw_keys(self) -> None:
        self.query_one("#keys", KeyLine).show(tuple(self.hints()))

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        if self.found is not None:
            if len(show.shorter_points(self.found)) > 1:
                yield KeyHint("←→", "shorter point", 1)
            yield KeyHint("↑↓", "choose", 3)
            yield KeyHint("tab", "table", 3)
            if self.has_class("narrow"):
                yield KeyHint("v", "words" if self.has_class("turned") else "pictures", 1)
        yield KeyHint("?", "help", 2)
        yield KeyHint("esc", "back", 0)

    # --- keys ---

    @on(Listing.Chosen)
    def _moved(self, event: Listing.Chosen) -> None:
        event.stop()
        self._draw_choice()

    def action_next_table(self, by: int = 1) -> None:
        """The next table that has rows and is in sight."""
        tables = [self.query_one(f"#{name}", Listing) for name in TABLES]
        there = [t for t in tables if t.listed.rows and t.region.height > 0] or tables[:1]
        at = there.index(self.focused) if self.focused in there else -by
        there[(at + by) % len(there)].focus()

    def action_turn(self) -> None:
        """Where one column fits: the other one."""
        self.toggle_class("turned")
        hidden = self.has_class("turned") and self.has_class("narrow")
        # Hidden tables take no keys.
        self.query_one("#weights" if hidden else "#family").focus()
        self._draw_keys()

    def action_point(self, by: int) -> None:
        """Choose another shorter point, also where their table is out of sight."""
        family = self.query_one("#family", Listing)
        if family.chosen is not None:
            family.choose(family.chosen + by)

    def action_out(self) -> None:
        """Back, with what was found."""
        self.dismiss(self.found)
