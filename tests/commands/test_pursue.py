"""`workbench pursue`: its table, its JSON, and what it keeps."""

from __future__ import annotations

import json


def test_stages_are_told_kept_and_opened_again(cli, tmp_path):
    path = tmp_path / "stages.json"
    done = cli("pursue", "kh24-saddle-to-saddle", "--set", "model.width=2", "-o", path)
    assert done.returncode == 0
    assert "stage 2: risk 0.2702, 2 neurons" in done.stderr
    for text in ("19.09°", "137.18°", "no more neurons", "every search was complete"):
        assert text in done.stdout
    again = cli("pursue", path, "--json")
    table = json.loads(again.stdout)
    assert again.stderr == ""
    assert [stage["complete"] for stage in table["stages"]] == [True] * 3
    assert cli("pursue", path, "--set", "model.width=3").returncode == 2


def test_what_does_not_fit_is_refused(cli, tmp_path):
    for words in (
        ("pursue", "vss22-5.1"),
        ("pursue", "first-look", "-o", tmp_path / "x.h5"),
    ):
        done = cli(*words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
