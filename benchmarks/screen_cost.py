"""What the screen costs the training it shows.

    python benchmarks/screen_cost.py [--rounds 5] [--seconds 5] [--every 10] [WORKLOAD …]

Three ways to train the same workload, each in a process of its own, interleaved round by round so that
whatever else the machine does falls on all of them alike:

    plain      a user's loop: nn.Module, autograd, SGD, nothing recorded
    headless   the workbench without a screen: everything recorded, every 10th step or as --every says
    screen     the workbench with its run screen on a pseudo-terminal of 120×40 that is read at once

Printed are medians of steps a second and, per round, the ratios of neighbours with their spread; by the
wall clock, which counts what threads wait for each other, and by the processor time of the whole process,
which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple

from workloads import PlainLoop, config_of

from workbench.config.run import RunConfig

MODES = ("plain", "headless", "screen")
WARM_SECONDS = 2.0


class Mark(NamedTuple):
    """Where a run is, and when by two clocks."""

    step: int
    wall: float
    cpu: float

    @classmethod
    def at(cls, step: int) -> Mark:
        """The present."""
        return cls(step, time.perf_counter(), time.process_time())


class Rates(NamedTuple):
    """Steps a second by the wall clock, and by the process' time."""

    wall: float
    cpu: float

    @classmethod
    def between(cls, first: Mark, last: Mark) -> Rates:
        """The rates from one mark to another."""
        steps = last.step - first.step
        return cls(steps / (last.wall - first.wall), steps / (last.cpu - first.cpu))


def worker(mode: str, name: str, seconds: float, every: int, out: Path) -> None:
    """Train for a while in this process and write the steps a second."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if mode == "plain":
            rates = _plain(name, seconds)
        elif mode == "headless":
            rates = _headless(config_of(name, every), seconds, Path(folder))
        else:
            rates = _screen(config_of(name, every), seconds, Path(folder))
    out.write_text(f"{rates.wall} {rates.cpu}")


def _plain(name: str, seconds: float) -> Rates:
    loop = PlainLoop(config_of(name))
    end = time.perf_counter() + WARM_SECONDS
    while time.perf_counter() < end:
        loop.step()
    first, steps = Mark.at(0), 0
    while time.perf_counter() - first.wall < seconds:
        loop.step()
        steps += 1
    return Rates.between(first, Mark.at(steps))


def _headless(config: RunConfig, seconds: float, folder: Path) -> Rates:
    from workbench.run.session import Session

    with Session.create(config, folder) as session:
        session.start()
        time.sleep(WARM_SECONDS)
        first = Mark.at(session.engine.state.step)
        time.sleep(seconds)
        return Rates.between(first, Mark.at(session.engine.state.step))


def _screen(config: RunConfig, seconds: float, folder: Path) -> Rates:
    from workbench.config.toml import to_toml
    from workbench.tui.app import WorkbenchApp

    path = folder / "run.toml"
    path.write_text(to_toml(config))
    app = WorkbenchApp.to_run(str(path), [], folder / "runs")
    found: list[Rates] = []
    marks: list[Mark] = []

    def look() -> None:
        if app.session is None or app.session.engine.status != "running" or found:
            return
        marks.append(Mark.at(app.session.engine.state.step))
        first = next((m for m in marks if m.wall >= marks[0].wall + WARM_SECONDS), marks[-1])
        if marks[-1].wall - first.wall >= seconds:
            found.append(Rates.between(first, marks[-1]))
            app.leave()

    app.call_later(lambda: app.set_interval(0.25, look))
    app.run()
    return found[0]


def measure(mode: str, name: str, seconds: float, every: int) -> Rates:
    """Run a worker; the screen's gets a pseudo-terminal whose output is read and dropped."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rate"
        numbers = [str(seconds), str(every)]
        command = [sys.executable, __file__, "--worker", mode, name, *numbers, str(out)]
        env = os.environ | {
            "OMP_NUM_THREADS": "1",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        if mode != "screen":
            subprocess.run(command, check=True, env=env, timeout=120)
        else:
            _on_terminal(command, env)
        return Rates(*map(float, out.read_text().split()))


def _on_terminal(command: list[str], env: dict[str, str]) -> None:
    """Run on a pty of 120×40, answering status queries as a terminal does."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        for _ in range(data.count(b"\x1b[5n")):
            os.write(leader, b"\x1b[0n")
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        os.close(leader)


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--every", type=int, default=10, help="steps between records")
    parser.add_argument("workloads", nargs="*", default=["W1", "W2"])
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        mode, name, seconds, every, out = options.worker
        worker(mode, name, float(seconds), int(every), Path(out))
        return
    print(f"{'':4} {'by':4} " + " ".join(f"{mode:>9}" for mode in MODES), end="")
    print("   screen/headless       headless/plain")
    for name in options.workloads:
        found: dict[str, list[Rates]] = {mode: [] for mode in MODES}
        for turn in range(options.rounds):
            # The order turns round by round: no mode always follows the same other.
            for mode in MODES[turn % 3 :] + MODES[: turn % 3]:
                found[mode].append(measure(mode, name, options.seconds, options.every))
        for clock in Rates._fields:
            column = {mode: [getattr(r, clock) for r in rates] for mode, rates in found.items()}
            row = " ".join(f"{statistics.median(column[mode]):9,.0f}" for mode in MODES)
            print(f"{name:4} {clock:4} {row}", end="")
            for top, bottom in (("screen", "headless"), ("headless", "plain")):
                ratios = sorted(a / b for a, b in zip(column[top], column[bottom], strict=True))
                middle = statistics.median(ratios)
                print(f"   {middle:.3f} ({ratios[0]:.3f}–{ratios[-1]:.3f})", end="")
            print(flush=True)


if __name__ == "__main__":
    main()
