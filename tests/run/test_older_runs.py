"""Runs that an older version made, stopped half-way, one of each step rule: they open, and end as they would
have.

`older/<rule>.tar.xz` holds such a run at half its steps, `older/<rule>.npz` every series of the same run
trained to its end in one go by that version, and the processor it was made on. Sums may be rounded
otherwise on another processor, or by other kernels of BLAS: there the last digits may differ.
"""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray
from threadpoolctl import threadpool_info
from typer.testing import CliRunner

from commands import main
from workbench.protocol.status import RunStatus
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.run.stored import StoredRun
from workbench.tui.app import WorkbenchApp
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.widgets.statusline import StatusLine

OLDER = Path(__file__).parent / "older"
RULES = sorted(path.stem for path in OLDER.glob("*.npz"))
OTHER_PROCESSOR = 1e-9


@pytest.fixture(params=RULES)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    with tarfile.open(OLDER / f"{request.param}.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    return request.param, tmp_path / request.param


def processor() -> str:
    """The processor's name, with the kernels of NumPy's BLAS where they are not those of the archives:
    OPENBLAS_CORETYPE gives one processor others."""
    kernels = {
        library["architecture"]
        for library in threadpool_info()
        if library["internal_api"] == "openblas" and "numpy" in library["filepath"]
    }
    return model_name() if kernels <= {"Haswell"} else f"{model_name()} {sorted(kernels)}"


def model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def said(*words: str) -> str:
    done = CliRunner().invoke(main.app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_there_is_one_of_every_rule() -> None:
    assert {"constant", "normalized", "loss-based", "smoothness", "flow", "torch"} <= set(RULES)


def test_it_ends_as_if_it_had_never_stopped(older: tuple[str, Path]) -> None:
    rule, folder = older
    with np.load(OLDER / f"{rule}.npz") as found:
        whole = {name: found[name] for name in found.files}
    same = str(whole.pop("processor")) == processor()
    with Session.resume(folder, steps=int(whole["step"][-1]), trust=True) as session:
        session.start()
        assert session.wait(60)
        assert session.engine.error is None
    with RunReader(folder) as reader:
        assert reader.status == "finished"
        assert set(reader.series_names()) == set(whole), "the series that its file began with"
        for name, values in whole.items():
            now = reader.read(name)
            if same:
                np.testing.assert_array_equal(now, values, err_msg=name)
            else:
                np.testing.assert_allclose(now, values, rtol=OTHER_PROCESSOR, err_msg=name)


def test_it_is_listed_shown_inspected_and_exported(
    older: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, folder = older
    monkeypatch.setenv("WORKBENCH_RUNS", str(folder.parent))
    assert rule in said("list")
    assert json.loads(said("show", rule, "--json"))["status"] == "finished"
    trust = ["--trust"] if rule == "torch" else []
    inspected = json.loads(said("inspect", rule, "--at", "10", "--json", *trust))
    assert inspected["step"] == 10
    target = folder.parent / "out.nc"
    said("export", rule, "--to", str(target))
    with RunReader(folder) as reader, xarray.open_dataset(target) as exported:
        np.testing.assert_array_equal(exported["log_risk"].values, reader.read("log_risk"))
    with StoredRun(folder) as run:
        named = run.parameters(10, trust=True)
        flat = np.concatenate([array.reshape(-1) for array in named.values()])
        assert flat.tobytes() == run.theta(10).tobytes()


async def test_it_is_replayed_and_looked_into(older: tuple[str, Path]) -> None:
    rule, folder = older
    app = WorkbenchApp.to_browse(folder.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        app.go(OpenReplay(folder))
        await until(lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source)
        replay = app.screen
        own = rule == "torch"
        if not own:
            await until(lambda: replay.panel.source.network is not None)
        status = replay.query_one("#status", StatusLine)
        await until(lambda: status.model is not None and status.model.name)
        await pilot.press("home")
        await until(lambda: status.model is not None and status.model.step == 0)
        assert status.model.state is RunStatus.REPLAYED
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InspectorScreen))
        inside = app.screen
        await until(lambda: inside.examined is not None and inside.examined.inspection.step == 0)
