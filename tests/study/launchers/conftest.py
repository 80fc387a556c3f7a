"""Schedulers that are shell scripts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts scripts on a PATH that has nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    shell = shutil.which("sh", path="/bin:/usr/bin")

    def put(**scripts: str) -> None:
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!{shell}\nPATH=/bin:/usr/bin\n{script}\n")
            (tmp_path / name).chmod(0o755)

    return put
