"""Where the parts of a study lie in its folder."""

from __future__ import annotations

from pathlib import Path

SHARDS = "shards"


def shards_folder(folder: Path) -> Path:
    """Where the shards lie, and the claims on them."""
    return Path(folder) / SHARDS


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return shards_folder(folder) / f"{number:04d}.h5"
