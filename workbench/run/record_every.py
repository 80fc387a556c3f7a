"""record.every = "auto": how many steps lie between two records of a run, settled before its first step.

It follows from the number of steps, from what a record weighs in the file, and, with minibatches, from what
it costs to look at all samples; never from a clock. The run's configuration then says the number, so that
resuming goes on with it.
"""

from __future__ import annotations

from math import ceil, floor, log10

from workbench.config.run import RunConfig
from workbench.measures.panel import Panel

RECORDS = 20_000
"""Most records: ten for every column of a wide screen's chart, on each of its decades."""
FILE_BYTES = 256 * 10**6
"""Most bytes of the series, before they are compressed."""
FEWEST = 500
"""Records that a run with minibatches has even where looking at all samples costs more than a fifth of it."""
PASSES = 5.0
"""Passes over the samples between two looks at all of them, where that leaves as many."""


def settled(config: RunConfig, panel: Panel) -> tuple[RunConfig, str]:
    """The configuration with a number for "auto", and a sentence that says it; as it was and nothing where
    it has one."""
    if config.record.every != "auto":
        return config, ""
    weight = bytes_a_record(panel)
    steps, batch = config.train.steps, config.train.batch
    every = chosen_every(steps, weight, panel.y.shape[0] / batch if batch else 0.0)
    table = config.record.model_copy(update={"every": every})
    count = steps // every + 1
    remark = (
        f"record.every = auto: every {every:,} step{'s' if every > 1 else ''}, {count:,} records of "
        f"{_size(weight)}, {_size(count * weight)} in all before compression."
    )
    return config.model_copy(update={"record": table}), remark


def chosen_every(steps: int, record_bytes: int, pass_steps: float = 0.0) -> int:
    """1, 2, 5, 10, 20, 50, … steps between records; `pass_steps`: that see every sample once, 0 for the full
    batch, whose records cost no pass of their own."""
    least = max(steps / RECORDS, steps * record_bytes / FILE_BYTES)
    seldom = min(PASSES * pass_steps, max(pass_steps, steps / FEWEST))
    return min(_rounded_up(max(1.0, least, seldom)), max(1, steps))


def bytes_a_record(panel: Panel) -> int:
    """Of a record's series in the file."""
    numbers = 1
    for shape in panel.shapes().values():
        size = 1
        for axis in shape:
            size *= axis
        numbers += size
    return 8 * numbers


def _rounded_up(least: float) -> int:
    """The first of 1, 2, 5, 10, 20, 50, … that is no less."""
    decade = 10 ** max(0, floor(log10(least)))
    while True:
        for digit in (1, 2, 5):
            if digit * decade >= ceil(least):
                return digit * decade
        decade *= 10


def _size(count: int) -> str:
    """Bytes in kB, MB or GB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
