"""The screen and signals: ignored at its start, while a run is made, and a terminal that closes."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest
from cases import small
from e2e.terminal import WORKBENCH, Terminal, alive, environment, step_shown, wait_until

from workbench.config.toml import to_toml
from workbench.record.checkpoint import list_checkpoints
from workbench.record.folder import list_runs
from workbench.record.summary import summarize

ENDLESS = to_toml(small("train.steps=100000000", "record.every=1000", "pause.at_saddle=false"))
DEAF = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
"""A shell that ignores the hang-up and becomes what follows."""


def words(tmp_path: Path) -> list[str]:
    (tmp_path / "run.toml").write_text(ENDLESS)
    return [*WORKBENCH, "run", str(tmp_path / "run.toml")]


def training(text: str) -> bool:
    return (step_shown(text) or 0) > 20


def check_stopped(runs: Path) -> None:
    (folder,) = list_runs(runs)
    assert summarize(folder).status == "stopped"
    assert list_checkpoints(folder)
    assert not list(folder.rglob("*.tmp"))


def test_a_hang_up_that_was_ignored_at_the_start_changes_nothing(tmp_path: Path) -> None:
    with Terminal([*DEAF, *words(tmp_path)], 80, 24, environment(tmp_path)) as terminal:
        terminal.wait(training)
        os.kill(terminal.pid, signal.SIGHUP)
        before = step_shown(terminal.text) or 0
        terminal.wait(lambda text: (step_shown(text) or 0) > before + 2_000)
        terminal.send("q")
        terminal.wait("y leave")
        terminal.send("y")
        assert terminal.wait_gone() == 0
    check_stopped(tmp_path)


def test_a_terminal_that_closes_ends_in_a_checkpoint_though_the_hang_up_is_ignored(
    tmp_path: Path,
) -> None:
    terminal = Terminal([*DEAF, *words(tmp_path)], 80, 24, environment(tmp_path))
    try:
        terminal.wait(training)
        os.close(terminal.process.fd)
        wait_until(lambda: not alive(terminal.pid), 30, "for the process to end")
    finally:
        if alive(terminal.pid):
            os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
    check_stopped(tmp_path)


STUCK = """
import time
from workbench.tui.run.panel import Panel
tick, looks = Panel._tick, []
def ticked(self):
    tick(self)
    step = self.app.session.engine.state.step if self.app.session is not None else 0
    if step > 200 and not looks:
        looks.append(self.app.run_worker(lambda: time.sleep(3600), thread=True))
    elif step > 2000 and BROKEN:
        raise ZeroDivisionError("a broken part")
Panel._tick = ticked
from commands.main import main
main()
"""


@pytest.mark.parametrize("how", ["exception", "SIGUSR1"])
def test_no_process_stays_behind_for_a_look_that_takes_an_hour(tmp_path: Path, how: str) -> None:
    script = f"BROKEN = {how == 'exception'}{STUCK}"
    command = [sys.executable, "-c", script, *words(tmp_path)[len(WORKBENCH) :]]
    with Terminal(command, 80, 24, environment(tmp_path)) as terminal:
        terminal.wait(training)
        if how == "exception":
            assert terminal.wait_gone() == 1
            assert "the screen failed: ZeroDivisionError" in terminal.text
        else:
            terminal.wait(lambda text: (step_shown(text) or 0) > 2_000)
            os.kill(terminal.pid, signal.SIGUSR1)
            assert terminal.wait_gone() == 130
        sent = terminal.received.decode()
    assert sent.rindex("\x1b[?1049l") > sent.rindex("\x1b[?1049h")
    assert "Traceback" not in sent
    assert "go on with: workbench resume" in sent
    check_stopped(tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_while_the_run_is_made_leaves_no_half_of_one(
    tmp_path: Path, number: signal.Signals
) -> None:
    draw = random.Random(int(number))
    for attempt in range(8):
        runs = tmp_path / str(attempt)
        runs.mkdir()
        with Terminal(words(runs), 80, 24, environment(runs)) as terminal:
            terminal.wait(lambda text: text.strip())
            terminal.run(draw.uniform(0.0, 2.5))
            os.kill(terminal.pid, number)
            assert terminal.wait_gone() == 130
            assert "Traceback" not in terminal.received.decode()
        for folder in list_runs(runs):
            assert summarize(folder).status == "stopped"
            assert not list(folder.rglob("*.tmp"))
