"""MNIST and its kin from IDX files of the user's own, plain or gzipped."""

from __future__ import annotations

import gzip
from math import prod
from pathlib import Path

import numpy as np

from workbench.arrays import Shaped
from workbench.config.data import MnistData
from workbench.data.classes import chosen_classes
from workbench.data.dataset import Dataset
from workbench.data.folder import existing_folder
from workbench.data.reading import reading, require_plausible
from workbench.errors import BadInput, clean_text

IMAGES, LABELS = 0x0803, 0x0801
"""Magic numbers: unsigned bytes (08) in three or one dimensions."""
PREFIX = {"train": "train", "test": "t10k"}
LARGEST = 1 << 30
"""Most bytes a file may declare."""


def mnist(config: MnistData) -> Dataset:
    """Grey pictures as x (n, height·width) in 0..1, labels as `chosen_classes`.

    The folder holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte` (`t10k-…` for the test set),
    also with `.gz` or with a dot before `idx`. Raises BadInput naming the file that is missing or wrong.
    """
    images_path, labels_path = files(config)
    images, labels = _read(images_path, IMAGES), _read(labels_path, LABELS)
    if len(images) != len(labels):
        raise BadInput(
            f"{clean_text(str(images_path))} holds {len(images):,} pictures and {labels_path.name} "
            f"{len(labels):,} labels; they must be as many."
        )
    return chosen_classes(
        labels.astype(np.int64),
        images.reshape(len(images), -1),
        255.0,
        config.classes,
        config.n,
        config.seed,
        "mnist",
    )


def files(config: MnistData) -> tuple[Path, Path]:
    """The files of pictures and of labels; raises BadInput where one is missing."""
    folder = existing_folder(config.path, "MNIST's IDX files")
    prefix = PREFIX[config.split]
    return (
        _find(folder, f"{prefix}-images", "idx3-ubyte"),
        _find(folder, f"{prefix}-labels", "idx1-ubyte"),
    )


def _find(folder: Path, stem: str, kind: str) -> Path:
    """The file under any of its usual names; raises BadInput with the first of them."""
    names = [f"{stem}{dot}{kind}{end}" for end in ("", ".gz") for dot in ("-", ".")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BadInput(
        f"data.path: {clean_text(str(folder))} holds no {names[0]} (nor {names[0]}.gz); MNIST's IDX "
        "files are needed."
    )


def _read(path: Path, magic: int) -> Shaped[np.ndarray, "..."]:
    """The unsigned bytes of an IDX file in their shape, no more read than its header declares."""
    shown = clean_text(str(path))
    what = "pictures" if magic == IMAGES else "labels"
    opening = gzip.open if path.suffix == ".gz" else open
    with (
        reading(path, f"an IDX file of {what} in unsigned bytes is needed"),
        opening(path, "rb") as file,
    ):
        found = int.from_bytes(file.read(4), "big")
        if found != magic:
            raise BadInput(
                f"{shown} begins with the magic number 0x{found:08x}; needed is 0x{magic:08x} "
                f"({what} in unsigned bytes)."
            )
        axes = magic & 0xFF
        head = file.read(4 * axes)
        shape = tuple(int(k) for k in np.frombuffer(head[: len(head) // 4 * 4], dtype=">u4"))
        size = prod(shape) if len(shape) == axes else 0
        if not 0 < size <= LARGEST:
            raise BadInput(
                f"{shown} declares the shape {shape}; from 1 to {LARGEST:,} bytes are allowed."
            )
        require_plausible(size, 1, path.stat().st_size, shown)
        data = file.read(size)
        more = bool(file.read(1))
    if len(data) != size or more:
        held = "more" if more else f"only {len(data):,}"
        raise BadInput(f"{shown} declares {size:,} bytes of the shape {shape} and holds {held}.")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)
