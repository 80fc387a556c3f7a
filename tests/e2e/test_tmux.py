"""The run screen in tmux: every key, leaving, signals, hang-ups."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from e2e.terminal import alive, cpu_seconds, environment, step_shown, wait_until
from e2e.tmux import PROMPT, Tmux

from workbench.record.checkpoint import list_checkpoints
from workbench.record.folder import list_runs
from workbench.record.reader import RunReader
from workbench.record.summary import summarize

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

LONG = "--set train.steps=100000000 --no-pause-at-saddle"


def check_resumable(folder):
    """Stopped with a checkpoint of its last step."""
    summary = summarize(folder)
    assert summary.status == "stopped", summary
    with RunReader(folder) as reader:
        stopped = [event.step for event in reader.events() if event.kind == "stopped"]
    step = list_checkpoints(folder)[-1][0]
    assert stopped[-1:] == [step]
    assert summary.step <= step < summary.step + 10
    return step


def training(text):
    """Whether steps are being taken on the screen."""
    return "live" in text.splitlines()[0] and (step_shown(text) or 0) > 20


def press_step(tmux, steps, *keys):
    """The step shown once keys have taken steps, and no more.

    The head says "paused" while a handful of steps is taken, and a slow terminal sees some between.
    """
    after = step_shown(tmux.text) + steps
    tmux.keys(*keys)
    tmux.wait(lambda text: "paused" in text.splitlines()[0] and step_shown(text) == after)
    time.sleep(0.3)
    assert step_shown(tmux.text) == after
    return after


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24), (40, 15)])
def test_every_key_does_what_the_help_says(tmp_path, columns, rows):
    with Tmux(columns, rows, environment(tmp_path)) as tmux:
        tmux.workbench(f"run kh24-fig1 {LONG}")
        tmux.wait(training)
        assert tmux.ask("#{alternate_on}") == "1"
        tmux.keys("Space")
        tmux.wait(lambda text: "paused" in text.splitlines()[0])
        press_step(tmux, 1, "s")
        tmux.keys("S")
        tmux.wait("how many steps")
        tmux.keys("1", "0")
        tmux.wait(r"│ ?10 ")
        after = press_step(tmux, 10, "Enter")
        tmux.keys("c")
        folder = list_runs(tmp_path)[0]
        wait_until(lambda: list_checkpoints(folder)[-1][0] == after, 10)

        for key in ("Tab", "z", "z", "y", "y", "x", "x", "x", "v", "v", "Left", "Right", "End"):
            tmux.keys(key)
            time.sleep(0.15)
            assert "paused" in tmux.text.splitlines()[0], f"after {key}:\n{tmux.text}"
        tmux.keys("Tab")
        tmux.wait("▸")
        steps = tmux.text
        tmux.keys("x")
        tmux.wait(lambda text: text != steps)
        tmux.keys("x", "x")
        tmux.keys("?")
        tmux.wait("keys ─")
        tmux.keys("Escape")
        tmux.wait(lambda text: "keys ─" not in text)
        tmux.keys("Home")
        tmux.wait(lambda text: step_shown(text) == 0)
        tmux.keys("Escape")
        tmux.wait(lambda text: step_shown(text) == after)

        tmux.keys("q")
        tmux.wait("y leave")
        tmux.keys("n")
        tmux.wait(lambda text: "y leave" not in text)
        tmux.keys("q")
        tmux.wait("y leave")
        tmux.keys("y")
        # The shell's old prompt is back before the last words are printed.
        wait_until(lambda: f"{folder.name}  stopped at step {after:,}" in tmux.told, 10)
        wait_until(lambda: f"go on with: workbench resume {folder.name}" in tmux.told, 10)
        tmux.wait(re.escape(PROMPT.strip()))
        tmux.check_restored()
        assert check_resumable(folder) == after

        tmux.clear()
        tmux.workbench("resume last")
        tmux.wait(lambda text: training(text) and step_shown(text) > after)
        tmux.keys("C-c")
        tmux.wait(re.escape(PROMPT.strip()))
        assert check_resumable(folder) > after
        if columns >= 80:
            tmux.clear()
            tmux.workbench("list")
            tmux.wait(r"kh24-fig1.*stopped|stopped.*kh24-fig1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_the_run_with_a_checkpoint(tmp_path, number):
    with Tmux(80, 24, environment(tmp_path)) as tmux:
        tmux.workbench(f"run kh24-fig1 {LONG}; echo code=$?")
        tmux.wait(training)
        trainer = tmux.trainer()
        os.kill(trainer, number)
        wait_until(lambda: not alive(trainer), 10, "for the process to end")
        tmux.wait(r"(?m)^code=130$")
        check_resumable(list_runs(tmp_path)[0])
        tmux.check_restored()


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("how", ["kill-session", "killed server"])
def test_a_hang_up_ends_the_run_with_a_checkpoint(tmp_path, how, paused):
    with Tmux(80, 24, environment(tmp_path)) as tmux:
        tmux.workbench(f"run kh24-fig1 {LONG}")
        tmux.wait(training)
        if paused:
            tmux.keys("Space")
            tmux.wait("paused")
        trainer = tmux.trainer()
        if how == "kill-session":
            tmux("kill-session", "-t", "t")
        else:
            os.kill(int(tmux.ask("#{pid}")), signal.SIGKILL)
        cut = cpu_seconds(trainer)
        wait_until(lambda: not alive(trainer), 10, "for the process to end")
        assert cut < 60.0
    folder = list_runs(tmp_path)[0]
    step = check_resumable(folder)
    resume(folder, step, tmp_path)


def resume(folder, step, runs):
    """Take some more steps headless."""
    command = ["resume", folder.name, "--headless", "--steps", str(step + 50)]
    from e2e.terminal import ROOT, WORKBENCH

    done = subprocess.run(
        [*WORKBENCH, *command],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(runs),
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"finished  step {step + 50:,}" in done.stdout


def test_a_small_window_that_grows_and_shrinks_is_drawn_anew(tmp_path):
    with Tmux(80, 24, environment(tmp_path)) as tmux:
        tmux.workbench(f"run kh24-fig1 {LONG}")
        tmux.wait(training)
        for columns, rows, what in ((20, 6, "too small"), (120, 40, "events"), (40, 15, "q")):
            tmux("resize-window", "-t", "t", "-x", columns, "-y", rows)
            tmux.wait(what)
        tmux.keys("C-c")
        tmux.wait(re.escape(PROMPT.strip()))
        tmux.check_restored()
