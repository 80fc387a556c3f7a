"""Inside a state: is it a saddle, where every small neuron is heading, and who leaves first.

The theory runs in a worker thread and is cancelled when another state takes its place: first what
takes milliseconds, then the curvature. A run that is training is paused for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from workbench.errors import WorkbenchError
from workbench.tui.borders import BORDER_KEYS, Border, Bordered
from workbench.tui.controls import Controls, ask_fork
from workbench.tui.dialogs import palette_of
from workbench.tui.inspect import margin_words as margins
from workbench.tui.inspect import pictures as pictures
from workbench.tui.inspect import whole_words as whole
from workbench.tui.inspect import words as show
from workbench.tui.inspect.ask_push import ask_push
from workbench.tui.inspect.examined import (
    Examined,
    Subject,
    examine,
    made_sure,
    with_margin,
)
from workbench.tui.inspect.status import state_word, status_of
from workbench.tui.routes import Go, OpenLayers, OpenVerdict
from workbench.tui.run.layout import NARROW, WIDE
from workbench.tui.run.surface import prediction_model
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.landscape import Landscape
from workbench.tui.widgets.listing import Listing, lines
from workbench.tui.widgets.prediction import Prediction
from workbench.tui.widgets.statusline import StatusLine

if TYPE_CHECKING:
    from workbench.inspector.margin import MarginCertificate
    from workbench.inspector.state import InspectedState
    from workbench.inspector.whole_forecast import WholeForecast
    from workbench.theory.optimality.verdict import Optimality

POLL_SECONDS = 0.1
PAGES = ("verdict", "points", "neurons", "views")


class InspectorScreen(Unbroken, Bordered, Screen[None]):
    """Examines a run that is paused, or a record of a stored run."""

    CSS_PATH = "inspect.tcss"
    AUTO_FOCUS = "#points"
    HELP_NAME: ClassVar[str] = "inspector"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_table", "next table", priority=True),
        Binding("shift+tab", "next_table(-1)", "previous table", show=False, priority=True),
        Binding("v", "turn", "other column"),
        Binding("m", "margins", "margins / correlation"),
        Binding("o", "optimal", "is the KKT point optimal?"),
        Binding("w", "layers", "layers: weights and data"),
        Binding("d", "prediction", "directions / prediction"),
        Binding("p", "push", "push along a KKT direction"),
        Binding("s", "step(1)", "one step"),
        Binding("S", "step_n", "N steps"),
        Binding("N", "next_saddle", "run until the next saddle"),
        Binding("u", "until", "run until"),
        Binding("c", "checkpoint", "checkpoint"),
        Binding("f", "fork", "fork here"),
        Binding("space", "go_on", "go on training"),
        Binding("left,h", "record(-1)", "record before", show=False),
        Binding("right,l", "record(1)", "record after", show=False),
        Binding("shift+left,H", "record(-10)", "10 records before", show=False),
        Binding("shift+right,L", "record(10)", "10 records after", show=False),
        Binding("escape,i", "out", "back"),
        Binding("q", "out", "back", show=False),
        *BORDER_KEYS,
    ]

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject
        self.controls = Controls(
            self,
            None if subject.session is None else subject.session.engine,
            absent="this is a stored run: f forks it here, r on its screen resumes it",
            after_end="f forks it here",
        )
        self.examined: Examined | None = None
        self.seen: object = None
        self.page = 0
        self.margins = False
        self._asked = False
        self._cancel = threading.Event()
        self._table = "points"
        self._verdict: tuple[InspectedState, Optimality] | None = None

    # --- composing ---

    def compose(self) -> ComposeResult:
        """Tables on the left, pictures on the right."""
        yield StatusLine(id="status")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                with VerticalScroll(id="judged"):
                    yield Static(id="verdict", markup=False)
                    yield Static(id="evidence", markup=False)
                yield Static(id="points-title", classes="title", markup=False)
                yield Listing(id="points")
                yield Static(id="neurons-title", classes="title", markup=False)
                yield Listing(id="neurons")
            yield Border("left", "right", least=(30, 28), id="inspector")
            with Vertical(id="right"):
                with Container(id="pictures"):
                    yield Compass(id="compass")
                    yield Landscape(id="landscape")
                    yield LineChart(id="front")
                    yield Prediction(id="prediction")
                with VerticalScroll(id="details", can_focus=False):
                    yield Static(id="detail", markup=False)
                    yield Static(id="limits", markup=False)
        yield Static("looking …", id="waiting", markup=False)
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Begin with the state that is there."""
        self.add_class("waiting")
        self._arrange()
        self.set_interval(POLL_SECONDS, self.check_state)
        self.check_state()

    def on_unmount(self) -> None:
        """Nobody waits for the theory any more."""
        self._cancel.set()

    def on_resize(self, event: events.Resize) -> None:
        """Another arrangement may fit."""
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size.width, self.size.height
        tiny = width < NARROW[0] or height < NARROW[1]
        self.set_class(width < WIDE[0] or tiny, "narrow")
        self.set_class(height < 30, "short")
        self.set_class(tiny, "tiny")
        for place, name in enumerate(PAGES):
            self.set_class(tiny and place == self.page, f"page-{name}")
        if tiny:
            self.set_class(PAGES[self.page] == "views", "turned")
        self._draw_keys()

    # --- examining ---

    def check_state(self) -> None:
        """Examine the state when it is another one."""
        key = self.subject.key()
        # Snapshots are told apart by identity: they hold arrays.
        if key is self.seen or (isinstance(key, int) and key == self.seen):
            return
        self.seen = key
        self._cancel.set()
        self._draw_status()
        if key is not None:
            self._cancel = threading.Event()
            self._examine(self._cancel)

    @work(thread=True, exit_on_error=False, group="examine")
    def _examine(self, cancel: threading.Event) -> None:
        try:
            examined = examine(self.subject.state(), cancel.is_set)
            self._tell(cancel, examined)
            # Late, the verdict needs no curvature, and the certificates are what one looks for.
            late = examined.inspection.regime == "late"
            for more in (with_margin, made_sure) if late else (made_sure, with_margin):
                if not cancel.is_set():
                    examined = more(examined, cancel.is_set)
                    self._tell(cancel, examined)
        except WorkbenchError as error:
            self._tell(cancel, str(error))
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            self._tell(cancel, f"the inspection failed: {type(error).__name__}: {error}")

    def _tell(self, cancel: threading.Event, found: Examined | str) -> None:
        """Hand a result to the screen, unless another state took its place meanwhile."""
        if not cancel.is_set() and self.is_attached:
            self.app.call_from_thread(self._show, cancel, found)

    def _show(self, cancel: threading.Event, found: Examined | str) -> None:
        if cancel.is_set() or not self.is_attached:
            return
        if isinstance(found, str):
            self.query_one("#waiting", Static).update(palette_of(self).say(found))
            self.add_class("waiting")
            return
        self.remove_class("waiting")
        keep = found.sure and (self.examined is None or not self.examined.sure)
        self.examined = found
        if not self._asked:
            self.margins = found.inspection.regime == "late"
        if keep:
            self.subject.keep(found)
        self._draw()

    # --- drawing ---

    def _draw(self) -> None:
        examined = self.examined
        if examined is None:
            return
        palette = palette_of(self)
        self._draw_status()
        self._draw_keys()
        self.query_one("#verdict", Static).update(lines(show.verdict_line(examined), palette, ""))
        self.query_one("#evidence", Static).update(lines(show.evidence_lines(examined), palette))
        margin = self.margin
        page = (
            show.saddle_page(examined) if margin is None else margins.page(margin, examined.state)
        )
        self.query_one("#points-title", Static).update(palette.say(page.upper_title))
        self.query_one("#points", Listing).show_rows(page.upper)
        title, rows = page.lower_title, page.lower
        if margin is None and self._whole is not None:
            title, rows = whole.whole_title(self._whole), whole.whole_table(examined.inspection)
        self.query_one("#neurons-title", Static).update(palette.say(title))
        self.query_one("#neurons", Listing).show_rows(rows)
        self.query_one("#limits", Static).update(lines(page.notes, palette))
        self.set_class(margin is None and not show.is_planar(examined), "plain")
        self.set_class(margin is not None, "margin")
        self._draw_choice()

    recoloured = _draw

    @property
    def margin(self) -> MarginCertificate | None:
        """The certificates, while their page is the one shown."""
        return (
            None if self.examined is None or not self.margins else self.examined.inspection.margin
        )

    def _draw_choice(self) -> None:
        """What depends on the chosen point or neuron."""
        examined = self.examined
        if examined is None:
            return
        if self.has_class("prediction"):
            state = examined.state
            model = prediction_model(
                examined.surface,
                state.step,
                state.x,
                state.y,
                classifies=not state.loss.regression,
            )
            self.query_one("#prediction", Prediction).show(model)
        if self.margin is not None:
            self.query_one("#front", LineChart).show(margins.front_chart(self.margin))
            row = self.query_one("#neurons", Listing).chosen or 0
            sample = margins.constraint_detail(self.margin, examined.state, row)
            self.query_one("#detail", Static).update(lines(sample, palette_of(self)))
            return
        point, neuron = self.chosen_point(), self.chosen_neuron()
        self.query_one("#compass", Compass).show(pictures.compass(examined, point))
        self.query_one("#landscape", Landscape).show(pictures.landscape(examined, point, neuron))
        detail = [] if point is None else show.point_detail(examined, point)
        self.query_one("#detail", Static).update(lines(detail, palette_of(self)))

    def _draw_status(self) -> None:
        self.query_one("#status", StatusLine).show(status_of(self.subject, self.examined))

    def _draw_keys(self) -> None:
        self.query_one("#keys", KeyLine).show(tuple(self.hints()))

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        if self.controls.able:
            yield KeyHint("space", "go on", 0)
            yield KeyHint("N", "next saddle", 1)
            yield KeyHint("s", "step", 4)
            yield KeyHint("S", "step N", 6)
            yield KeyHint("u", "until", 5)
            yield KeyHint("p", "push", 2)
            yield KeyHint("c", "checkpoint", 7)
        elif self.subject.session is None:
            yield KeyHint("←→", "record", 1)
        if self.examined is not None and self.examined.inspection.margin is not None:
            yield KeyHint("m", "correlation" if self.margins else "margins", 2)
        if self.examined is not None and self.examined.inspection.regime == "late":
            yield KeyHint("o", "optimal?", 2)
        if self.examined is not None and _has_matrix(self.examined.state):
            yield KeyHint("w", "layers", 4)
        if self.examined is not None and self.examined.surface is not None:
            yield KeyHint("d", "pictures" if self.has_class("prediction") else "prediction", 4)
        yield KeyHint("f", "fork", 3)
        yield KeyHint("↑↓", "choose", 8)
        yield KeyHint("tab", "page" if self.has_class("tiny") else "table", 6)
        if self.has_class("narrow") and not self.has_class("tiny"):
            pictures = "front" if self.margins else "compass"
            yield KeyHint("v", "tables" if self.has_class("turned") else pictures, 2)
        yield KeyHint("?", "help", 3)
        yield KeyHint("esc", "back", 1)

    # --- choosing ---

    def chosen_neuron(self) -> int | None:
        """The neuron under the cursor, while that table is the one in use."""
        row = self.query_one("#neurons", Listing).chosen
        none = row is None or self.margin is not None or self._table != "neurons"
        if self.examined is None or row is None or none or self._whole is not None:
            return None
        return show.shown_neurons(self.examined)[row].index

    @property
    def _whole(self) -> WholeForecast | None:
        """The forecast of the whole θ, where that is what the lower table shows."""
        return None if self.examined is None else self.examined.inspection.forecast.whole

    def chosen_point(self) -> int | None:
        """The KKT point under the cursor; that of the neuron or θ under it, in the other table."""
        if self._whole is not None and self.margin is None and self._table == "neurons":
            return self._whole.target
        neuron = self.chosen_neuron()
        if neuron is not None and self.examined is not None:
            return self.examined.inspection.forecast.neurons[neuron].target
        return None if self.margin is not None else self.query_one("#points", Listing).chosen

    @on(Listing.Chosen)
    def _moved(self, event: Listing.Chosen) -> None:
        event.stop()
        self._draw_choice()

    def action_next_table(self, by: int = 1) -> None:
        """The other table; on a small terminal the next page."""
        if self.has_class("tiny"):
            self.page = (self.page + by) % len(PAGES)
            self._arrange()
            if PAGES[self.page] in ("points", "neurons"):
                self._table = PAGES[self.page]
                self.query_one(f"#{self._table}", Listing).focus()
        else:
            self._next_stop(by)
        self._draw_choice()

    def _next_stop(self, by: int) -> None:
        """The next table, or the evidence where it needs to be scrolled."""
        judged = self.query_one("#judged", VerticalScroll)
        stops = ["points", "neurons", *(["judged"] if judged.max_scroll_y > 0 else [])]
        at = "judged" if judged.has_focus else self._table
        self.query_one(f"#{stops[(stops.index(at) + by) % len(stops)]}").focus()

    @on(events.DescendantFocus)
    def _focused(self, event: events.DescendantFocus) -> None:
        """A click may choose the table too."""
        if event.widget.id in ("points", "neurons"):
            self._table = event.widget.id
            self._draw_choice()

    def action_margins(self) -> None:
        """From the correlation function's page to that of the max-margin problem, or back."""
        examined = self.examined
        if examined is None or examined.inspection.margin is None:
            done = examined is not None and examined.whole
            why = examined.inspection.limits[-1] if done and examined is not None else ""
            self.notify(why or "the certificates are being computed …", markup=False)
            return
        self.margins, self._asked = not self.margins, True
        self._draw()

    def action_prediction(self) -> None:
        """What the network predicts over the plane of its inputs, in place of the pictures, or back."""
        if self.examined is None or self.examined.surface is None:
            self.notify("the inputs of this run do not lie in a plane")
            return
        self.toggle_class("prediction")
        self.set_class(self.has_class("prediction") or self.has_class("turned"), "turned")
        self._draw_choice()
        self._draw_keys()

    def action_optimal(self) -> None:
        """Whether the KKT point that this state heads for is an optimum: a page of its own."""
        examined = self.examined
        if examined is None:
            self.notify("still looking into this state")
            return
        state, known = examined.state, self._verdict
        found = None if known is None or known[0] is not state else known[1]

        def keep(found: Optimality | None) -> None:
            self._verdict = None if found is None else (state, found)

        run, status = self.subject.name, state_word(self.subject)
        self.post_message(Go(OpenVerdict(run, state, status, found, keep)))

    def action_layers(self) -> None:
        """Singular values of the layers, and the data mapped through them."""
        self.post_message(Go(OpenLayers(self.subject)))

    def action_turn(self) -> None:
        """Where one column fits: the other one."""
        self.toggle_class("turned")
        self._draw_keys()

    def action_out(self) -> None:
        """Back to the run."""
        self.app.pop_screen()

    # --- what the run is asked for ---

    def action_go_on(self) -> None:
        """Train on, on the run's screen."""
        if self.controls.go_on():
            self.app.pop_screen()

    def action_step(self, n: int) -> None:
        """Take n steps, and examine where they lead."""
        self.controls.step(n)

    def action_step_n(self) -> None:
        """Ask for n."""
        self.controls.ask_step()

    def action_next_saddle(self) -> None:
        """Train until the next saddle is seen, on the run's screen."""
        if self.controls.next_saddle():
            self.app.pop_screen()

    def action_until(self) -> None:
        """Train until a step, a risk, or the next saddle, on the run's screen."""
        self.controls.ask_until("saddle", self.app.pop_screen)

    def action_checkpoint(self) -> None:
        """Write a checkpoint now."""
        if self.controls.checkpoint():
            self.notify("checkpoint written", timeout=3)

    def action_push(self) -> None:
        """Ask how far to push which neuron along the chosen KKT direction."""
        examined, point = self.examined, self.chosen_point()
        if not self.controls.allowed():
            return
        if examined is None or point is None or self.subject.key() is not self.seen:
            self.notify("choose a KKT point first")
            return
        ask_push(self, self.controls, examined, point)

    def action_fork(self) -> None:
        """A new run from this state; a live run is stopped first, with a checkpoint."""
        if self.examined is None:
            return
        stops = " (this run stops here and can be resumed)" if self.controls.able else ""
        step, subject = self.examined.inspection.step, self.subject
        ask_fork(self, subject.folder, step, subject.config, stops)

    def action_record(self, by: int) -> None:
        """Another record of a stored run."""
        if self.subject.moved(by):
            self.check_state()


def _has_matrix(state: InspectedState) -> bool:
    """Whether any layer has singular values to show."""
    return any(layer.matrix is not None for layer in state.structure.layers)
