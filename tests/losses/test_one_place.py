"""A loss is named in its own file, in the configuration, in presets and claims, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import workbench
from workbench.losses.registry import LOSSES

ALLOWED = ("losses/", "claims/", "presets/", "config/run.py")


def test_no_other_file_names_a_loss():
    named = re.compile(f"""["'`]({"|".join(map(re.escape, LOSSES))})["'`]""")
    root = Path(workbench.__path__[0])
    roots = [root, root.parent / "commands"]
    files = [
        (path, path.relative_to(root).as_posix()) for root in roots for path in root.rglob("*.py")
    ]
    assert len(files) > 300
    guilty = [
        place
        for path, place in files
        if not place.startswith(ALLOWED) and named.search(path.read_text(encoding="utf-8"))
    ]
    assert guilty == []


def test_every_loss_is_named_in_one_file_of_its_own():
    folder = Path(workbench.__path__[0]) / "losses"
    for name in LOSSES:
        found = [
            p.stem for p in folder.glob("*.py") if f'"{name}"' in p.read_text(encoding="utf-8")
        ]
        assert found == [name.replace("-", "_")]
