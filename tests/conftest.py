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


import threading  # noqa: E402

import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def _no_engine_outlives_its_test():
    """A failed test must not leave a waiting engine behind: its thread would keep pytest alive."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "engine"]
    if not left:
        return
    from workbench.protocol.commands import Stop

    for thread in left:
        engine = getattr(getattr(thread, "_target", None), "__self__", None)
        if engine is not None:
            engine.send(Stop("test over"))
            engine.send(Stop("test over"))
            engine.join(10)


@pytest.fixture(autouse=True, scope="session")
def _views_of_their_own(tmp_path_factory: pytest.TempPathFactory):
    """What screens keep of how runs are looked at is none of the person's who runs the tests."""
    before = {name: os.environ.get(name) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    state = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(state)
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
    # Nobody here is new.
    (state / "workbench").mkdir()
    (state / "workbench" / "tour").write_text("99\n")
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
