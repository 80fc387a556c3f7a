"""The run screen on plain and unusual terminals: colours, glyphs, and how soon it appears."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time

import pytest
from e2e.terminal import ROOT, WORKBENCH, Terminal, environment, step_shown

BRAILLE = re.compile("[\u2800-\u28ff]")
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def look(tmp_path, columns=80, rows=24, **env):
    """What a run sends to a terminal: the screen's text, everything sent, and the exit code."""
    command = [
        *WORKBENCH,
        "run",
        "kh24-fig1",
        "--set",
        "train.steps=100000000",
        "--no-pause-at-saddle",
    ]
    with Terminal(command, columns, rows, environment(tmp_path, **env)) as terminal:
        terminal.wait(lambda text: (step_shown(text) or 0) > 20)
        terminal.run(1.0)
        text = terminal.text
        terminal.send("?")
        terminal.wait("shift")
        terminal.send("\x1b")
        terminal.wait(lambda text: "shift" not in text)
        terminal.send("q")
        terminal.wait("y leave")
        terminal.send("y")
        code = terminal.wait_gone()
        sent = terminal.received.decode()
    assert "\x1b[?1049h" in sent
    assert sent.rindex("\x1b[?1049l") > sent.rindex("\x1b[?1049h")
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")
    return text, sent, code


def colours(sent):
    """The colours asked for: (r, g, b), an index above 15, or the name of one of 16."""
    found = set()
    for parameters in SGR.findall(sent):
        numbers = [int(p) for p in parameters.split(";") if p]
        while numbers:
            number = numbers.pop(0)
            if number in (38, 48) and numbers[:1] == [2]:
                found.add(tuple(numbers[1:4]))
                numbers = numbers[4:]
            elif number in (38, 48) and numbers[:1] == [5]:
                found.add(numbers[1])
                numbers = numbers[2:]
            elif number % 100 // 10 in (3, 4, 9, 10) and number % 10 < 8 and number >= 30:
                found.add(f"colour {number}")
    return found


def test_without_colour_there_are_only_greys(tmp_path):
    text, sent, code = look(tmp_path, NO_COLOR="1")
    assert code == 0
    assert BRAILLE.search(text)
    strong = [c for c in colours(sent) if not (isinstance(c, tuple) and max(c) - min(c) <= 24)]
    assert strong == []


@pytest.mark.parametrize("name", ["LANG", "LC_ALL"])
def test_the_c_locale_gets_ascii(tmp_path, name):
    text, sent, _ = look(tmp_path, **{name: "C"})
    assert not BRAILLE.search(sent)
    assert text.isascii(), sorted({c for c in text if not c.isascii()})


@pytest.mark.parametrize("term", ["xterm-16color", "screen", "xterm"])
def test_a_terminal_of_16_colours_gets_16(tmp_path, term):
    _, sent, _ = look(tmp_path, TERM=term, COLORTERM="")
    beyond = [c for c in colours(sent) if isinstance(c, tuple) or (isinstance(c, int) and c > 15)]
    assert beyond == []


def test_the_screen_needs_neither_torch_nor_scipy_to_appear():
    code = (
        "import sys, workbench.tui.app, workbench.tui.run.screen, workbench.tui.browse.screen\n"
        "print([m for m in ('torch', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [WORKBENCH[0], "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def first_paint(tmp_path):
    """Seconds from exec to the first text on the screen, and to the first step shown."""
    began = time.monotonic()
    with Terminal([*WORKBENCH, "run", "kh24-fig1"], 120, 40, environment(tmp_path)) as terminal:
        terminal.wait(lambda text: text.strip())
        painted = time.monotonic() - began
        terminal.wait(lambda text: step_shown(text) is not None)
        return painted, time.monotonic() - began


def test_the_screen_appears_before_torch_is_loaded(tmp_path):
    times = [first_paint(tmp_path) for _ in range(3)]
    painted, stepping = (statistics.median(column) for column in zip(*times, strict=True))
    sys.stdout.write(f"first paint {painted:.2f} s, first step {stepping:.2f} s\n")
    assert painted < stepping - 0.3
    assert painted < 3.0
