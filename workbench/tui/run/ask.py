"""The questions of a panel: what to copy, which numbers to show, into which file a chart is drawn."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import clean_text
from workbench.tui.dialogs import Ask, Choose, Confirm
from workbench.tui.pick import Pick
from workbench.tui.run.taking import (
    arguments_of,
    command_text,
    figure_of,
    table_text,
    values_text,
)
from workbench.tui.run.trends import choices
from workbench.tui.targets import PLOT_SUFFIXES, check_target

if TYPE_CHECKING:
    from workbench.tui.run.panel import Panel


async def ask_copy(panel: Panel) -> None:
    """Put a chart's values, its series or its command into the terminal's clipboard (OSC 52)."""
    name, source = panel.chosen_chart(), panel.source
    if name is None or source is None:
        panel.notify("no record yet")
        return
    model, title = panel.drawing.made[name], panel.drawing.made[name].title
    arguments = _arguments(panel, name, f"{source.folder.name}-{figure_of(title)}.png")
    at = "at the cursor" if panel.shared.cursor is not None else "of the last record"
    options = [("values", f"its values {at}"), ("series", "its series, with tabs between")]
    if arguments is not None:
        options.append(("command", "the command that draws it"))
    what = await panel.app.push_screen_wait(Choose(f"Copy what of '{title}'?", options))
    if what is None:
        return
    said = "copied"
    if what == "values":
        text = values_text(model, model.cursor)
    elif what == "series":
        text, rows, every = table_text(model, panel.shared.axis.quantity)
        said = f"{rows:,} rows copied" if rows == every else f"{rows:,} of {every:,} rows copied"
    else:
        text = command_text(arguments or [])
    panel.app.copy_to_clipboard(text)
    panel.notify(f"{said}, where the terminal allows it (OSC 52)", markup=False)


async def ask_plot(panel: Panel) -> None:
    """Draw the chart as it is seen into a file, by the command that anybody could type."""
    name, source = panel.chosen_chart(), panel.source
    if name is None or source is None:
        panel.notify("no record yet")
        return
    title = panel.drawing.made[name].title
    figure = figure_of(title)
    if figure is None:
        panel.notify(f"no figure shows '{title}': tab chooses another chart", markup=False)
        return
    answer = await panel.app.push_screen_wait(
        Ask(
            f"Draw '{figure}' into which file?",
            value=f"{source.folder.name}-{figure}.png",
            hint="the ending decides: .png, .pdf or .svg",
            check=check_target(PLOT_SUFFIXES),
        )
    )
    if answer is None:
        return
    target = Path(answer.strip()).expanduser()
    if target.exists():
        keep = Confirm(
            f"'{clean_text(target.name, 60)}' exists. Replace it?",
            yes="replace",
            no="keep",
            danger=True,
        )
        if not await panel.app.push_screen_wait(keep):
            return
    arguments = _arguments(panel, name, str(target))
    if arguments is not None:
        failed, said = await _run(arguments)
        panel.notify(said, severity="error" if failed else "information", markup=False)


async def ask_numbers(panel: Panel) -> None:
    """Choose the series that are lines of numbers; none: those that suit the run."""
    if panel.source is None or not panel.source.history.length:
        panel.notify("no record yet")
        return
    there = choices(panel.source.history, panel.source.config, panel.drawing.machine)
    now = panel.drawing.numbers
    chosen = await panel.app.push_screen_wait(
        Pick("Which numbers? None: those that suit the run", there, now or ())
    )
    if chosen is not None:
        panel.drawing.numbers = chosen or None
        panel.arrange_parts()
        if chosen and panel.picture != "numbers":
            panel.notify("d, once or a few times, shows them as charts", timeout=4)


def _arguments(panel: Panel, name: str, output: str) -> list[str] | None:
    """What `workbench` is given to draw a chart as it is seen; None where no figure does."""
    source, title = panel.source, panel.drawing.made[name].title
    figure = figure_of(title)
    if source is None or figure is None:
        return None
    return arguments_of(
        source.folder,
        figure,
        panel.shared.shown(()),
        panel.drawing.sight.y.get((name, title)),
        whole=panel.shared.whole,
        output=output,
    )


async def _run(arguments: list[str]) -> tuple[bool, str]:
    """Draw in a process of its own, which leaves training alone; whether it failed, and a sentence."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "commands.main", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    if process.returncode == 0:
        return False, f"drawn: {clean_text(arguments[-1], 200)}"
    last = told.decode(errors="replace").strip().splitlines()
    return True, clean_text(last[-1] if last else "it could not be drawn", 300)
