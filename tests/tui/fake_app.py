"""An app with what screens ask of the real one, which only remembers that it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from record import sample_run
from textual.app import App
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.screen import Screen

from workbench.protocol.status import RunStatus
from workbench.record.store import RunStore
from workbench.tui.help import HelpScreen
from workbench.tui.routes import Go, Route
from workbench.tui.theme import use_theme
from workbench.tui.widgets.palette import Palette

SIZES = [(120, 40), (80, 24), (40, 15)]
CONFIG = """
name = "{name}"

[data]
kind = "kh24-circle"
n = 7

[model]
kind = "squared-relu"
width = 5

[loss]
kind = "{loss}"

[train]
steps = {steps}
"""


class FakeApp(App[int]):
    """Shows one screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
    ]

    def __init__(self, first: Screen[Any], runs_dir: Path, palette: Palette | None = None) -> None:
        super().__init__()
        use_theme(self)
        self.first, self.runs_dir, self.palette = first, runs_dir, palette or Palette()
        self.asked: list[Route] = []
        self.left = False

    def on_mount(self) -> None:
        self.push_screen(self.first)

    def on_go(self, message: Go) -> None:
        self.asked.append(message.route)

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_leave_now(self) -> None:
        self.left = True


def make_run(
    runs_dir: Path,
    name: str,
    *,
    number: int = 0,
    status: str = "finished",
    loss: str = "square",
    count: int = 60,
    steps: int = 1000,
) -> Path:
    """A stored run with a configuration that parses."""
    folder = runs_dir / f"20260101-{number:06d}-{name[:20].strip().replace('/', '')}-{number:04x}"
    folder.mkdir(parents=True)
    text = CONFIG.format(name=name, loss=loss, steps=steps)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    store = RunStore.create(
        folder,
        attributes={
            **sample_run.ATTRIBUTES,
            "run_id": folder.name,
            "name": name,
            "config": text,
            "steps": steps,
        },
        x=sample_run.X,
        y=sample_run.Y,
        series=sample_run.LAYOUTS,
        coordinates={"quantile": sample_run.QUANTILES},
    )
    rows = sample_run.rows(0, count)
    rows["log_risk"] = -np.arange(count, dtype=np.float64) - number
    store.append(rows)
    assert store.finish(RunStatus(status)) is None
    return folder


def screen_lines(app: App[Any]) -> list[str]:
    """The characters on the screen, line by line."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


async def until(pilot: Pilot[int], true: Callable[[], bool]) -> None:
    """Wait until something holds; fails after thirty seconds."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "waited in vain"
        await pilot.pause(0.02)
