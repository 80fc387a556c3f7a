"""run.h5 or its folder deleted, moved or replaced while the run is trained: noticed, kept, gone on with."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from cases import finished, small

from workbench.errors import RecordingGone
from workbench.protocol.commands import Resume
from workbench.protocol.status import RunStatus
from workbench.record.reader import RunReader
from workbench.run.session import Session

STEPS = "train.steps=700"


def series(folder: Path) -> dict[str, bytes]:
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)).tobytes() for name in reader.series_names()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return series(finished(tmp_path_factory.mktemp("whole"), STEPS).folder)


def take_away(folder: Path, how: str) -> None:
    match how:
        case "file deleted":
            (folder / "run.h5").unlink()
        case "folder deleted":
            # By another name first: the run's log may get a line in the meantime.
            shutil.rmtree(folder.rename(folder.with_name("deleted")))
        case "folder moved":
            folder.rename(folder.with_name("elsewhere"))
        case _:
            shutil.copy(folder / "run.h5", folder / "copy")
            os.replace(folder / "copy", folder / "run.h5")


@pytest.mark.parametrize("how", ["file deleted", "folder deleted", "folder moved", "replaced"])
@pytest.mark.parametrize("attended", [True, False])
def test_all_of_the_run_is_kept_beside_and_goes_on(
    tmp_path: Path, whole: dict[str, bytes], how: str, attended: bool
) -> None:
    session = Session.create(small(STEPS, "pause.at=[300]"), tmp_path, attended=True)
    if not attended:
        session.engine.plan = type(session.engine.plan)(
            **{**vars(session.engine.plan), "attended": False}
        )
    session.start()
    end = time.monotonic() + 60
    while session.engine.status is not RunStatus.PAUSED:
        assert time.monotonic() < end
        time.sleep(0.005)
    take_away(session.folder, how)
    session.engine.send(Resume())
    assert session.wait(60)
    assert session.engine.status is RunStatus.FAILED
    assert isinstance(session.engine.error, RecordingGone)
    said = str(session.engine.error)
    place = session.folder.with_name(session.folder.name + "-kept")
    assert f"workbench resume {place}" in said
    session.close()
    with RunReader(place) as reader:
        assert reader.status is RunStatus.FAILED
        assert reader.n_records > 0
    again = Session.resume(place)
    again.start()
    assert again.wait(60)
    assert again.engine.status is RunStatus.FINISHED
    again.close()
    assert series(place) == whole
