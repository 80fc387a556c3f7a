"""Broken channels and encodings without Greek: results stay, and exit codes mean what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cases import small

from workbench.config.toml import to_toml
from workbench.record.folder import list_runs
from workbench.record.summary import summarize

ROOT = Path(__file__).resolve().parents[2]
SHORT = "train.steps=400", "record.every=10", "pause.at_saddle=false"


def shell(words: str, line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash in which `$W` is workbench; `words` are its arguments. The exit code is workbench's."""
    script = f"{line.replace('$W', f'{sys.executable} -m commands.main {words}')}; exit ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, cwd=ROOT, env=env, timeout=120, check=False
    )
    for said in (done.stdout, done.stderr):
        assert b"Traceback" not in said, said.decode()
        assert b"ignored" not in said, said.decode()
    return done


@pytest.fixture
def training(tmp_path: Path) -> str:
    """The words of a short headless run in `tmp_path / runs`."""
    (tmp_path / "run.toml").write_text(to_toml(small(*SHORT)))
    return f"run {tmp_path}/run.toml --headless --json --runs-dir {tmp_path}/runs"


def finished(place: Path) -> None:
    (folder,) = list_runs(place / "runs")
    summary = summarize(folder)
    assert (summary.status, summary.step) == ("finished", 400)


BROKEN = {
    "no stdout": "$W >&-",
    "no stderr": "$W 2>&-",
    "nothing": "$W <&- >&- 2>&-",
    "full stdout": "$W >/dev/full",
    "full": "$W >/dev/full 2>/dev/full",
    "reader gone": "$W | true",
    "both gone": "$W 2>&1 | true",
}


@pytest.mark.parametrize("line", [BROKEN["nothing"], BROKEN["full stdout"], BROKEN["both gone"]])
def test_a_training_finishes_whatever_becomes_of_its_channels(
    tmp_path: Path, training: str, line: str
) -> None:
    done = shell(training, line)
    assert done.returncode == 0, done.stderr
    finished(tmp_path)
    if line == BROKEN["full stdout"]:
        assert b"cannot write to stdout: No space left on device; the run is in" in done.stderr


@pytest.mark.full
@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_training_finishes_with_any_broken_channel(
    tmp_path: Path, training: str, line: str
) -> None:
    assert shell(training, line).returncode == 0
    finished(tmp_path)


def test_no_file_takes_the_number_of_a_closed_channel(tmp_path: Path) -> None:
    """What a library writes to descriptor 2 would land in the record."""
    script = (
        "import os, sys; from commands.channels import open_channels; open_channels();"
        "first = open(sys.argv[1], 'w'); os.write(2, b'noise'); os.write(1, b'noise');"
        "sys.exit(first.fileno() < 3)"
    )
    path = tmp_path / "record"
    line = f'{sys.executable} -c "{script}" {path} <&- >&- 2>&-'
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
    assert path.read_bytes() == b""


def test_data_that_finds_no_room_is_a_failure_and_a_reader_that_left_is_none(runs: Path) -> None:
    full = shell(f"list --json --runs-dir {runs}", "$W >/dev/full")
    assert full.returncode == 1
    assert full.stderr == b"workbench: cannot write to stdout: No space left on device.\n"
    gone = shell(f"list --json --runs-dir {runs}", "$W | true")
    assert (gone.returncode, gone.stderr) == (0, b"")


LOCALES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "iso8859-1"},
    "C": {"LC_ALL": "C"},
    "POSIX without UTF-8": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "none": {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""},
}
ENCODING = {"latin-1": "iso8859-1", "none": "utf-8"}

COMMANDS = [
    "--help",
    "list",
    "list --json",
    "presets",
    "presets kh24-fig1",
    "claims --list",
    "claims --list --json",
    "doctor",
    "show {run}",
    "show {run} --json",
    "inspect {run}",
    "inspect {run} --json",
    "optimal {run}",
    "robustness {run}",
    "table {run}",
    "model kh24-fig1",
    "show nothing-ä-γ",
    "run nothing-→",
    "export {run} --to {place}/out.csv",
    "plot {run} --figure risk -o {place}/out.pdf",
    "resume {run} --headless --steps 500",
    "fork {run} --at 400 --headless --set train.steps=450",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run whose name Latin-1 lacks."""
    place = tmp_path_factory.mktemp("trained")
    (place / "run.toml").write_text(to_toml(small(*SHORT)), encoding="utf-8")
    done = shell(f"run {place}/run.toml --headless --name γ̄→ --runs-dir {place}/runs", "$W")
    assert done.returncode == 0, done.stderr
    return list_runs(place / "runs")[0]


def check_words(words: str, locale: str, run: Path, place: Path) -> None:
    environment = {**LOCALES[locale], "WORKBENCH_RUNS": str(run.parent)}
    done = shell(words.format(run=run, place=place), "$W", **environment)
    codes = (2,) if "nothing" in words else (0, 1) if words == "doctor" else (0,)
    assert done.returncode in codes, done.stderr
    for said in (done.stdout, done.stderr):
        said.decode(ENCODING.get(locale, "ascii"))
    if "--json" in words:
        json.loads(done.stdout)


@pytest.mark.parametrize(
    ("words", "locale"),
    [("list", "ascii"), ("show {run}", "latin-1"), ("claims --list --json", "C"), ("list", "C")],
)
def test_an_encoding_without_greek_gets_stand_ins(
    trained: Path, tmp_path: Path, words: str, locale: str
) -> None:
    check_words(words, locale, trained, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_in_every_locale(
    trained: Path, tmp_path: Path, words: str, locale: str
) -> None:
    runs = shutil.copytree(trained.parent, tmp_path / "runs")
    check_words(words, locale, runs / trained.name, tmp_path)
