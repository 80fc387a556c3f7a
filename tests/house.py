"""A copy of the packages, for tests that follow a recipe of CONTRIBUTING.md and count the files touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class House:
    """A copy of the packages that a recipe edits; `touched` are the files it has."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.touched = folder, set[str]()
        for package in ("workbench", "commands"):
            shutil.copytree(
                ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        (folder / "docs").mkdir()
        for name in ("make_file_tables.py", "files.md"):
            shutil.copy(ROOT / "docs" / name, folder / "docs")

    def write(self, path: str, text: str) -> None:
        """A new file."""
        assert not (self.folder / path).exists(), path
        (self.folder / path).write_text(text, "utf-8")
        self.touched.add(path)

    def insert(self, path: str, *edits: tuple[str, str]) -> None:
        """In a file that is there, a line before the one line that begins with an anchor, for every edit."""
        lines = (self.folder / path).read_text("utf-8").splitlines()
        for anchor, line in edits:
            (place,) = [i for i, text in enumerate(lines) if text.startswith(anchor)]
            lines.insert(place, line)
        (self.folder / path).write_text("\n".join(lines) + "\n", "utf-8")
        self.touched.add(path)

    def replace(self, path: str, old: str, new: str) -> None:
        """In a file that is there, a text that stands there once."""
        text = (self.folder / path).read_text("utf-8")
        assert text.count(old) == 1, (path, old)
        (self.folder / path).write_text(text.replace(old, new), "utf-8")
        self.touched.add(path)

    def run(self, *arguments: object) -> str:
        """What `python …` prints there."""
        env = {**os.environ, "PYTHONPATH": str(self.folder), "NO_COLOR": "1"}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=env,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def workbench(self, *arguments: object) -> str:
        """What a command prints there."""
        return self.run("-m", "commands.main", *arguments)
