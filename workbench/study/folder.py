"""Where the parts of a study lie in its folder."""

from __future__ import annotations

from pathlib import Path

STUDY_FILE = "study.toml"
SHARDS = "shards"


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return Path(folder) / SHARDS / f"{number:04d}.h5"


def claim_folder(folder: Path, number: int) -> Path:
    """Where the claim of who steps a shard lies: its lock and its heartbeat, as in a run's folder."""
    return Path(folder) / SHARDS / f"{number:04d}.lock"
