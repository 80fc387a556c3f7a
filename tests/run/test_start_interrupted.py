"""A start that is cut short, by a signal at any moment or by an error, leaves no folder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cases import small

import workbench.run.session as module
from workbench.errors import StorageError
from workbench.record.folder import run_folders
from workbench.run.session import Session

ROOT = Path(__file__).parents[2]

INTERRUPTED = """
import os, signal, sys
from pathlib import Path
import workbench.run.session as module
from workbench.run import signals
from workbench.run.session import Session, load_config

make = getattr(module, sys.argv[2])

def interrupted(*given, **named):
    made = make(*given, **named)
    os.kill(os.getpid(), signal.SIGTERM)
    return made

setattr(module, sys.argv[2], interrupted)
signals.take_over()
try:
    Session.create(load_config("first-look"), Path(sys.argv[1]))
except signals.Interrupted as error:
    print("interrupted by", error.name)
"""


@pytest.mark.parametrize("where", ["create_run_folder", "RunLock", "write_config"])
def test_a_signal_leaves_no_folder(tmp_path: Path, where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "interrupted by SIGTERM\n", done.stderr
    assert run_folders(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_nothing_writes_into_the_folder_when_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beating = list[bool]()
    remove = module.remove_start
    # Sessions of other tests, not yet collected, may beat in this process too.
    others = set(threading.enumerate())

    def removing(folder: Path) -> None:
        mine = set(threading.enumerate()) - others
        beating.append(any(thread.name == "heartbeat" for thread in mine))
        remove(folder)

    def full(*_: object, **__: object) -> None:
        raise StorageError("no room")

    monkeypatch.setattr(module, "remove_start", removing)
    monkeypatch.setattr(module, "write_config", full)
    with pytest.raises(StorageError, match="no room"):
        Session.create(small(), tmp_path)
    assert beating == [False]
    assert run_folders(tmp_path) == []
