"""The run screen over a real ssh: keys, a cut connection, tmux at the far end, a slow line."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import sys
import time

import pytest
from e2e.sshd import SSHD, SlowLine, Sshd
from e2e.terminal import WORKBENCH, Terminal, alive, environment, step_shown, trainers, wait_until

from workbench.record.checkpoint import list_checkpoints
from workbench.record.folder import list_runs
from workbench.record.lock import is_alive
from workbench.record.reader import RunReader
from workbench.run.session import Session

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="sshd is not installed"),
    pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed"),
]

RUN = (*WORKBENCH, "run", "kh24-fig1", "--set", "train.steps=100000000", "--no-pause-at-saddle")


@pytest.fixture
def server(tmp_path):
    place = tmp_path / "sshd"
    place.mkdir()
    with Sshd(place) as started:
        yield started


def training(text):
    return "live" in text.splitlines()[0] and (step_shown(text) or 0) > 20


def check_stopped_at_its_last_step(runs):
    (folder,) = list_runs(runs)
    wait_until(lambda: not is_alive(folder), 20.0, "for the run's lock")
    with RunReader(folder) as reader:
        assert reader.status == "stopped"
        (stopped,) = [e.step for e in reader.events() if e.kind == "stopped"]
    assert list_checkpoints(folder)[-1][0] == stopped
    session = Session.resume(folder)
    assert session.engine.state.step == stopped
    session.start()
    wait_until(lambda: session.engine.state.step > stopped + 20)
    session.close()


def test_keys_work_and_leaving_restores_the_terminal(tmp_path, server):
    command = server.command(environment(tmp_path / "runs"), *RUN)
    with Terminal(command, 80, 24, environment(tmp_path)) as terminal:
        terminal.wait(training, 60)
        terminal.send(" ")
        terminal.wait(lambda text: "paused" in text.splitlines()[0])
        before = step_shown(terminal.text)
        terminal.send("s")
        terminal.wait(lambda text: step_shown(text) == before + 1)
        terminal.send("q")
        terminal.wait("leave")
        terminal.send("y")
        terminal.wait_gone()
        assert terminal.received.rindex(b"\x1b[?1049l") > terminal.received.rindex(b"\x1b[?1049h")
        assert "workbench resume" in terminal.text.replace("\n", " ")
    check_stopped_at_its_last_step(tmp_path / "runs")


@pytest.mark.parametrize("cut", ["client", "server"])
def test_a_cut_connection_leaves_a_checkpoint_of_the_last_step(tmp_path, server, cut):
    command = server.command(environment(tmp_path / "runs"), *RUN)
    with Terminal(command, 80, 24, environment(tmp_path)) as terminal:
        terminal.wait(training, 60)
        (pid,) = trainers(server.process.pid)
        if cut == "client":
            os.kill(terminal.pid, signal.SIGKILL)
        else:
            sessions = [p for p in _sessions(server.process.pid) if pid not in (p,)]
            os.kill(sessions[-1], signal.SIGKILL)
        wait_until(lambda: not alive(pid), 20.0, "for the trainer to end")
    check_stopped_at_its_last_step(tmp_path / "runs")


def _sessions(pid):
    """The server's processes that hold the connection, the innermost last."""
    from e2e.terminal import command_of, descendants

    return [p for p in descendants(pid) if command_of(p).startswith("sshd")]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_in_tmux_a_cut_connection_stops_nothing(tmp_path, server):
    socket = f"/tmp/wb-ssh-{os.getpid()}"
    remote = {**environment(tmp_path / "runs"), "TMUX": ""}
    inner = ["tmux", "-f", "/dev/null", "-S", socket, "new-session", *RUN]
    with Terminal(server.command(remote, *inner), 80, 24, environment(tmp_path)) as terminal:
        try:
            terminal.wait(training, 60)
            (folder,) = list_runs(tmp_path / "runs")
            os.kill(terminal.pid, signal.SIGKILL)
            time.sleep(2.0)
            assert is_alive(folder)
            with RunReader(folder) as reader:
                before = reader.n_records
                wait_until(lambda: reader.refresh() > before, 20.0, "for new records")
        finally:
            os.system(f"tmux -S {socket} kill-server")
    check_stopped_at_its_last_step(tmp_path / "runs")


@pytest.mark.parametrize(
    ("columns", "rows", "keys"),
    [
        pytest.param(80, 24, 8, marks=pytest.mark.full),
        (120, 40, 8),
        pytest.param(80, 24, 20, marks=pytest.mark.full),
        pytest.param(120, 40, 20, marks=pytest.mark.full),
    ],
)
def test_keys_stay_quick_on_a_line_of_one_megabit(tmp_path, server, columns, rows, keys):
    with SlowLine(server.port) as line:
        command = server.command(environment(tmp_path / "runs"), *RUN, port=line.port)
        with Terminal(command, columns, rows, environment(tmp_path)) as terminal:
            terminal.wait(training, 60)
            began, sent = time.monotonic(), line.down
            terminal.run(5.0)
            rate = (line.down - sent) / (time.monotonic() - began)
            delays = []
            for press in range(keys):
                word = "paused" if press % 2 == 0 else "live"
                at = time.monotonic()
                terminal.send(" ")
                terminal.wait(lambda text, word=word: word in text.splitlines()[0])
                delays.append(time.monotonic() - at)
                terminal.run(0.6)
            terminal.send("\x03")
            terminal.wait_gone()
    median, worst = statistics.median(delays), max(delays)
    sys.stdout.write(
        f"{columns}x{rows} on 1 Mbit/s: {rate / 1000:.1f} kB/s while training, "
        f"key to screen median {median:.2f} s, worst {worst:.2f} s\n"
    )
    assert median < 1.5
    assert rate < 125_000
