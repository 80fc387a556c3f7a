"""CIFAR-10 from its python batches in a folder of the user's; their pickles are read as plain data only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Int, Shaped
from workbench.config.data import Cifar10Data
from workbench.data.classes import chosen_classes
from workbench.data.dataset import Dataset
from workbench.data.folder import existing_folder
from workbench.data.plain_pickle import LARGEST, NotPlain, read_plain
from workbench.data.reading import reading
from workbench.errors import BadInput, clean_text

NAMES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
PIXELS = 3 * 32 * 32


def cifar10(config: Cifar10Data) -> Dataset:
    """Colour pictures as x (n, 3072) in 0..1, channel by channel; labels as `chosen_classes`.

    The folder is `cifar-10-batches-py` or the one it lies in. Raises BadInput naming the file that is
    missing, damaged, or holds anything but plain data.
    """
    batches = [_read(path) for path in files(config)]
    pixels = np.concatenate([batch[0] for batch in batches])
    labels = np.concatenate([batch[1] for batch in batches])
    return chosen_classes(
        labels,
        pixels,
        255.0,
        config.classes,
        config.n,
        config.seed,
        "cifar10",
    )


def files(config: Cifar10Data) -> tuple[Path, ...]:
    """The batches of the split; raises BadInput where one is missing."""
    folder = existing_folder(config.path, "CIFAR-10's python batches")
    inner = folder / "cifar-10-batches-py"
    folder = inner if inner.is_dir() else folder
    names = NAMES[config.split]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput(
            f"data.path: {clean_text(str(folder))} lacks {', '.join(missing)}; CIFAR-10's python batches "
            "are needed."
        )
    return tuple(folder / name for name in names)


def _read(path: Path) -> tuple[Shaped[np.ndarray, "n 3072"], Int[np.ndarray, " n"]]:
    """Pixels (unsigned bytes) and labels of one batch."""
    shown = clean_text(str(path))
    with reading(path, "a python batch of CIFAR-10 is needed"):
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{shown} holds more than {LARGEST >> 20} MiB; no batch does.")
        found = _plain(path.read_bytes(), shown)
    table = found if isinstance(found, dict) else {}
    pixels, labels = (table.get(key.encode(), table.get(key)) for key in ("data", "labels"))
    if (
        not isinstance(pixels, np.ndarray)
        or not isinstance(labels, list)
        or pixels.dtype != np.uint8
        or pixels.shape != (len(labels), PIXELS)
    ):
        raise BadInput(
            f"{shown} is no batch of CIFAR-10: needed are `data`, (n, {PIXELS}) unsigned bytes, and "
            "`labels`, a list of n numbers."
        )
    if any(not isinstance(t, int) or not 0 <= t <= 9 for t in labels):
        raise BadInput(f"{shown} holds labels other than the numbers 0 to 9.")
    return pixels, np.array(labels, dtype=np.int64)


def _plain(data: bytes, shown: str) -> Any:
    try:
        return read_plain(data)
    except NotPlain as error:
        raise BadInput(
            f"{shown} {clean_text(str(error), 120)}; only pickles of arrays, strings, numbers, lists and "
            "dicts are read."
        ) from error
