"""Every preset in a real terminal, as contact sheets to look at: `python docs/make_contact_sheets.py DIR`.

Each preset runs in tmux at 120×40 until it pauses, ends, or has had its seconds; the screen is taken
there, at 80×24, and inside the inspector at both sizes. Sheets hold nine screens each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from screenshot import Cell, Pen, parse, render

from workbench.presets import preset_names

SIZES = ((120, 40), (80, 24))
COLUMNS, ROWS = 3, 3
SETTLE = 2.0
WAITING = ("paused", "finished", "diverged", "failed", "stopped", "stalled", "saddle")


class Terminal:
    """A tmux server of its own with one window."""

    made = 0

    def __init__(self, command: str, size: tuple[int, int]) -> None:
        # A server that is ending still holds its socket.
        Terminal.made += 1
        self.socket = f"sheets-{os.getpid()}-{Terminal.made}"
        width, height = map(str, size)
        environment = {**os.environ, "COLORTERM": "truecolor", "TERM": "xterm-256color"}
        self._tmux("new-session", "-d", "-x", width, "-y", height, command, env=environment)

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        call = ["tmux", "-L", self.socket, "-f", "/dev/null", *words]
        return subprocess.run(call, capture_output=True, text=True, env=env, check=False).stdout

    def resize(self, size: tuple[int, int]) -> None:
        """Change the window, as a user drags it."""
        self._tmux("resize-window", "-x", str(size[0]), "-y", str(size[1]))
        time.sleep(SETTLE)

    def press(self, key: str) -> None:
        """Send a key."""
        self._tmux("send-keys", key)
        time.sleep(SETTLE)

    def text(self) -> str:
        """The screen with its colours."""
        return self._tmux("capture-pane", "-e", "-p")

    def status(self) -> str:
        """The first line, plain."""
        return self._tmux("capture-pane", "-p").split("\n", 1)[0]

    def close(self) -> None:
        """End the server and what runs in it."""
        self._tmux("kill-server")


def screens(preset: str, runs: Path, seconds: float) -> Iterator[tuple[str, Image.Image]]:
    """(what it shows, picture) of a preset at both sizes, outside and inside."""
    words = [sys.executable, "-m", "commands.main", "run", preset, "--runs-dir", str(runs)]
    terminal = Terminal(" ".join(words), SIZES[0])
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(w in terminal.status() for w in WAITING):
            time.sleep(0.5)
        time.sleep(SETTLE)
        for key, place in ((None, "run"), ("i", "inside")):
            if key is not None:
                terminal.press(key)
                time.sleep(2 * SETTLE)
            for size in SIZES:
                terminal.resize(size)
                yield f"{place}_{size[0]}x{size[1]}", drawn(terminal.text(), size)
            terminal.resize(SIZES[0])
    finally:
        terminal.close()


def drawn(text: str, size: tuple[int, int]) -> Image.Image:
    """A picture of the whole window, whatever the lines hold."""
    width, height = size
    blank = Cell(" ", Pen())
    rows = [[*row, *[blank] * width][:width] for row in parse(text)][:height]
    return render([*rows, *[[blank] * width] * (height - len(rows))])


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Nine screens at half their size."""
    width, height = (side // 2 for side in pictures[0].size)
    whole = Image.new("RGB", (COLUMNS * (width + 8), ROWS * (height + 8)), (60, 66, 74))
    for place, shot in enumerate(pictures):
        row, column = divmod(place, COLUMNS)
        small = shot.resize((width, height), Image.Resampling.LANCZOS)
        whole.paste(small, (column * (width + 8) + 4, row * (height + 8) + 4))
    return whole


def main() -> None:
    """Take the screens and lay them out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("presets", nargs="*", default=preset_names())
    parser.add_argument("--seconds", type=float, default=20.0, help="most seconds a preset trains")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    shots: dict[str, list[Image.Image]] = {}
    with tempfile.TemporaryDirectory() as runs:
        for preset in chosen.presets:
            for kind, shot in screens(preset, Path(runs), chosen.seconds):
                shot.save(chosen.folder / f"{preset}_{kind}.png")
                shots.setdefault(kind, []).append(shot)
            sys.stderr.write(f"{preset}\n")
    each = COLUMNS * ROWS
    for kind, drawn_all in shots.items():
        for number, first in enumerate(range(0, len(drawn_all), each)):
            sheet(drawn_all[first : first + each]).save(
                chosen.folder / f"sheet_{kind}_{number}.png"
            )


if __name__ == "__main__":
    main()
