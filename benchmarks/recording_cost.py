"""What recording costs, stage by stage: `python benchmarks/recording_cost.py [--rounds 5] [--records 7000]`.

Synthetic rows of W1, W2 and W3 (`workloads.py`) go through what a run's records go through, in blocks as
chunks of 60 ms give them: out of the buffer, panel, watch, forecasts, history, recorder and run folder. What
is recorded is committed every fourth block, as a quarter second passes in a run, and at the end synced.
Printed are microseconds of processor time a record and stage, medians over interleaved rounds, beside the
rival: the panel's arrays appended to an HDF5 file by plain h5py, in the same blocks, with a flush each.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import torch
from workloads import config_of

from workbench.arrays import Array
from workbench.config.run import RunConfig
from workbench.engine.program import RowBuffer
from workbench.engine.saddle_watch import SaddleWatch, seen
from workbench.inspector.forecast_ledger import ForecastLedger
from workbench.measures.rows import Rows
from workbench.protocol.events import Recorded
from workbench.run.experiment import Experiment, experiment_of
from workbench.run.ledger import ledger_of
from workbench.run.session import Session

STAGES = ("buffer", "panel", "watch", "forecasts", "history", "recorder", "end", "all", "rival")
EVERY = 100


class Clock:
    """Processor time of this thread by stage, in seconds."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What passes inside is that stage's."""
        began = time.thread_time()
        yield
        self.spent[name] += time.thread_time() - began


def walk(experiment: Experiment, records: int, seed: int) -> Rows:
    """Rows of a made-up run: θ walks, outputs and gradients come and go around it."""
    draw = np.random.default_rng(seed)
    p, shape = experiment.structure.size, experiment.output_shape
    theta = np.cumsum(draw.normal(size=(records, p)), axis=0) / np.sqrt(records) + 1.0
    falling = np.exp(-3.0 * np.arange(records) / records)
    return Rows(
        step=np.arange(1, records + 1) * EVERY,
        time=np.arange(1, records + 1) * 1e-3,
        path_length=np.cumsum(draw.random(records)),
        theta=theta,
        outputs=draw.normal(size=(records, *shape)) * falling.reshape(-1, *(1 for _ in shape)),
        gradient=draw.normal(size=(records, p)) * 0.01 * falling[:, None] - 0.01 * theta,
        gradient_log_scale=np.zeros(records),
    )


def fill(buffer: RowBuffer, rows: Rows) -> None:
    """What a compiled program leaves behind: arrays of rows, written at once."""
    count = len(rows)
    for name in ("step", "time", "path_length"):
        getattr(buffer, name)[:count] = getattr(rows, name)
    for name in ("theta", "outputs", "gradient", "gradient_log_scale"):
        getattr(buffer, name)[:count] = torch.from_numpy(getattr(rows, name))
    buffer.count = count


def recorded(config: RunConfig, blocks: list[Rows]) -> Clock:
    """Every block through a run's stages into a folder of its own."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        session = Session.create(config, Path(folder))
        experiment, history = session.experiment, session.history
        watch = SaddleWatch(experiment.state.watch.log_risk_zero)
        ledger: ForecastLedger = ledger_of(experiment, history)
        buffer = RowBuffer(len(blocks[0]), experiment.state.theta, experiment.output_shape)
        for number, given in enumerate(blocks):
            fill(buffer, given)
            with clock.stage("buffer"):
                rows = buffer.take()
            with clock.stage("panel"):
                values = experiment.panel.compute(rows)
            with clock.stage("watch"):
                seen(watch, values, len(rows), rows.theta, None, first=False)
            with clock.stage("recorder"):
                session.recorder(Recorded(values))
                if number % 4 == 3:
                    session.store.commit()
            with clock.stage("history"):
                history.append(values)
            with clock.stage("forecasts"):
                ledger.recorded(values, [])
        with clock.stage("recorder"):
            session.store.commit(sync=True)
        with clock.stage("end"):
            session.close()
    return clock


def appended(experiment: Experiment, blocks: list[Rows]) -> float:
    """Seconds that plain h5py takes to append what the panel gives of every block."""
    arrays = [experiment.panel.compute(rows) for rows in blocks]
    with tempfile.TemporaryDirectory() as folder, h5py.File(Path(folder) / "rival.h5", "w") as file:
        for name, values in arrays[0].items():
            row = values.shape[1:]
            file.create_dataset(
                name, (0, *row), values.dtype, maxshape=(None, *row), chunks=(len(values), *row)
            )
        began = time.thread_time()
        for given in arrays:
            _append(file, given)
        return time.thread_time() - began


def _append(file: h5py.File, arrays: dict[str, Array]) -> None:
    for name, values in arrays.items():
        dataset = file[name]
        start = len(dataset)
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values
    file.flush()


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=7000, help="records a round")
    parser.add_argument("--block", type=int, default=420, help="records of a chunk")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made = {}
    for name in ("W1", "W2", "W3"):
        config = config_of(name, EVERY)
        experiment = experiment_of(config)
        rows = walk(experiment, options.records, 0)
        blocks = [
            rows.part(start, min(start + options.block, options.records))
            for start in range(0, options.records, options.block)
        ]
        made[name] = (config, experiment, blocks)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in made}
    for _ in range(options.rounds):
        for name, (config, experiment, blocks) in made.items():
            spent = recorded(config, blocks).spent
            spent["all"] = sum(spent.values()) - spent["end"]
            spent["rival"] = appended(experiment, blocks)
            found[name].append(spent)
    print(f"µs a record, blocks of {options.block}; 'end': closing the run, not in 'all'")
    print("    " + " ".join(f"{stage:>9}" for stage in STAGES))
    for name, rounds in found.items():
        middle = [statistics.median(spent[stage] for spent in rounds) for stage in STAGES]
        print(f"{name:4}" + " ".join(f"{1e6 * s / options.records:9.2f}" for s in middle))


if __name__ == "__main__":
    main()
