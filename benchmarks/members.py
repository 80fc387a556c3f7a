"""Member-steps a second of M members of W1 stepped at once, against the same runs one after another.

    python benchmarks/members.py [--members 1 10 100] [--steps 2000] [--threads 2] [--eager 100] [--log]
    python benchmarks/members.py --members 1000 --steps 50000      one thousand runs to their end

`kernel` is a block of M members from its configurations to its last record, `building` the part of it
before the first step; a record of two series every 1,000 steps, with `--log` about 50 a decade. `alone`
makes and steps runs one after another, without files, with the same engine; `eager alone` does with
autograd, and `vmap` steps members at once with autograd (where M is at most `--eager`), both for 200 steps.
All in one process, interleaved by M; steps of all members together a wall-clock and a processor second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from workloads import table_of

from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.engine.program import StopFlag
from workbench.run.experiment import experiment_of
from workbench.run.member_run import MemberRun
from workbench.run.members import members_of

MOST_ALONE = 20
"""Runs that are made one after another to know what one of them takes."""
EAGER_STEPS = 200


def config_of(steps: int, engine: str, threads: int, every: int | str) -> RunConfig:
    """W1 with so many steps."""
    table = table_of("W1")
    table["train"] = {**table["train"], "steps": steps}
    table["record"] = {**table["record"], "every": every}
    table["device"] = {**table["device"], "engine": engine, "threads": threads}
    return parse_config(table, "W1")


def block(config: RunConfig, count: int, built: list[float] | None = None) -> None:
    """Train a block to its end; `built` is given the wall-clock seconds before its first step."""
    began = time.perf_counter()
    changes = [{"init.seed": seed} for seed in range(count)]
    run = MemberRun(members_of(config, changes), ("log_risk", "rho"))
    if built is not None:
        built.append(time.perf_counter() - began)
    while not run.ended:
        run.advance(StopFlag())
    run.result()


def alone(config: RunConfig, count: int) -> None:
    """The same runs one after another, nothing recorded."""
    for seed in range(count):
        init = config.init.model_copy(update={"seed": seed})
        experiment = experiment_of(config.model_copy(update={"init": init}))
        steps = config.train.steps
        experiment.program.run_chunk(experiment.state, 0, 1, steps, None, StopFlag())


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def line(name: str, count: int, steps: int, seconds: tuple[float, float], more: str = "") -> None:
    """One row of the table."""
    wall, cpu = seconds
    rate = count * steps
    shown = f"{wall:9.2f} {cpu:9.2f} {rate / wall:12,.0f} {rate / cpu:12,.0f}"
    print(f"{name:12} {count:6,} {steps:8,} {shown}{more}", flush=True)


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--eager", type=int, default=100)
    parser.add_argument("--log", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    every = "log" if given.log else 1000
    config = config_of(given.steps, "kernel", given.threads, every)
    block(config_of(10, "kernel", 1, 10), 1)
    print(
        f"{'':12} {'M':>6} {'steps':>8} {'wall s':>9} {'cpu s':>9} {'a wall s':>12} {'a cpu s':>12}"
    )
    for count in given.members:
        built: list[float] = []
        seconds = timed(partial(block, config, count, built))
        line("kernel", count, given.steps, seconds, f"   building {built[0]:.2f} s")
        few = min(count, MOST_ALONE)
        line("alone", few, given.steps, timed(partial(alone, config, few)))
        slow = config_of(EAGER_STEPS, "eager", 1, every)
        few = min(count, 5)
        line("eager alone", few, EAGER_STEPS, timed(partial(alone, slow, few)))
        if count <= given.eager:
            line("vmap", count, EAGER_STEPS, timed(partial(block, slow, count)))


if __name__ == "__main__":
    main()
