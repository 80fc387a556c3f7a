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


import gc  # noqa: E402

import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def _no_engine_outlives_its_test():
    """A failed test must not leave a waiting engine behind: its thread would keep pytest alive."""
    yield
    import sys

    module = sys.modules.get("workbench.engine.engine")
    if module is None:
        return
    from workbench.engine.control import Stop

    for engine in [o for o in gc.get_objects() if isinstance(o, module.Engine)]:
        if engine._thread.is_alive():
            engine.send(Stop("test over"))
            engine.send(Stop("test over"))
            engine.join(10)
