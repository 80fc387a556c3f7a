"""Signals to headless runs and to commands: a checkpoint, or nothing left; ignored ones change nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from e2e.processes import differences, started, toml_of, training
from e2e.terminal import children, wait_until

from workbench.record.checkpoint import list_checkpoints
from workbench.record.folder import list_runs
from workbench.record.summary import summarize

ENDING = [
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
]
HARMLESS = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGWINCH, signal.SIGCONT]


def run_arguments(runs: Path, toml: Path) -> list[object]:
    return ["run", toml, "--headless", "--json", "--runs-dir", runs]


@pytest.fixture(scope="module")
def twin(tmp_path_factory) -> Path:
    """The run that nobody has disturbed."""
    place = tmp_path_factory.mktemp("twin")
    process = started(run_arguments(place / "runs", toml_of(place)))
    assert "finished" in process.communicate(timeout=120)[0]
    return list_runs(place / "runs")[0]


def stopped(process: subprocess.Popen[str], folder: Path) -> None:
    """It ended with a checkpoint of its last step, the exit code of the interrupted, and no traceback."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err + out
    assert "go on with: workbench resume" in err
    assert '"status": "stopped"' in out
    summary = summarize(folder)
    assert summary.status == "stopped"
    assert list_checkpoints(folder)[-1][0] >= summary.step
    assert not list(folder.rglob("*.tmp"))


def check_resumed(folder: Path, twin: Path) -> None:
    process = started(["resume", folder, "--headless", "--json"])
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert '"status": "finished"' in out
    assert differences(folder, twin) == []


def test_a_warning_of_the_scheduler_ends_the_run_resumable(tmp_path: Path) -> None:
    process = started(run_arguments(tmp_path, toml_of(tmp_path)))
    folder = training(tmp_path, process)
    process.send_signal(signal.SIGUSR1)
    stopped(process, folder)
    events = (folder / "log.txt").read_text()
    assert "SIGUSR1" in events


@pytest.mark.full
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_and_many_more_of_it_leave_a_checkpoint(
    tmp_path: Path, number: signal.Signals, twin: Path
) -> None:
    process = started(run_arguments(tmp_path, toml_of(tmp_path)))
    folder = training(tmp_path, process, 400)
    for _ in range(50):
        process.send_signal(number)
        time.sleep(0.004)
    stopped(process, folder)
    check_resumed(folder, twin)


@pytest.mark.full
def test_used_up_processor_time_leaves_a_checkpoint(tmp_path: Path) -> None:
    endless = toml_of(tmp_path, toml_of(tmp_path).read_text().replace("10000", "100000000"))
    limit = 'ulimit -S -t 8; exec "$@"'
    process = started(run_arguments(tmp_path, endless), before=["sh", "-c", limit, "sh"])
    folder = training(tmp_path, process)
    stopped(process, folder)
    assert "SIGXCPU" in (folder / "log.txt").read_text()


def test_nohup_means_no_hang_up(tmp_path: Path) -> None:
    process = started(run_arguments(tmp_path, toml_of(tmp_path)), before=["nohup"])
    training(tmp_path, process)
    for number in [signal.SIGHUP, *HARMLESS]:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert '"status": "finished"' in out


def test_a_shells_background_job_ignores_the_interrupt(tmp_path: Path) -> None:
    """A shell without job control starts `command &` with SIGINT ignored."""
    shell = started(
        run_arguments(tmp_path, toml_of(tmp_path)), before=["sh", "-c", '"$@" & wait $!', "sh"]
    )
    training(tmp_path, shell)
    (job,) = children(shell.pid)
    os.kill(job, signal.SIGINT)
    out, err = shell.communicate(timeout=60)
    assert shell.returncode == 0, err
    assert '"status": "finished"' in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_what_a_parent_ignores_stays_ignored(tmp_path: Path, number: signal.Signals) -> None:
    process = started(
        run_arguments(tmp_path, toml_of(tmp_path)),
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )
    training(tmp_path, process)
    process.send_signal(number)
    assert '"status": "finished"' in process.communicate(timeout=60)[0]
    assert process.returncode == 0


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has handlers of the signals that ask to end; SIGINT has one in any Python."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return all(caught >> each - 1 & 1 for each in (number, signal.SIGUSR2))


def interrupted(
    process: subprocess.Popen[str], after: float, number: signal.Signals, own: int = 0
) -> str:
    """Signal a command some seconds after it has begun; what it said, if that ended it, and as it should."""
    wait_until(lambda: process.poll() is not None or catches(process.pid, number), 30)
    time.sleep(after)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err + out, err
    assert "ignored" not in err, err
    assert process.returncode in (own, 130), (process.returncode, err)
    return err if process.returncode == 130 else ""


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_start_that_is_interrupted_leaves_nothing_or_a_stopped_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    toml, draw = toml_of(tmp_path), random.Random(int(number))
    for attempt in range(12):
        runs = tmp_path / str(attempt)
        said = interrupted(started(run_arguments(runs, toml)), draw.uniform(0.0, 3.0), number)
        for folder in list_runs(runs) if runs.exists() else []:
            assert summarize(folder).status in ("stopped", "finished"), said
            assert not list(folder.rglob("*.tmp"))


@pytest.mark.full
@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["show", "{run}"],
        ["inspect", "{run}"],
        ["optimal", "{run}"],
        ["robustness", "{run}"],
        ["export", "{run}", "--to", "{place}/out.npz"],
        ["export", "{run}", "--to", "{place}/out.h5"],
        ["plot", "{run}", "--figure", "risk", "-o", "{place}/out.png"],
        ["claims", "kh24"],
        ["doctor"],
    ],
    ids=lambda command: " ".join(command[:1] + command[3:4]),
)
def test_a_command_that_is_interrupted_leaves_nothing(
    tmp_path: Path, twin: Path, command: list[str]
) -> None:
    draw = random.Random(command[0])
    arguments = [part.format(run=twin, place=tmp_path) for part in command]
    # The run's samples are not separated, as `optimal` says where the signal comes too late.
    own = 2 if command[0] == "optimal" else 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for _ in range(3):
            process = started([*arguments], env={"TMPDIR": str(tmp_path)})
            said = interrupted(process, draw.uniform(0.0, 3.0), number, own)
            assert not said or f"interrupted by {number.name}" in said
            assert not list(tmp_path.rglob("*.tmp"))
    assert not list(twin.rglob("*.tmp"))
