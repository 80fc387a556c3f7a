"""Watch homogeneous neural networks learn, stop near a saddle, look inside, and go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xarray import Dataset

    from workbench.run.stored import StoredRun

__version__ = "0.1.0"


def open(run: Path | str = "last", runs_dir: Path | str | None = None) -> StoredRun:
    """A stored run, as commands find it: by id, a unique prefix of it, name, path, or the newest one.

    It is only read, also while it is trained; close it, or use it in a `with`. `runs_dir`: where to look,
    else $WORKBENCH_RUNS, else ./runs.

    Raises:
        BadInput: no run or several fit, with the nearest; or it is a study.
        StorageError: the runs folder cannot be read.
    """
    from workbench.record.folder import default_runs_dir, resolve_run
    from workbench.run.stored import StoredRun

    place = default_runs_dir() if runs_dir is None else Path(runs_dir)
    return StoredRun(resolve_run(str(run), place))


def open_study(path: Path | str) -> Dataset:
    """A study's folder as an xarray data set whose dimensions are the grid's keys; see docs/studies.md.

    Raises:
        BadInput: the folder holds no study.
        StorageError: its plan cannot be read.
    """
    # What loads xarray and torch waits for whoever asks.
    from workbench.study.gather import open_study as opened

    return opened(path)
