"""The batch scripts that pilots are submitted with, as the scheduler gets them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.config.launcher import KubernetesTable, LsfTable, PbsTable, SlurmTable
from workbench.errors import BadInput
from workbench.study.launchers.parsl import ParslLauncher, require_parsl
from workbench.study.launchers.providers import provider_of

HAS_PARSL = importlib.util.find_spec("parsl") is not None
parsl_only = pytest.mark.skipif(not HAS_PARSL, reason="Parsl is not installed")
SHARED = {"cores": 4, "memory": 8, "gpus": 2, "init": ("module load x",), "walltime": "02:00:00"}


def submitted(place: Path, table: Any) -> tuple[str, list[str]]:
    """The job's number and the lines of its script."""
    provider = provider_of(table)
    provider.script_dir = str(place / "scripts")
    (place / "scripts").mkdir()
    number = provider.submit("exec pilot", 1, "pilots")
    (script,) = [path for path in (place / "scripts").iterdir() if not path.name.startswith("cmd_")]
    return number, script.read_text().splitlines()


@parsl_only
@pytest.mark.parametrize(
    ("table", "command", "said", "wanted"),
    [
        (
            SlurmTable(kind="slurm", partition="p", account="a", qos="q", exclusive=True, **SHARED),
            "sbatch",
            "Submitted batch job 17",
            [
                "partition=p",
                "account=a",
                "qos=q",
                "exclusive",
                "cpus-per-task=4",
                "mem=8g",
                "time=120",
            ],
        ),
        (
            PbsTable(kind="pbs", queue="q", options=("#PBS -l place=excl",), **SHARED),
            "qsub",
            "17",
            ["#PBS -l select=1:ncpus=4:mem=8gb:ngpus=2", "walltime=02:00:00", "place=excl"],
        ),
        (
            LsfTable(kind="lsf", queue="q", account="a", **SHARED),
            "bsub",
            "Job <17> is submitted to queue <q>.",
            ["-q q", "-G a", "-n 4", "span[ptile=4]", "-W 120", "-M 8GB", '-gpu "num=2"'],
        ),
    ],
)
def test_a_pilot_asks_for_what_the_table_says(
    tmp_path: Path, commands: Any, table: Any, command: str, said: str, wanted: list[str]
) -> None:
    commands(**{command: f"cat > /dev/null; echo '{said}'", "sacct": "exit 1"})
    number, lines = submitted(tmp_path, table)
    assert number == "17"
    assert [word for word in wanted if not any(word in line for line in lines)] == []
    assert "module load x" in lines
    # The pilot's clock begins with its job, before what its user has it do first.
    began = next(k for k, line in enumerate(lines) if "WORKBENCH_PILOT_SINCE=$(date +%s)" in line)
    assert began < lines.index("module load x")
    assert any("exec pilot" in line for line in lines)


@parsl_only
@pytest.mark.skipif(importlib.util.find_spec("kubernetes") is not None, reason="it is installed")
def test_kubernetes_needs_its_client() -> None:
    with pytest.raises(BadInput, match="pip install kubernetes"):
        provider_of(KubernetesTable(kind="kubernetes", image="x"))


@parsl_only
def test_an_address_that_is_none_is_refused(tmp_path: Path, commands: Any) -> None:
    sinfo = "echo 'local* infinite'"
    commands(sbatch="", squeue="", scancel="", sinfo=sinfo, sacct="exit 1")
    table = SlurmTable(kind="slurm", address="no.such.host.invalid")
    launcher = ParslLauncher(tmp_path, table)
    with pytest.raises(BadInput, match=r"launcher.address: 'no.such.host.invalid' is no address"):
        launcher.start()
    launcher.close()


def test_a_cluster_needs_parsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parsl", None)
    with pytest.raises(BadInput, match=r"pip install ncf-workbench\[cluster\]"):
        require_parsl("slurm")
