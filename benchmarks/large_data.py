"""What convolutional networks and large data cost, end to end, against a user's plain loop.

    python benchmarks/large_data.py [--rounds 3] [--only NAME]

Every run is `workbench run --headless` in a process of its own, one thread, and so is the plain loop
(`plain_cnn.py`): nn.Module, minibatches by index, torch.optim.SGD, nothing recorded. Both are run for two
lengths, in turn; what a step costs is the difference, so that imports and the start do not count, and
records do; `whole` is the ratio of the longer runs with all of that. Pictures are synthetic, in files of
the real ones' format and size. Runs of full size have no rival here: what is told is their time, and the
most memory they took.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from large_files import write_cifar, write_mnist  # noqa: E402


@dataclass(frozen=True)
class Workload:
    """A configuration, the steps of the shorter and the longer run, and whether the plain loop is run too."""

    config: dict[str, Any]
    steps: tuple[int, int]
    rival: bool = True


def workloads(folder: Path) -> dict[str, Workload]:
    """By name; MNIST's and CIFAR-10's files lie in the folder."""
    mnist, cifar = str(folder / "mnist"), str(folder / "cifar")
    small = {"channels": [8, 16], "width": 32}
    full: dict[str, Any] = {}

    def cnn(data: dict[str, Any], shape: dict[str, Any], dtype: str, every: int) -> dict[str, Any]:
        return {
            "data": data,
            "model": {"kind": "cnn", **shape},
            "init": {"kind": "he"},
            "loss": {"kind": "cross-entropy", "reduction": "mean"},
            "train": {"lr": 0.05, "batch": 100},
            "record": {"every": every},
            "checkpoint": {"every": 10**9},
            "device": {"kind": "cpu", "dtype": dtype},
        }

    digits = {"kind": "digits"}
    part = {"kind": "mnist", "path": mnist, "n": 5_000}
    return {
        "W5: digits, float64": Workload(cnn(digits, full, "float64", 100), (100, 500)),
        "n = 5,000, float32, every 100": Workload(cnn(part, small, "float32", 100), (100, 500)),
        "n = 5,000, float32, every epoch": Workload(cnn(part, small, "float32", 50), (100, 500)),
        "n = 5,000, wide, float32, every 100": Workload(
            cnn(part, full, "float32", 100), (100, 200)
        ),
        "MNIST 60,000, float32": Workload(
            cnn({"kind": "mnist", "path": mnist}, small, "float32", 600), (20, 620), rival=False
        ),
        "CIFAR-10 50,000, float32": Workload(
            cnn({"kind": "cifar10", "path": cifar}, small, "float32", 500), (20, 520), rival=False
        ),
    }


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Processor seconds and most bytes of memory of a command in a process of its own."""
    child = os.posix_spawn(sys.executable, [sys.executable, *command], environment)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def cost(load: Workload, folder: Path, plain: bool) -> tuple[float, float, int]:
    """Processor seconds a step, those of the whole longer run, and its most bytes of memory."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    seconds, memory = [], 0
    for steps in load.steps:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            config = {**load.config, "train": {**load.config["train"], "steps": steps}}
            file = Path(place) / "run.toml"
            file.write_text(tomli_w.dumps(config))
            rival = [str(Path(__file__).with_name("plain_cnn.py")), str(file)]
            ours = [
                "-m",
                "commands.main",
                "run",
                str(file),
                "--headless",
                "--json",
                "--runs-dir",
                place,
            ]
            spent, memory = measured(rival if plain else ours, environment)
            seconds.append(spent)
    return (seconds[1] - seconds[0]) / (load.steps[1] - load.steps[0]), seconds[1], memory


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mnist(folder / "mnist", 60_000)
        write_cifar(folder / "cifar", 50_000)
        print(f"{'':38} {'plain ms':>9} {'ours ms':>9} {'ratio':>18} {'whole':>6} {'MB':>7}")
        for title, load in workloads(folder).items():
            if given.only not in title:
                continue
            show(title, load, folder, given.rounds if load.rival else 1)


def show(title: str, load: Workload, folder: Path, rounds: int) -> None:
    """One line: milliseconds a step, their ratio with its range, that of the whole runs, memory."""
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(cost(load, folder, plain=False))
        plain.append(cost(load, folder, plain=True) if load.rival else (np.nan, np.nan, 0))
    ratios = sorted(p[0] / o[0] for p, o in zip(plain, ours, strict=True))
    whole = statistics.median(p[1] / o[1] for p, o in zip(plain, ours, strict=True))
    middle = [1e3 * statistics.median(c[0] for c in column) for column in (plain, ours)]
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    memory = max(c[2] for c in ours) / 2**20
    print(
        f"{title:38} {middle[0]:9.2f} {middle[1]:9.2f} {spread:>18} {whole:6.2f} {memory:7,.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
