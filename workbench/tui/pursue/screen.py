"""Neuron pursuit, saddle after saddle: the risk's stairs, who leaves each saddle and where to, while it is
computed in a worker; or a pursuit that was kept. Leaving the page cancels it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from workbench.errors import WorkbenchError
from workbench.protocol.status import RunStatus
from workbench.record.pursuit_file import KeptPursuit, write_pursuit
from workbench.tui.borders import BORDER_KEYS, Border, Bordered
from workbench.tui.dialogs import palette_of
from workbench.tui.pursue import pictures as show
from workbench.tui.routes import Go, LeaveRun
from workbench.tui.run.layout import WIDE
from workbench.tui.run.pictures import data_directions
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.listing import Listing, lines
from workbench.tui.widgets.statusline import Status, StatusLine

if TYPE_CHECKING:
    from workbench.run.pursued import PursuitTask
    from workbench.theory.ncf.pursuit import Stage

POLL_SECONDS = 0.2


class PursueScreen(Unbroken, Bordered, Screen[None]):
    """A pursuit under way, or one that was kept. `output`: the file to keep it in once it is there."""

    CSS_PATH = "pursue.tcss"
    AUTO_FOCUS = "#stages"
    HELP_NAME: ClassVar[str] = "pursuit"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "point(-1)", "stage before", show=False),
        Binding("right,l", "point(1)", "next stage", show=False),
        Binding("Y", "toggle_y", "risk log / linear"),
        Binding("v", "turn", "other column"),
        Binding("escape,q", "out", "back"),
        *BORDER_KEYS,
    ]

    def __init__(self, what: PursuitTask | KeptPursuit, output: Path | None = None) -> None:
        super().__init__()
        self.asked = None if isinstance(what, KeptPursuit) else what
        self.output = output
        self.refused = ""
        self.logarithmic = True
        self._cancel = threading.Event()
        # Written by the worker, an element at a time; the screen only ever looks at what is there.
        self._stages: list[Stage] = []
        self._way: list[tuple[float, float]] = []
        self._drawn = (-1, -1)
        self.kept = what if isinstance(what, KeptPursuit) else None

    # --- composing ---

    def compose(self) -> ComposeResult:
        """Stairs and table on the left, neurons and N on the right."""
        yield StatusLine(id="status")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield LineChart(id="stairs")
                yield Static(id="words", markup=False)
                yield Listing(id="stages")
            yield Border("left", "right", least=(30, 28), id="pursuit")
            with Vertical(id="right"):
                yield Compass(id="compass")
                yield LineChart(id="climb")
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Begin, unless it is known."""
        self._arrange()
        if self.kept is None:
            self.set_interval(POLL_SECONDS, self.check_stages)
            self._pursue()
        self._draw()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._cancel.set()

    def on_resize(self, event: events.Resize) -> None:
        """Another arrangement may fit."""
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size.width, self.size.height
        self.set_class(width < WIDE[0] or height < WIDE[1], "narrow")
        self._draw_keys()

    # --- computing ---

    @work(thread=True, exit_on_error=False, group="pursue")
    def _pursue(self) -> None:
        task = self.asked
        assert task is not None
        found: KeptPursuit | str
        try:
            found = task.compute(told=self._told, moved=self._moved, cancel=self._cancel.is_set)
            if self.output is not None and not self._cancel.is_set():
                write_pursuit(self.output, found)
        except WorkbenchError as error:
            found = str(error)
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            found = f"the pursuit failed: {type(error).__name__}: {error}"
        if not self._cancel.is_set() and self.is_attached:
            self.app.call_from_thread(self._ended, found)

    def _told(self, stage: Stage) -> None:
        self._stages.append(stage)
        self._way = []

    def _moved(self, time: float, risk: float) -> None:
        self._way.append((time, risk))

    def _ended(self, found: KeptPursuit | str) -> None:
        if isinstance(found, str):
            self.refused = found
        else:
            self.kept = found
        self._draw()

    def check_stages(self) -> None:
        """Draw what is new."""
        at = (len(self._stages), len(self._way))
        if self.kept is None and not self.refused and at != self._drawn:
            self._drawn = at
            self._draw()

    @property
    def seen(self) -> show.Seen:
        """What is known now."""
        problem = None if self.asked is None else self.asked.pursuing.problem
        data = () if problem is None else data_directions(problem.x, problem.y)
        if self.kept is not None:
            return show.Seen(self.kept, data=data)
        assert self.asked is not None
        so_far = self.asked.pursuing.kept(tuple(self._stages), "", self.asked.how.delta)
        way = np.array(self._way[:]).reshape(-1, 2)
        with np.errstate(divide="ignore"):
            logs = np.log(way[:, 1])
        return show.Seen(so_far, way[:, 0], logs, data, running=not self.refused)

    # --- drawing ---

    def _draw(self) -> None:
        seen, palette = self.seen, palette_of(self)
        table = self.query_one("#stages", Listing)
        following = table.chosen is None or table.chosen >= len(table.listed.rows) - 1
        table.show_rows(show.stages_table(seen))
        if following and self.asked is not None:
            table.choose(len(seen.found.stages) - 1)
        status = RunStatus.RUNNING if seen.running else RunStatus.FINISHED
        last = seen.found.stages[-1:]
        self.query_one("#status", StatusLine).show(
            Status(
                state=RunStatus.FAILED if self.refused else status,
                name=seen.found.name,
                log10_risk=seen.found.log10_risk(last[0]) if last else None,
                extra=f"neuron pursuit, δ {seen.found.delta:g}",
            )
        )
        said = [(self.refused, "min")] if self.refused else show.words(seen)
        self.query_one("#words", Static).update(lines(said, palette))
        self._draw_choice(seen)
        self._draw_keys()

    def _draw_choice(self, seen: show.Seen) -> None:
        """What depends on the chosen stage."""
        chosen = self.query_one("#stages", Listing).chosen
        self.query_one("#stairs", LineChart).show(show.stairs_chart(seen, chosen, self.logarithmic))
        self.query_one("#climb", LineChart).show(show.climb_chart(seen, chosen))
        self.query_one("#compass", Compass).show(show.stage_compass(seen, chosen))

    def _draw_keys(self) -> None:
        self.query_one("#keys", KeyLine).show(tuple(self.hints()))

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        yield KeyHint("←→", "stage", 1)
        yield KeyHint("Y", "linear" if self.logarithmic else "log", 2)
        if self.has_class("narrow"):
            yield KeyHint("v", "stairs" if self.has_class("turned") else "neurons", 1)
        yield KeyHint("?", "help", 3)
        yield KeyHint("esc", "back", 0)

    # --- keys ---

    @on(Listing.Chosen)
    def _chose(self, event: Listing.Chosen) -> None:
        event.stop()
        self._draw_choice(self.seen)

    def action_point(self, by: int) -> None:
        """Choose another stage."""
        table = self.query_one("#stages", Listing)
        if table.chosen is not None:
            table.choose(table.chosen + by)

    def action_toggle_y(self) -> None:
        """The risk's axis."""
        self.logarithmic = not self.logarithmic
        self._draw_choice(self.seen)
        self._draw_keys()

    def action_turn(self) -> None:
        """Where one column fits: the other one."""
        self.toggle_class("turned")
        self._draw_keys()

    def action_out(self) -> None:
        """Back, or out where there is nothing behind."""
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.post_message(Go(LeaveRun()))
