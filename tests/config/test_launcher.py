"""Where a study's shards run: the table, and what the user's own file adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.config.launcher import LocalTable, SlurmTable
from workbench.config.launchers import launcher_values
from workbench.config.study import StudyConfig, parse_study, study_to_toml
from workbench.errors import BadInput

BASE: dict[str, Any] = {"data": {"kind": "kh24-circle"}, "model": {"kind": "squared-relu"}}


def study(**launcher: Any) -> StudyConfig:
    return parse_study({**BASE, "launcher": launcher}, "study.toml")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "workbench").mkdir()
    return tmp_path / "workbench" / "launchers.toml"


def test_a_table_without_a_kind_is_local() -> None:
    assert study(jobs=3).launcher == LocalTable(jobs=3)
    assert study().launcher.at_once == 0


def test_a_cluster_s_table_is_written_as_it_was_read() -> None:
    import tomllib

    found = study(kind="slurm", partition="gpu", gpus=2, cores=8, nodes=3, pilots=4, init=["a b"])
    assert found.launcher.at_once == 4 * 3 * 2
    assert parse_study(tomllib.loads(study_to_toml(found)), "again") == found


@pytest.mark.parametrize(
    ("walltime", "grace", "life"),
    [("00:01:00", 0, 45), ("01:00:00", 0, 3480), ("00:10:00", 0, 540), ("24:00:00", 7, 86393)],
)
def test_shards_are_left_before_the_walltime_is_over(walltime: str, grace: int, life: int) -> None:
    assert SlurmTable(kind="slurm", walltime=walltime, grace=grace).life == life


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "slurm", "partition": "a b"}, "launcher.partition = 'a b': needed is one word"),
        ({"kind": "slurm", "walltime": "90"}, "launcher.walltime = '90': needed is hours:minutes"),
        ({"kind": "slurm", "jobs": 2}, "unknown key 'jobs' in [launcher]"),
        ({"kind": "pbs", "init": ["a", "b\nc"]}, "launcher.init[1]"),
        ({"kind": "kubernetes"}, "launcher.image is missing"),
        ({"kind": "slrm"}, "Did you mean 'slurm'?"),
    ],
)
def test_refusals_name_the_key_and_what_is_needed(table: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=r"study.toml") as refused:
        study(**table)
    assert words in str(refused.value)


def test_what_is_not_said_comes_from_the_user_s_file(own: Path) -> None:
    own.write_text(
        '[slurm]\npartition = "compute"\naccount = "theory"\n'
        '[big]\nkind = "slurm"\npartition = "gpu"\ngpus = 4\n'
    )
    given = {"kind": "slurm", "partition": "short"}
    assert launcher_values(given) == {
        "kind": "slurm",
        "partition": "short",
        "account": "theory",
    }
    assert launcher_values({"jobs": 2}, "big") == {
        "kind": "slurm",
        "partition": "gpu",
        "account": "theory",
        "gpus": 4,
    }
    assert launcher_values(given, "local") == {"kind": "local"}
    assert launcher_values({"jobs": 2}) == {"kind": "local", "jobs": 2}


def test_without_a_file_of_one_s_own_only_the_kinds_are_known(own: Path) -> None:
    assert launcher_values({}, "pbs") == {"kind": "pbs"}
    with pytest.raises(BadInput, match=r"unknown launcher 'slrum' in --on; .*'slurm'"):
        launcher_values({}, "slrum")


@pytest.mark.parametrize(
    ("text", "words"),
    [("[a]\n", "has no kind"), ("a = 1\n", "is no table"), ("[", "is no TOML")],
)
def test_a_file_that_cannot_be_used_is_named(own: Path, text: str, words: str) -> None:
    own.write_text(text)
    with pytest.raises(BadInput, match=words) as refused:
        launcher_values({}, "a")
    assert str(own) in str(refused.value)


def test_a_new_study_has_all_that_was_said_anywhere(own: Path, tmp_path: Path) -> None:
    from workbench.study.source import load_study

    own.write_text('[gpu]\nkind = "slurm"\npartition = "gpu"\ngpus = 4\n')
    words = ["init.seed=range(0,3)"]
    assert load_study("kh24-fig1", words).launcher == LocalTable()
    found = load_study("kh24-fig1", words, settings=["launcher.cores=8"], on="gpu").launcher
    assert found == SlurmTable(kind="slurm", partition="gpu", gpus=4, cores=8)
