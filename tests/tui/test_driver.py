"""The driver against scripted terminals on a pty: answering, late, silent, gone."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.tui.driver import QUERY, REPLY, FrameClock, GuardedFile, ReplyParser

APP = textwrap.dedent(
    """
    import json, os, signal, sys, time
    from textual.app import App
    from textual.widgets import Static
    from workbench.tui.driver import AcknowledgedDriver, frame_ready

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    GIVE_UP, LINGER = float(sys.argv[2]), float(sys.argv[3])

    class Probe(App):
        keys, frames, pastes, lost = [], 0, [], 0

        def compose(self):
            yield Static("frame 0")

        def on_mount(self):
            self._driver._clock.give_up = GIVE_UP
            self.set_interval(0.02, self.tick)

        def tick(self):
            if frame_ready(self):
                self.frames += 1
                self.query_one(Static).update(f"frame {self.frames}")
            self.report()

        def on_key(self, event):
            self.keys.append(event.key)
            if event.key == "q":
                self.exit()

        def on_paste(self, event):
            self.pastes.append(event.text)

        def on_terminal_lost(self):
            self.lost += 1
            self.set_timer(LINGER, self.exit)

        def report(self, cpu=None):
            found = {"keys": self.keys, "frames": self.frames, "pastes": self.pastes,
                     "lost": self.lost, "cpu": cpu,
                     "asking": self._driver._clock.asking if self._driver else None}
            with open(sys.argv[1] + ".tmp", "w") as file:
                json.dump(found, file)
            os.replace(sys.argv[1] + ".tmp", sys.argv[1])

    app = Probe(driver_class=AcknowledgedDriver)
    try:
        app.run()
    finally:
        app.report(sum(os.times()[:2]))
    """
)


class Terminal:
    """The master side of a pty with an app on the other end."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], report: Path) -> None:
        self.master, self.process, self._report = master, process, report
        self.output = b""
        self.asked = 0
        self._seen = 0

    def serve(
        self,
        seconds: float,
        answer: Callable[[], None] | None = None,
        until: Callable[[dict[str, Any]], bool] | None = None,
    ) -> None:
        """Read what the app writes; call `answer` for each query; stop early when `until` holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.02)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:
                    return
                found = self.output[self._seen :].count(QUERY.encode())
                if found:
                    self._seen = self.output.rfind(QUERY.encode()) + len(QUERY)
                self.asked += found
                for _ in range(found if answer else 0):
                    assert answer is not None
                    answer()
            if until is not None and until(self.report()):
                return

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def report(self) -> dict[str, Any]:
        if not self._report.exists():
            return {"keys": [], "frames": 0, "pastes": [], "lost": 0, "asking": None}
        found: dict[str, Any] = json.loads(self._report.read_text())
        return found


@contextmanager
def terminal(tmp_path: Path, give_up: float = 5.0, linger: float = 0.0) -> Iterator[Terminal]:
    """An app on a pty, ended for certain afterwards."""
    script, report = tmp_path / "probe.py", tmp_path / "report.json"
    script.write_text(APP)
    master, slave = pty.openpty()
    environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "40", "LINES": "5"}
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, str(script), str(report), str(give_up), str(linger)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environ,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process, report)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        # A test may have closed it to take the terminal away.
        with suppress(OSError):
            os.close(master)


def _leave(screen: Terminal, answer: Callable[[], None] | None) -> None:
    screen.type("q")
    screen.serve(10, answer, until=lambda _: screen.process.poll() is not None)
    assert screen.process.wait(5) == 0


def test_answers_let_frames_flow_and_never_become_keys(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen:

        def answer() -> None:
            screen.type(REPLY)

        screen.serve(20, answer, until=lambda r: r["frames"] >= 10)
        screen.type("ab\x1b[A")
        screen.serve(5, answer, until=lambda r: len(r["keys"]) >= 3)
        report = screen.report()
        assert report["keys"] == ["a", "b", "up"]
        assert report["frames"] >= 10
        _leave(screen, answer)
        assert screen.output.count(QUERY.encode()) == screen.asked


def test_a_late_answer_holds_the_next_frame_back(tmp_path: Path) -> None:
    with terminal(tmp_path, give_up=60) as screen:
        screen.serve(20, until=lambda r: r["asking"] is True and screen.asked >= 1)
        screen.serve(0.6)
        before = screen.report()["frames"]
        screen.serve(0.8)
        assert screen.report()["frames"] == before
        for _ in range(screen.asked):
            screen.type(REPLY)
        screen.serve(5, until=lambda r: r["frames"] > before)
        assert screen.report()["frames"] > before
        assert screen.report()["keys"] == []
        _leave(screen, lambda: screen.type(REPLY))


def test_a_silent_terminal_runs_free_after_two_silences(tmp_path: Path) -> None:
    with terminal(tmp_path, give_up=0.4) as screen:
        screen.serve(20, until=lambda r: r["asking"] is False)
        start, asked = screen.report()["frames"], screen.asked
        screen.serve(5, until=lambda r: r["frames"] >= start + 10)
        assert screen.report()["frames"] >= start + 10
        assert screen.asked <= asked + 1
        # An answer at last: it is asked again.
        screen.type(REPLY)
        screen.serve(5, until=lambda r: r["asking"] is True)
        assert screen.report()["asking"] is True
        _leave(screen, lambda: screen.type(REPLY))


def test_answers_cut_in_two_and_within_a_paste(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen:

        def answer() -> None:
            screen.type(REPLY[:2])
            time.sleep(0.01)
            screen.type(REPLY[2:])

        screen.serve(20, answer, until=lambda r: r["frames"] >= 3)
        screen.type(f"\x1b[200~some{REPLY} text\x1b[201~")
        screen.serve(5, answer, until=lambda r: bool(r["pastes"]))
        assert screen.report()["pastes"] == ["some text"]
        assert screen.report()["keys"] == []
        _leave(screen, answer)


def test_a_terminal_that_goes_away_is_noticed_once_and_costs_nothing(tmp_path: Path) -> None:
    with terminal(tmp_path, linger=2.0) as screen:

        def answer() -> None:
            screen.type(REPLY)

        screen.serve(20, answer, until=lambda r: r["frames"] >= 3)
        os.close(screen.master)
        begin = os.times()
        assert screen.process.wait(15) is not None
        report = screen.report()
        assert report["lost"] == 1
        used = os.times()
        # All of the child's time, with the start of Python and Textual: two seconds of spinning on
        # top would show.
        spent = used.children_user + used.children_system
        spent -= begin.children_user + begin.children_system
        assert spent < 3.0


def test_keys_after_escape_and_shift_f3_are_left_alone() -> None:
    answers: list[int] = []
    parser = ReplyParser(lambda: answers.append(1))
    keys = [getattr(m, "key", "") for m in parser.feed(f"a{REPLY}b\x1b[A{REPLY}")]
    assert keys == ["a", "b", "up"]
    assert len(answers) == 2


def test_clock_gives_up_counts_silences_and_recovers() -> None:
    now = [0.0]
    clock = FrameClock(give_up=4.0, now=lambda: now[0])
    assert clock.query()
    assert clock.pending()
    now[0] = 2.1
    assert not clock.pending()
    assert clock.asking
    clock.query()
    now[0] = 4.3
    assert not clock.pending()
    assert not clock.asking
    assert not clock.query()
    clock.reply()
    assert clock.asking
    clock.query()
    now[0] = 4.8
    clock.reply()
    for _ in range(5):
        clock.query()
        now[0] += 4.1
        assert not clock.pending()
    assert clock.asking
    clock.stop()
    clock.reply()
    assert not clock.query()


def test_guarded_file_drops_what_a_dead_terminal_refuses() -> None:
    class Dead:
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

        def flush(self) -> None:
            raise OSError(5, "Input/output error")

    errors: list[int] = []
    file = GuardedFile(Dead(), lambda: errors.append(1))  # type: ignore[arg-type]
    file.write("abc")
    file.write("de")
    file.flush()
    assert len(errors) == 1
    assert file.written == 5


def test_query_and_reply_are_status_reports() -> None:
    assert re.fullmatch(r"\x1b\[5n", QUERY)
    assert re.fullmatch(r"\x1b\[0n", REPLY)
