"""Studies whose processes are killed, stopped, hung up or out of room go on, and come to the same bits."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.processes import started, surroundings
from e2e.terminal import ROOT, wait_until
from study.driven import contents, driving, gone, once_written, slow_study, workers

from workbench.record.lock import is_alive
from workbench.record.study_summary import summarize_study
from workbench.record.subject import STUDY
from workbench.study.stored import StoredStudy

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the slow study comes to when it is left alone."""
    folder = slow_study(tmp_path_factory.mktemp("undisturbed"))
    process = driving(folder)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "4 finished" in out
    return contents(folder)


def ended(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, (process.returncode, out, err)
    return out, err


def test_a_worker_that_is_killed_costs_nothing(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    folder = slow_study(tmp_path)
    process = driving(folder)
    once_written(folder, process)
    os.kill(workers(process)[0], signal.SIGKILL)
    _, err = ended(process, 0)
    assert "its process was killed by signal 9; it goes on in another one" in err
    assert contents(folder) == undisturbed


def test_a_driver_that_is_killed_leaves_workers_that_end_and_a_study_that_goes_on(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    folder = slow_study(tmp_path)
    process = driving(folder)
    once_written(folder, process)
    left = workers(process)
    assert len(left) == 2
    process.kill()
    process.communicate()
    assert summarize_study(folder).status == "lost"
    process = driving(folder)  # while they still write
    ended(process, 0)
    wait_until(lambda: all(map(gone, left)), 120, "for the workers to end")
    assert contents(folder) == undisturbed


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"])
def test_a_signal_leaves_the_study_resumable(
    tmp_path: Path, undisturbed: dict[str, bytes], name: str
) -> None:
    folder = slow_study(tmp_path)

    def heard() -> None:  # whoever runs the tests may ignore it
        signal.signal(getattr(signal, name), signal.SIG_DFL)

    process = driving(folder, start_new_session=True, preexec_fn=heard)
    once_written(folder, process)
    left = workers(process)
    if name == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it, to all at once
    else:
        process.send_signal(getattr(signal, name))
    _, err = ended(process, 130)
    assert f"workbench resume {folder.name}" in err
    assert all(map(gone, left))
    assert summarize_study(folder).status == "stopped"
    assert StoredStudy(folder).progress().steps_done > 0
    ended(driving(folder), 0)
    assert contents(folder) == undisturbed


def test_a_second_driver_is_refused_and_told_who_has_the_study(tmp_path: Path) -> None:
    folder = slow_study(tmp_path)
    first = driving(folder)
    wait_until(lambda: is_alive(folder, STUDY), 120, "for the driver to begin")
    _, err = ended(driving(folder), 2)
    assert f"(pid {first.pid} on " in err
    assert ", since 20" in err
    first.send_signal(signal.SIGTERM)
    ended(first, 130)


def test_a_hang_up_that_is_ignored_does_not_end_it(tmp_path: Path) -> None:
    folder = slow_study(tmp_path, train={"steps": 400})
    process = driving(folder, before=["nohup"])
    wait_until(lambda: is_alive(folder, STUDY), 120, "for the driver to begin")
    process.send_signal(signal.SIGHUP)
    ended(process, 0)


def test_a_driver_that_is_sent_off_goes_on_alone(tmp_path: Path) -> None:
    folder = slow_study(tmp_path, train={"steps": 400})
    out, err = ended(started(["resume", folder, "--detach"]), 0)
    assert out == f"{folder.name}\n"
    assert "log.txt" in err
    wait_until(lambda: not is_alive(folder, STUDY), 300, "for the driver to end")
    assert summarize_study(folder).status == "finished"
    assert "ended  4 finished" in (folder / "log.txt").read_text()


def test_a_disk_that_is_full_stops_the_study_and_it_goes_on_once_there_is_room(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    folder = slow_study(tmp_path)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = driving(folder, preexec_fn=no_room)
    _, err = ended(process, 1)
    assert "would pass the size limit" in err
    assert f"workbench resume {folder.name}" in err
    assert len(err.strip().splitlines()) == 1
    ended(driving(folder), 0)
    assert contents(folder) == undisturbed


def test_many_who_list_disturb_nobody(tmp_path: Path) -> None:
    folder = slow_study(tmp_path, train={"steps": 20_000})
    process = driving(folder)
    wait_until(lambda: is_alive(folder, STUDY), 120, "for the driver to begin")
    listers = [started(["list", "--json", "--runs-dir", tmp_path]) for _ in range(4)]
    script = (
        "import sys, time; from pathlib import Path\n"
        "from workbench.record.study_summary import study_summaries\n"
        "runs, until = Path(sys.argv[1]), time.monotonic() + 20\n"
        "while time.monotonic() < until:\n"
        "    [one] = study_summaries(runs)\n"
        "    assert one.members == 4 and not one.reason and not one.by_status.get('missing'), one\n"
    )
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], env=surroundings(), cwd=ROOT
        )
        for _ in range(28)
    ]
    for lister in listers:
        out, _ = ended(lister, 0)
        [found] = json.loads(out)["studies"]
        assert found["members"] == 4
    assert [reader.wait(300) for reader in readers] == [0] * 28
    ended(process, 0)
