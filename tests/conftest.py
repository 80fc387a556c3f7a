"""Shared fixtures; shapes in signatures are checked while the tests run."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

from jaxtyping import install_import_hook

install_import_hook(
    ["workbench.measures", "workbench.models", "workbench.data", "workbench.theory"],
    "beartype.beartype",
)
