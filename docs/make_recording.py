"""The way from saddle to saddle as a sequence of pictures: `python docs/make_recording.py [FOLDER]`.

Runs `kh24-saddle-to-saddle` as a user would: it pauses at the first saddle, the inspector shows who
heads where and when, training goes on until the next saddle, and the run ends in Replay.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from functools import partial
from pathlib import Path

from make_screens import until
from screenshot import save, screen_text

from workbench.tui.app import WorkbenchApp
from workbench.tui.inspect.screen import InspectorScreen

PRESET = "kh24-saddle-to-saddle"


def ready(app: WorkbenchApp) -> bool:
    """Whether the inspector shows a verdict that knows the curvature."""
    screen = app.screen
    return (
        isinstance(screen, InspectorScreen) and screen.examined is not None and screen.examined.sure
    )


async def record(runs: Path, target: Path, size: tuple[int, int]) -> None:
    """One recording at a size."""
    app = WorkbenchApp.to_run(PRESET, [], runs)
    width, height = size
    count = 0

    def shoot(name: str) -> None:
        nonlocal count
        count += 1
        path = target / f"saddle_{width}x{height}_{count:02d}_{name}.png"
        save(screen_text(app), path)
        sys.stderr.write(f"{path.name}\n")

    def paused(after: int = -1) -> bool:
        engine = None if app.session is None else app.session.engine
        return engine is not None and engine.status == "paused" and engine.state.step > after

    async with app.run_test(size=size) as pilot:
        seen = -1
        for place in ("first", "second", "third"):
            await until(partial(paused, seen))
            seen = app.session.engine.state.step if app.session is not None else seen
            await pilot.pause(1.0)
            shoot(f"{place}-saddle")
            await pilot.press("i")
            await until(lambda: ready(app))
            await pilot.pause(0.7)
            shoot(f"{place}-inspector")
            await pilot.press("tab")
            await pilot.pause(0.5)
            shoot(f"{place}-neurons")
            if width < 100:
                await pilot.press("v")
                await pilot.pause(0.5)
                shoot(f"{place}-compass")
            await pilot.press("N")
        await until(lambda: app.session is None or app.session.engine.ended)
        await pilot.pause(1.0)
        shoot("end")
        app.close_session()


def main() -> None:
    """Record at both sizes."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in ((120, 40), (80, 24)):
            asyncio.run(record(Path(folder), target, size))


if __name__ == "__main__":
    main()
