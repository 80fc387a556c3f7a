"""The pictures of the README and the docs, from real runs: `make docs`.

Trains the presets into a temporary folder, drives the app as a user would, and draws its screens with
`docs/screenshot.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(COLORTERM="truecolor", TERM="xterm-256color")
os.environ.pop("NO_COLOR", None)

from screenshot import save, screen_text

from workbench.run.session import Session, load_config
from workbench.study.create import create_study
from workbench.study.drive import drive
from workbench.study.source import load_study
from workbench.tui.app import WorkbenchApp
from workbench.tui.routes import OpenReplay

HERE = Path(__file__).parent
FLOW = (
    "train.rule=flow",
    "train.steps=5000",
    "train.until.log10_risk=-800",
    "record.every=1",
    "name=flow-to-1e-800",
)
CNN = (
    "data.classes=[3,8]",
    "data.n=60",
    'model={"kind"="cnn","channels"=[3,4],"width"=6}',
    "loss.kind=logistic",
    "train.rule=loss-based",
    "train.batch=0",
    "train.steps=1500",
    "record.every=3",
    "name=cnn-on-digits",
)
STUDY = (
    "init.seed=range(0,24)",
    "init.scale=1e-2,1e-4,1e-6,1e-8",
    "model.width=5,20",
)
SHARED = ("train.steps=30000", "loss.reduction=sum", "name=escape-by-scale")
SIZES = ((120, 40), (80, 24))


async def until(condition: Any, seconds: float = 120.0) -> None:
    """Wait while the app goes on."""
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise SystemExit(f"waited {seconds} s in vain")


def shoot(app: WorkbenchApp, name: str) -> None:
    """Draw the present screen into docs/."""
    width, height = app.size
    target = HERE / f"{name}_{width}x{height}.png"
    save(screen_text(app), target)
    sys.stderr.write(f"{target.name}\n")


async def run_screen(runs: Path, preset: str, step: int, size: tuple[int, int], keys: str) -> None:
    """A live run, paused at a step, then other keys."""
    app = WorkbenchApp.to_run(preset, [f"pause.at=[{step}]", "pause.at_saddle=false"], runs)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.session is not None and app.session.engine.status == "paused")
        await pilot.pause(1.0)
        shoot(app, f"run_{preset}")
        for key in keys.split():
            await pilot.press(key)
            await pilot.pause(0.6)
            shoot(app, f"run_{preset}_{key}")
        app.close_session()


async def inspector(runs: Path, size: tuple[int, int]) -> None:
    """Inside the second saddle of the preset that goes from saddle to saddle."""
    app = WorkbenchApp.to_run("kh24-saddle-to-saddle", [], runs)

    def second() -> bool:
        engine = None if app.session is None else app.session.engine
        return engine is not None and engine.status == "paused" and engine.state.step > 1_000

    async with app.run_test(size=size) as pilot:
        await until(lambda: app.session is not None and app.session.engine.status == "paused")
        await pilot.press("space")
        await until(second)
        await pilot.pause(1.0)
        await pilot.press("i")
        await until(lambda: bool(getattr(getattr(app.screen, "examined", None), "sure", False)))
        await pilot.pause(0.7)
        shoot(app, "inspector")
        if size[0] < 100:
            await pilot.press("v")
            await pilot.pause(0.5)
            shoot(app, "inspector_v")
        app.close_session()


async def browse_and_replay(runs: Path, size: tuple[int, int]) -> None:
    """The table with three runs marked, then one of them under the scrub bar."""
    app = WorkbenchApp.to_browse(runs)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(2.0)
        for key in ("space", "down", "space", "down", "space"):
            await pilot.press(key)
            await pilot.pause(0.2)
        await pilot.pause(1.5)
        shoot(app, "browse")
        await pilot.press("question_mark")
        await pilot.pause(0.5)
        shoot(app, "help")
        await pilot.press("escape", "n")
        await pilot.pause(1.0)
        shoot(app, "launch")
        await pilot.press("escape")
        app.go(OpenReplay(next(p for p in sorted(runs.iterdir()) if "fig1" in p.name)))
        await pilot.pause(6.0)
        for _ in range(12):
            await pilot.press("shift+left" if size[0] < 100 else "left")
        await pilot.pause(1.5)
        shoot(app, "replay")


async def study(folder: Path, runs: Path, size: tuple[int, int]) -> None:
    """The page of a study: all parts, or on a small terminal a page each."""
    app = WorkbenchApp.to_look_at(folder, runs)
    async with app.run_test(size=size) as pilot:
        await until(lambda: getattr(app.screen, "view", None) is not None)
        await pilot.pause(2.0)
        await pilot.press("right", "up")
        await pilot.pause(1.0)
        shoot(app, "study")
        for page in ("bands", "rose", "members") if size[0] < 100 else ():
            await pilot.press("tab")
            await pilot.pause(1.0)
            shoot(app, f"study_{page}")


async def late_phase(runs: Path, name: str, keys: tuple[str, ...]) -> None:
    """A run long after its data was separated, drawn at both sizes by resizing.

    The certificates take their time, so the inspector is opened once.
    """
    app = WorkbenchApp.to_browse(runs)
    async with app.run_test(size=SIZES[0]) as pilot:
        app.go(OpenReplay(next(p for p in sorted(runs.iterdir()) if name in p.name)))
        await until(lambda: getattr(getattr(app.screen, "stored", None), "network", None))
        await pilot.pause(1.0)
        for key in ("", *keys):
            if key:
                await pilot.press(key)
            if key == "i":
                await until(lambda: bool(getattr(app.screen.examined, "whole", False)), 600.0)
            elif key in ("w", "o"):
                await pilot.pause(4.0)
            for size in SIZES:
                await pilot.resize_terminal(*size)
                await pilot.pause(1.0)
                shoot(app, f"late_{name}" + (f"_{key}" if key else ""))
            await pilot.resize_terminal(*SIZES[0])
            await pilot.pause(0.5)


def main() -> None:
    """Train, then draw."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        for preset, extra in (
            ("kh24-fig1", ()),
            ("kh24-fig4", ("train.steps=20000",)),
            ("two-layer-relu-logistic", ()),
            ("two-layer-relu-logistic", ("init.seed=3",)),
            ("digits-mlp", ("train.steps=2000",)),
            ("two-layer-relu-logistic", FLOW),
            ("digits-mlp", CNN),
            ("jt19-fig2", ()),
            ("vss22-3.2", ()),
        ):
            with Session.create(load_config(preset, extra), runs, preset=preset) as session:
                session.start()
                session.wait()
        folder_of_study = create_study(load_study("kh24-fig1", STUDY, settings=SHARED), runs)
        drive(folder_of_study)
        for size in SIZES:
            asyncio.run(study(folder_of_study, runs, size))
        asyncio.run(late_phase(runs, "flow-to-1e-800", ("d",)))
        asyncio.run(late_phase(runs, "cnn-on-digits", ("i",)))
        asyncio.run(late_phase(runs, "jt19-fig2", ("w",)))
        asyncio.run(late_phase(runs, "vss22-3-2", ("i", "o")))
        for size in SIZES:
            asyncio.run(inspector(Path(folder) / "c", size))
            asyncio.run(browse_and_replay(runs, size))
            asyncio.run(
                run_screen(Path(folder) / "a", "two-layer-relu-logistic", 30_000, size, "v")
            )
            asyncio.run(run_screen(Path(folder) / "b", "kh24-fig1", 20_000, size, "z"))


if __name__ == "__main__":
    main()
