"""`workbench resume` and `show` of a study one of whose members cannot run, and whose grid grows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e.processes import started
from study.driven import driving, slow_study
from study.made import TABLE

from workbench.config.study import parse_study
from workbench.study.create import create_study
from workbench.study.folder import shard_path


def table(place: Path, name: str, shift: float) -> Path:
    path = place / f"{name}.csv"
    path.write_text("x1,x2,y\n" + "".join(f"{k + shift},{1 - k},1\n" for k in range(6)))
    return path


def result(*words: object, runs: Path) -> tuple[int, str, str]:
    process = started([*words, "--runs-dir", runs])
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.mark.full
def test_who_failed_is_named_and_tried_again_and_what_is_new_is_run(tmp_path: Path) -> None:
    good, gone = table(tmp_path, "good", 0.5), table(tmp_path, "gone", 0.25)
    runs = tmp_path / "runs"
    values = TABLE | {
        "data": {"kind": "csv", "path": str(good)},
        "study": {"members": 2},
        "grid": {"init.seed": [0, 1], "data.path": [str(good), str(gone)]},
    }
    folder = create_study(parse_study(values, "a test"), runs)
    text = gone.read_text()
    gone.unlink()
    process = driving(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "2 finished" in out
    assert "2 failed" in out
    assert f"workbench show {folder.name}" in err
    code, out, _ = result("show", "last", runs=runs)
    assert code == 0
    failed = [line for line in out.splitlines() if "gone.csv" in line and "failed" in line]
    assert len(failed) == 2
    assert "init.seed=0" in failed[0]
    assert "does not exist" in failed[0]
    found = json.loads(result("show", "last", "--json", runs=runs)[1])
    assert found["by_status"] == {"finished": 2, "failed": 2}
    assert [one["member"] for one in found["unfinished"]] == [1, 3]
    [listed] = json.loads(result("list", "--json", runs=runs)[1])["studies"]
    assert (listed["status"], listed["ended"], listed["failed"]) == ("failed", 2, 2)

    gone.write_text(text)
    toml = folder / "study.toml"
    toml.write_text(toml.read_text().replace("    0,\n    1,\n", "    0,\n    1,\n    2,\n"))
    code, out, err = result("resume", "last", "--headless", "--json", runs=runs)
    assert code == 0, err
    assert json.loads(out)["members"] == {"finished": 6}
    before = shard_path(folder, 0).read_bytes()
    code, out, err = result("resume", folder.name, "--headless", runs=runs)
    assert code == 0, err
    assert "6 finished" in out
    assert shard_path(folder, 0).read_bytes() == before


def test_options_of_the_other_kind_are_refused(tmp_path: Path) -> None:
    folder = slow_study(tmp_path)
    code, _, err = result("resume", folder.name, "--steps", "9", runs=tmp_path)
    assert code == 2
    assert f"'{folder.name}' is a study, which takes no --steps" in err
