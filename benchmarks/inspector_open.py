"""How long the inspector takes from the key to its tables: `python benchmarks/inspector_open.py`.

A run of 1,000 squared-ReLU neurons in the plane with 1,000 inputs is paused; `i` is pressed and `esc`,
in turn, and the time until the tables stand is taken, and the longest time the screen's thread was away
meanwhile. The rival is the same theory called as a function, without a screen.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from workbench.presets import load_config
from workbench.run.session import Session
from workbench.tui.app import WorkbenchApp
from workbench.tui.inspect.examined import examine
from workbench.tui.inspect.screen import InspectorScreen

SETTINGS = ["data.n=1000", "model.width=1000", "pause.at=[20]", "record.every=10"]
ROUNDS = 9


async def heartbeat(gaps: list[float]) -> None:
    """The times by which a tick of 5 ms came late."""
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        gaps.append(now - last - 0.005)
        last = now


def bare(session: Session) -> None:
    """The theory as a function."""
    examine(session.inspected_state(), lambda: False)


async def measure(runs: Path) -> list[tuple[float, float, float]]:
    """(open, longest stall, bare theory) in seconds, of each round."""
    app = WorkbenchApp.to_run("kh24-fig1", SETTINGS, runs)
    found = []
    async with app.run_test(size=(120, 40)) as pilot:
        while app.session is None or app.session.engine.status != "paused":
            await asyncio.sleep(0.02)
        await pilot.pause(1.0)
        for _ in range(ROUNDS):
            gaps: list[float] = []
            beat = asyncio.create_task(heartbeat(gaps))
            began = time.perf_counter()
            app.screen.action_inspect()  # type: ignore[attr-defined]
            while not (isinstance(app.screen, InspectorScreen) and app.screen.examined is not None):
                await asyncio.sleep(0.002)
            opened = time.perf_counter() - began
            await asyncio.sleep(1.0)
            beat.cancel()
            app.pop_screen()
            await pilot.pause(0.3)
            session = app.session
            assert session is not None
            began = time.perf_counter()
            await asyncio.to_thread(bare, session)
            found.append((opened, max(gaps), time.perf_counter() - began))
        app.close_session()
    return found


def main() -> None:
    """Print medians and spreads in milliseconds."""
    load_config("kh24-fig1", SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(measure(Path(folder)))
    for name, values in zip(
        ("open", "longest stall", "bare theory"), zip(*rounds, strict=True), strict=True
    ):
        low, middle, high = min(values), statistics.median(values), max(values)
        sys.stdout.write(f"{name:<14} {1e3 * middle:7.0f} ms ({1e3 * low:.0f}–{1e3 * high:.0f})\n")


if __name__ == "__main__":
    main()
