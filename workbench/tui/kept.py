"""What a person chose for a folder of runs, kept from one time to the next.

`~/.local/state/workbench/<what>/<hash of the folder's path>.json` (or below `$XDG_STATE_HOME`): beside the
person, not beside the runs, which others look at too. A file that is damaged, or cannot be written, is as
good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_KEPT = 200
"""Folders of which something is kept, those looked at last."""
LARGEST = 1 << 16


def kept_path(what: str, runs_dir: Path) -> Path:
    """The file of a runs folder."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local/state")
    name = hashlib.sha256(os.fsencode(os.path.realpath(runs_dir))).hexdigest()[:24]
    return Path(home) / "workbench" / what / f"{name}.json"


def load_kept(what: str, runs_dir: Path) -> dict[str, Any]:
    """What is kept of a folder, empty where there is nothing; never raises."""
    try:
        with open(kept_path(what, runs_dir), encoding="utf-8") as file:
            table = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def save_kept(what: str, runs_dir: Path, table: Mapping[str, Any]) -> None:
    """Keep a table in place of the one before; an empty one is forgotten. Never raises."""
    path = kept_path(what, runs_dir)
    with contextlib.suppress(OSError):
        if not table:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = path.with_name(f"{path.name}-{secrets.token_hex(4)}.tmp")
        aside.write_text(json.dumps(table), encoding="utf-8")
        os.replace(aside, path)
        kept = sorted(path.parent.iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for old in kept[MOST_KEPT:]:
            old.unlink()
