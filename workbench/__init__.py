"""Watch homogeneous neural networks learn, stop near a saddle, look inside, and go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xarray import Dataset

__version__ = "0.1.0"


def open_study(path: Path | str) -> Dataset:
    """A study's folder as an xarray data set whose dimensions are the grid's keys; see docs/studies.md.

    Raises:
        BadInput: the folder holds no study.
        StorageError: its plan cannot be read.
    """
    # What loads xarray and torch waits for whoever asks.
    from workbench.study.gather import open_study as opened

    return opened(path)
