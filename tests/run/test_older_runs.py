"""Runs that an older version made, stopped half-way, one of each step rule: they open, and end as they would
have.

`older/<rule>.tar.xz` holds such a run at half its steps, `older/<rule>.npz` every series of the same run
trained to its end in one go by that version, and the processor it was made on. Sums may be rounded
otherwise on another processor: there the last digits may differ.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray
from typer.testing import CliRunner

from commands.main import app
from workbench.record.reader import RunReader
from workbench.run.session import Session

OLDER = Path(__file__).parent / "older"
RULES = sorted(path.stem for path in OLDER.glob("*.npz"))
OTHER_PROCESSOR = 1e-9


@pytest.fixture(params=RULES)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    with tarfile.open(OLDER / f"{request.param}.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    return request.param, tmp_path / request.param


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")


def said(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
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
