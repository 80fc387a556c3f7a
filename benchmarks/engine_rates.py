"""Steps a second of the engine against a user's plain loop, interleaved in one process.

    python benchmarks/engine_rates.py [--rounds 7] [--engine kernel]

`steps` are without records; `with records` writes a row of all measures at every 10th step.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from workloads import WORKLOADS, PlainLoop, config_of

from workbench.engine.program import RowBuffer, StopFlag
from workbench.run.experiment import experiment_of

SECONDS = 1.0


def rate(run: Callable[[], int]) -> float:
    """Steps a CPU second of `run`, called until a second has passed."""
    began, cpu, steps = time.perf_counter(), time.thread_time(), 0
    while time.perf_counter() - began < SECONDS:
        steps += run()
    return steps / (time.thread_time() - cpu)


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--engine", default="auto", choices=("auto", "eager", "kernel"))
    given = parser.parse_args()
    rounds = given.rounds
    torch.set_num_threads(1)
    print(
        f"{'':4} {'engine':>8} {'plain':>10} {'steps':>10} {'with records':>14}"
        "   steps/plain   with records/plain"
    )
    for name in WORKLOADS:
        config = config_of(name)
        device = config.device.model_copy(update={"engine": given.engine})
        experiment = experiment_of(config.model_copy(update={"device": device}))
        plain = PlainLoop(name)
        buffer = RowBuffer(20, experiment.state.theta, experiment.output_shape)
        flag = StopFlag()

        def loop(plain: PlainLoop = plain) -> int:
            for _ in range(100):
                plain.step()
            return 100

        def bare(experiment=experiment, flag: StopFlag = flag) -> int:  # type: ignore[no-untyped-def]
            return int(
                experiment.program.run_chunk(
                    experiment.state, experiment.state.step, 1, 200, None, flag
                )
            )

        def recorded(
            experiment=experiment, flag: StopFlag = flag, buffer: RowBuffer = buffer
        ) -> int:  # type: ignore[no-untyped-def]
            taken = experiment.program.run_chunk(
                experiment.state, experiment.state.step, 20, 10, buffer, flag
            )
            experiment.panel.compute(buffer.take())
            return int(taken)

        found: list[list[float]] = [[], [], []]
        for _ in range(rounds):
            for column, run in zip(found, (loop, bare, recorded), strict=True):
                column.append(rate(run))
        medians = [statistics.median(column) for column in found]
        engine = experiment.program.name
        print(f"{name:4} {engine:>8} {medians[0]:10,.0f} {medians[1]:10,.0f}", end="")
        print(f" {medians[2]:14,.0f}", end="")
        for column in found[1:]:
            ratios = sorted(a / b for a, b in zip(column, found[0], strict=True))
            print(f"   {statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})", end="")
        print()


if __name__ == "__main__":
    main()
