"""On the screen: a run without a good checkpoint is refused, and going back is said."""

from __future__ import annotations

import asyncio

import pytest
from cases import finished

from workbench.record.checkpoint import list_checkpoints
from workbench.tui.app import WorkbenchApp
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.routes import ResumeRun


async def until(condition, seconds=60.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture
def folder(tmp_path):
    return finished(tmp_path / "runs", "train.steps=40", "checkpoint.every=20").folder


def said(app):
    return [note.message for note in app._notifications]


async def test_resuming_from_the_shell_is_refused_with_the_option(folder):
    for _, path in list_checkpoints(folder):
        path.unlink()
    before = (folder / "run.h5").read_bytes()
    app = WorkbenchApp.to_resume(folder, 60, False)
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.error is not None)
    assert f"workbench resume {folder.name} --restart" in str(app.error)
    assert app.return_code == 1
    assert (folder / "run.h5").read_bytes() == before


async def test_resuming_from_browse_is_refused_with_the_option(folder):
    for _, path in list_checkpoints(folder):
        path.write_bytes(b"")
    before = (folder / "run.h5").read_bytes()
    app = WorkbenchApp.to_browse(folder.parent)
    async with app.run_test(size=(80, 24)):
        await until(lambda: isinstance(app.screen, BrowseScreen))
        app.go(ResumeRun(folder, 60))
        await until(lambda: any("--restart" in text for text in said(app)))
        await until(lambda: isinstance(app.screen, BrowseScreen))
    assert (folder / "run.h5").read_bytes() == before


async def test_restarting_is_said(folder):
    app = WorkbenchApp.to_resume(folder, 60, False, restart=True)
    async with app.run_test(size=(80, 24)):
        await until(lambda: any("goes on from step 0" in text for text in said(app)))
        app.close_session()
    assert (folder / "set-aside-1" / "run.h5").is_file()


async def test_an_older_checkpoint_is_said(folder):
    list_checkpoints(folder)[-1][1].write_bytes(b"")
    app = WorkbenchApp.to_resume(folder, 60, False)
    async with app.run_test(size=(80, 24)):
        await until(lambda: any("step 40 cannot be used" in text for text in said(app)))
        app.close_session()
