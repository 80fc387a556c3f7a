"""Steps a CPU second: a user's plain loop, the engine's step programs and their rivals, interleaved.

    python benchmarks/engine_rates.py [--rounds 5] [--seconds 0.3] [--only table,growth,runs] [--figure PATH]

`table`: every workload by the plain loop, the eager program, the kernel, jax's scan (the extra `bench`)
and the bare compiled loop without rows, path or risk. Each has a process of its own, and all are asked in
turn; programs step without records, in chunks of some 60 ms.
`growth`: squared-ReLU neurons in the plane by width, samples and members; a figure beside this file.
`runs`: `workbench run --headless`, records to HDF5, all of it a process of its own; of two runs of different
length the difference of CPU seconds over that of steps, so that start and end cancel. One thread everywhere.
"""

# ruff: noqa: E402  (what is loaded reads these when it is loaded)
from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 inter_op_parallelism_threads=1"
)
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from growth import draw
from rivals import bare_loop, jax_scan
from workloads import WORKLOADS, PlainLoop, config_of, configured, squared, table_of

from workbench.config.run import RunConfig
from workbench.config.toml import to_toml
from workbench.engine.program import StopFlag
from workbench.errors import BadInput
from workbench.run.experiment import experiment_of
from workbench.run.members import members_of

HERE = Path(__file__).parent
COLUMNS = ("plain", "eager", "kernel", "jax", "bare")
Steps = Callable[[int], None]
CALL = 0.06
"""Seconds that one call takes about, as a chunk of a run does."""
WIDTHS = (5, 20, 80, 320, 1280, 5120)
SAMPLES = (10, 50, 200, 1000, 5000)
MEMBERS = (1, 10, 100, 1000)
RUN_SECONDS = 3.0
MOST_STEPS = 3_000_000


class Rival:
    """Steps of one kind on one workload, in a process of its own: nobody inherits another's heap."""

    def __init__(self, column: str, table: dict[str, Any], members: int = 0) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        # A fork has all imports done, and no thread has been started yet.
        context = multiprocessing.get_context("fork")
        self._process = context.Process(
            target=work, args=(column, table, members, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        self.exists: bool = self._pipe.recv()

    def rate(self, seconds: float) -> float:
        """Steps a CPU second of its process."""
        self._pipe.send(seconds)
        return float(self._pipe.recv())

    def close(self) -> None:
        """End it."""
        if self.exists:
            self._pipe.send(None)
        self._process.join()
        self._pipe.close()


def work(column: str, table: dict[str, Any], members: int, pipe: Connection) -> None:
    """What a rival's process does until the pipe says so."""
    found = members_of_run(column, table, members) if members else steps_of(column, table)
    pipe.send(found is not None)
    if found is None:
        return
    run, count = found
    run(count)
    while True:
        began = time.perf_counter()
        run(count)
        spent = time.perf_counter() - began
        if spent > CALL / 2:
            break
        count *= 2
    while True:
        seconds = pipe.recv()
        if seconds is None:
            return
        began, cpu, steps = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < seconds:
            run(count)
            steps += count * max(members, 1)
        pipe.send(steps / (time.process_time() - cpu))


def steps_of(column: str, table: dict[str, Any]) -> tuple[Steps, int] | None:
    """What takes a column's steps, and how many at least; None where there is no such thing."""
    config = configured(table)
    if column == "plain":
        loop = PlainLoop(config)

        def plain(count: int) -> None:
            for _ in range(count):
                loop.step()

        return plain, 1
    if column == "jax":
        unit = 1 if config.model.kind == "cnn" else 20
        scan = jax_scan(config, unit)
        return None if scan is None else (scan, unit)
    run = bare_loop(config) if column == "bare" else stepping(configured(table, engine=column))
    return None if run is None else (run, 1)


def members_of_run(column: str, table: dict[str, Any], count: int) -> tuple[Steps, int]:
    """As many members with seeds of their own, stepped at once."""
    block = members_of(configured(table, engine=column), [{"init.seed": k} for k in range(count)])
    flag = StopFlag()

    def run(steps: int) -> None:
        block.program.run_chunk(block.members, block.members.step, 1, steps, None, flag)

    # A call of one by one costs some 1e−4 s a member beside its steps.
    return run, 1000 if column == "kernel" else 1


def stepping(config: RunConfig) -> Steps | None:
    """The engine's step program as [device] asks for it, without records; None where there is none."""
    try:
        experiment = experiment_of(config)
    except BadInput:
        return None
    flag = StopFlag()

    def run(count: int) -> None:
        experiment.program.run_chunk(experiment.state, experiment.state.step, 1, count, None, flag)

    return run


def rivals(table: dict[str, Any], columns: Sequence[str], members: int = 0) -> dict[str, Rival]:
    """Those there are of the columns for a workload, or for so many members of it."""
    found = {column: Rival(column, table, members) for column in columns}
    return {column: rival for column, rival in found.items() if rival.exists}


def measured(found: dict[str, Rival], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Rates by column, round by round; the order turns, so that nobody always follows the same other."""
    names = list(found)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(found[name].rate(seconds))
    for rival in found.values():
        rival.close()
    return rates


def spread(rates: Sequence[float], others: Sequence[float]) -> str:
    """The median of the ratios and their range."""
    ratios = sorted(a / b for a, b in zip(rates, others, strict=True))
    return f"{statistics.median(ratios):.3g} ({ratios[0]:.3g}–{ratios[-1]:.3g})"


def show_table(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Measure and print the table; the medians by workload and column."""
    print("steps a CPU second, and over the plain loop's of the same round: median (least–most)\n")
    print(f"{'':4} " + " ".join(f"{name:>28}" for name in COLUMNS))
    medians: dict[str, dict[str, float]] = {}
    for name in WORKLOADS:
        rates = measured(rivals(table_of(name), COLUMNS), rounds, seconds)
        medians[name] = {column: statistics.median(each) for column, each in rates.items()}
        cells = []
        for column in COLUMNS:
            if column not in rates:
                cells.append(f"{'–':>28}")
                continue
            ratio = "" if column == "plain" else spread(rates[column], rates["plain"])
            cells.append(f"{medians[name][column]:9,.0f} {ratio:>18}")
        print(f"{name:4} " + " ".join(cells), flush=True)
    return medians


def show_growth(rounds: int, seconds: float, figure: Path) -> None:
    """Rates by width, number of samples and of members: printed, and drawn."""
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    sweeps: dict[str, list[tuple[int, dict[str, Any], int]]] = {
        "width (50 samples)": [(w, squared(width=w), 0) for w in WIDTHS],
        "samples (20 neurons)": [(n, squared(n=n), 0) for n in SAMPLES],
        "members (20 neurons, 50 samples; steps of all)": [(m, squared(), m) for m in MEMBERS],
    }
    for title, sweep in sweeps.items():
        print(f"\nsteps a CPU second by {title}\n")
        print(f"{'':6} " + " ".join(f"{name:>12}" for name in COLUMNS))
        curve: dict[str, list[tuple[int, float]]] = {name: [] for name in COLUMNS}
        for size, table, members in sweep:
            columns = ("eager", "kernel") if members else COLUMNS
            rates = measured(rivals(table, columns, members), rounds, seconds)
            for name, each in rates.items():
                curve[name].append((size, statistics.median(each)))
            cells = (
                f"{statistics.median(rates[c]):12,.0f}" if c in rates else f"{'–':>12}"
                for c in COLUMNS
            )
            print(f"{size:6} " + " ".join(cells), flush=True)
        curves[title] = {name: points for name, points in curve.items() if points}
    draw(curves, figure)
    print(f"\n{figure}")


def cpu_seconds(config: RunConfig, steps: int, folder: Path) -> float:
    """Of a whole `workbench run --headless`, start and end included."""
    path = folder / "workload.toml"
    path.write_text(to_toml(config))
    command = [sys.executable, "-m", "commands.main", "run", str(path), "--headless"]
    command += ["--steps", str(steps), "--runs-dir", str(folder / "runs")]
    path_of_house = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path_of_house},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(said.decode()[-500:])
    return used.ru_utime + used.ru_stime


def run_rate(config: RunConfig, guess: float) -> float:
    """Steps a CPU second of a run on disk without its start and end; `guess`: about what it will be."""
    every = int(config.record.every)
    short = every
    long = short + max(every, min(MOST_STEPS, int(guess * RUN_SECONDS) // every * every))
    with tempfile.TemporaryDirectory(prefix="workbench-benchmark-") as name:
        folder = Path(name)
        least = cpu_seconds(config, short, folder)
        beyond = cpu_seconds(config, long, folder) - least
    return (long - short) / beyond if beyond > 0 else float("nan")


def show_runs(rounds: int, medians: dict[str, dict[str, float]]) -> None:
    """Measure and print runs on disk by engine, against the plain loop, which is measured in between."""
    print(
        "\nworkbench run --headless to HDF5, steps a CPU second of the process beyond start and end;"
    )
    print("over the plain loop's, measured before and after each run\n")
    print(f"{'':4} {'every':>6} {'engine':>8} {'steps/s':>12}   over plain")
    for name in WORKLOADS:
        config = config_of(name)
        found = rivals(table_of(name), ("plain", "kernel"))
        plain, engine = found["plain"], "kernel" if "kernel" in found else "eager"
        guess = medians.get(name, {}).get(engine) or found.get(engine, plain).rate(0.3)
        rates, others = [], []
        for _ in range(rounds):
            before = plain.rate(0.5)
            rates.append(run_rate(config_of(name, engine=engine), guess))
            others.append((before + plain.rate(0.5)) / 2)
        for rival in found.values():
            rival.close()
        print(
            f"{name:4} {config.record.every:6} {engine:>8} {statistics.median(rates):12,.0f}   "
            f"{spread(rates, others)}",
            flush=True,
        )


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    parser.add_argument("--only", default="table,growth,runs")
    parser.add_argument("--figure", type=Path, default=HERE / "engine_growth.png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = options.only.split(",")
    medians: dict[str, dict[str, float]] = {}
    if "table" in parts:
        medians = show_table(options.rounds, options.seconds)
    if "growth" in parts:
        show_growth(max(1, options.rounds // 2), options.seconds / 2, options.figure)
    if "runs" in parts:
        show_runs(max(1, options.rounds // 2), medians)


if __name__ == "__main__":
    main()
