"""`claims`: listing, JSON, exit codes, and one whole run of both KH24 figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from commands import claims as command
from workbench.claims.claim import Check, Claim, Result
from workbench.errors import ExitCode


def test_list(cli):
    done = cli("claims", "--list")
    assert done.returncode == 0
    assert "KH24-F1" in done.stdout
    assert "KH24-F4" in done.stdout


def test_list_as_json(cli):
    found = json.loads(cli("claims", "kh24", "--list", "--json").stdout)["claims"]
    assert {c["id"] for c in found} >= {"KH24-F1", "KH24-F4"}
    assert all(c["statement"] and c["paper"] == "KH24" and c["method"] for c in found)


def test_unknown_names(cli):
    done = cli("claims", "KH24-F11")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'KH24-F1'" in done.stderr
    assert "Did you mean 'LL20'" in cli("claims", "LL02", "--list").stderr


def made_up(holds, erratum="", untestable=""):
    claim = Claim(
        id="X-1",
        paper="X",
        place="Fig. 1",
        statement="Two is small.",
        method="counting",
        experiment=lambda lab, size: (None, None),
        measure=lambda evidence: None,
        criterion=lambda measured: (),
        erratum=erratum,
        untestable=untestable,
    )
    checks = (Check("two", 2.0, "<", 3.0 if holds else 1.0),)
    return Result(claim, claim.verdict(checks), checks, {"three": float("nan")}, erratum)


@pytest.mark.parametrize(("holds", "code"), [(True, None), (False, ExitCode.CLAIM_FAILED)])
def test_exit_code_3_when_a_claim_fails(monkeypatch, capsys, tmp_path, holds, code):
    monkeypatch.setattr("workbench.claims.sessions.run_claim", lambda *a: made_up(holds))
    monkeypatch.setattr("workbench.claims.registry.select", lambda names: [made_up(holds).claim])
    if code is None:
        command.claims(runs_dir=tmp_path)
    else:
        with pytest.raises(typer.Exit) as stopped:
            command.claims(runs_dir=tmp_path)
        assert stopped.value.exit_code == code
    shown = capsys.readouterr().out
    assert ("holds" if holds else "fails") in shown
    assert "Two is small." in shown


def test_a_summary_has_the_seconds_of_each():
    results = [replace(made_up(holds), seconds=90.25) for holds in (True, False)]
    lines = "\n".join(command.summary(results)).splitlines()
    assert [line.split() for line in lines[-3:]] == [
        ["X-1", "holds", "90.2"],
        ["X-1", "fails", "90.2"],
        ["2", "claims", "1", "fail", "180.5"],
    ]


def test_json_of_a_result():
    table = command.as_table(made_up(True, erratum="two is 3"), Path("x.png"))
    assert table["verdict"] == "holds corrected"
    assert table["measured"] == {"two": 2.0}
    assert table["bound"] == {"two": "< 3"}
    assert table["observed"] == {"three": None}
    assert table["note"] == "two is 3"
    assert table["figure"] == "x.png"
    assert table["seconds"] == 0.0


def test_both_figures_hold_at_the_quick_size(cli, tmp_path):
    done = cli("claims", "KH24-F1", "KH24-F4", "--quick", "--json", "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["claims"]
    assert [c["verdict"] for c in found] == ["holds corrected"] * 2
    for claim in found:
        assert claim["seconds"] > 0
        assert claim["measured"].keys() == claim["bound"].keys()
        assert all(claim["holds"].values())
        assert Path(claim["run"], "run.h5").is_file()
        assert Path(claim["figure"]).is_file()
    assert "done" in done.stderr
