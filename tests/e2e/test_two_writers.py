"""Two real writers of one run, on machines that are made up: one records, the other is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from shims.node import node

from workbench.record.checkpoint import list_checkpoints
from workbench.record.reader import RunReader

CONFIG = """
name = "two"
[data]
kind = "gaussian-separable"
n = 12
[model]
kind = "two-layer-relu"
width = 6
[init]
kind = "gaussian"
scale = 0.2
[loss]
kind = "logistic"
[device]
kind = "cpu"
engine = "eager"
[train]
lr = 1e-3
steps = 60000
[record]
every = 4
[checkpoint]
every = 400
"""
# The same program with a shorter life of the heartbeat.
WORKBENCH = (
    "import workbench.record.heartbeat as h; h.BEAT, h.TRUST, h.LIFE = 0.2, 1.0, 5.0;"
    "import commands.main; commands.main.main()"
)


class Machine:
    """Commands as another machine would run them, over the same runs folder."""

    def __init__(self, place: Path, **what: str) -> None:
        self.runs = place / "runs"
        self.env = {**node(place, **what), "WORKBENCH_RUNS": str(self.runs)}
        self.config = place / "two.toml"
        self.config.write_text(CONFIG)

    def start(self, *arguments: object, out: IO[str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WORKBENCH, *map(str, arguments)],
            env=self.env,
            text=True,
            stdout=out or subprocess.PIPE,
            stderr=out or subprocess.PIPE,
        )

    def do(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=180)
        return process.returncode, out, err

    def run(self) -> tuple[subprocess.Popen[str], Path]:
        """A run that trains, and its folder, once it has a checkpoint past its start."""
        process = self.start("run", self.config, "--headless")
        wait_for(lambda: self.runs.exists() and len(self.folders()) == 1)
        (folder,) = self.folders()
        wait_for(lambda: any(step > 0 for step, _ in list_checkpoints(folder)))
        return process, folder

    def folders(self) -> list[Path]:
        return [path for path in self.runs.iterdir() if path.name[0] != "."]

    def status(self) -> str:
        code, out, err = self.do("list", "--json")
        assert code == 0, err
        (run,) = json.loads(out)["runs"]
        return str(run["status"])


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120.0
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def same_as_never_disturbed(folder: Path, place: Path) -> None:
    """Every series of a finished run is, bit for bit, that of a run that nobody disturbed."""
    (place / "quiet").mkdir()
    quiet = Machine(place / "quiet")
    code, _, err = quiet.do("run", quiet.config, "--headless")
    assert code == 0, err
    with RunReader(folder) as one, RunReader(quiet.folders()[0]) as other:
        assert one.status == other.status == "finished"
        assert one.n_records == other.n_records
        for name in other.series_names():
            np.testing.assert_array_equal(one.read(name), other.read(name), err_msg=name)


def contents(folder: Path) -> dict[Path, bytes]:
    """What the run consists of; its log also tells where another writer's records were put."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "log.txt")
    return {path: path.read_bytes() for path in files}


def events(folder: Path) -> list[tuple[str, str]]:
    with RunReader(folder) as reader:
        return [(event.kind, event.text) for event in reader.events()]


@pytest.mark.full
def test_where_locks_hold_on_one_machine_only_a_second_writer_is_refused(tmp_path: Path) -> None:
    first, second = (Machine(tmp_path, host=h, locks="always") for h in ("node7", "node8"))
    writer, folder = first.run()
    os.kill(writer.pid, signal.SIGSTOP)  # shorter than a life
    os.kill(writer.pid, signal.SIGCONT)
    code, _, err = second.do("resume", "last", "--headless")
    assert code == 2, err
    assert f"pid {writer.pid} on node7, since 20" in err
    assert second.status() == "running"
    writer.send_signal(signal.SIGTERM)
    _, err = writer.communicate(timeout=60)
    assert writer.returncode == 130, err
    assert second.status() == "stopped"
    code, _, err = second.do("resume", "last", "--headless")
    assert code == 0, err
    assert not (folder / "run.heartbeat").exists()
    same_as_never_disturbed(folder, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_where_there_are_no_locks_the_heartbeat_serves(tmp_path: Path, kind: str) -> None:
    machine = Machine(tmp_path, host="node7", locks=kind, links="none" if kind == "ENOSYS" else "")
    writer, folder = machine.run()
    code, _, err = machine.do("resume", "last", "--headless")
    assert code == 2, err
    assert f"pid {writer.pid} on node7, since 20" in err
    assert machine.status() == "running"
    writer.kill()
    wait_for(
        lambda: Path(f"/proc/{writer.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    )
    assert machine.status() == "lost"
    code, out, err = machine.do("show", "last")
    assert "last seen 20" in out
    assert f"on node7 (pid {writer.pid})" in out
    code, _, err = machine.do("resume", "last", "--headless")
    assert code == 0, err
    writer.communicate()
    told = [text for _, text in events(folder) if "no locks" in text]
    assert len(told) == 1
    same_as_never_disturbed(folder, tmp_path)


@pytest.mark.full
def test_a_writer_that_was_stopped_for_too_long_writes_nothing_more(tmp_path: Path) -> None:
    first, second = (Machine(tmp_path, host=h, locks="always") for h in ("node7", "node8"))
    writer, folder = first.run()
    os.kill(writer.pid, signal.SIGSTOP)
    code, _, err = second.do("resume", "last", "--headless")
    assert code == 0, err
    assert f"was lost (pid {writer.pid} on node7, since 20" in err
    files = contents(folder)
    os.kill(writer.pid, signal.SIGCONT)
    out, err = writer.communicate(timeout=60)
    assert writer.returncode == 1, (out, err)
    assert "was replaced while it was written" in err
    assert f"{folder.name}-kept" in err
    assert "finished" not in out
    assert contents(folder) == files
    with RunReader(folder.with_name(f"{folder.name}-kept")) as reader:
        assert reader.status == "failed"
        assert reader.n_records > 0
    same_as_never_disturbed(folder, tmp_path)


@pytest.mark.full
def test_a_writer_whose_run_is_taken_while_it_trains_stops_at_once(tmp_path: Path) -> None:
    """The second writer still trains when the first wakes up."""
    first, second = (Machine(tmp_path, host=h, locks="always") for h in ("node7", "node8"))
    writer, folder = first.run()
    os.kill(writer.pid, signal.SIGSTOP)
    with open(tmp_path / "second", "w+") as said:
        taker = second.start("resume", "last", "--headless", out=said)
        wait_for(lambda: any(kind == "resumed" for kind, _ in events(folder)))
        os.kill(writer.pid, signal.SIGCONT)
        out, err = writer.communicate(timeout=60)
        assert writer.returncode == 1, (out, err)
        assert f"pid {taker.pid} on node8" in err or taker.poll() is not None
        assert taker.wait(timeout=120) == 0
    same_as_never_disturbed(folder, tmp_path)
