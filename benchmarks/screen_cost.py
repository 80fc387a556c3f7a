"""What the screen costs the training it shows.

    python benchmarks/screen_cost.py [--rounds 5] [--seconds 5]

Three ways to train the same workload, each in a process of its own, interleaved round by round so that
whatever else the machine does falls on all of them alike:

    plain      a user's loop: nn.Module, autograd, SGD, nothing recorded
    headless   the workbench without a screen: everything recorded, every 10th step
    screen     the workbench with its run screen on a pseudo-terminal of 120×40 that is read at once

Printed are medians of steps a wall-clock second and, per round, the ratios of neighbours.
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

from workloads import WORKLOADS, PlainLoop, config_of

MODES = ("plain", "headless", "screen")
WARM_SECONDS = 2.0


def worker(mode: str, name: str, seconds: float, out: Path) -> None:
    """Train for a while in this process and write the steps a second."""
    import torch

    torch.set_num_threads(1)
    if mode == "plain":
        out.write_text(str(_plain(name, seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rate = (_screen if mode == "screen" else _headless)(name, seconds, Path(folder))
    out.write_text(str(rate))


def _plain(name: str, seconds: float) -> float:
    loop = PlainLoop(name)
    end = time.perf_counter() + WARM_SECONDS
    while time.perf_counter() < end:
        loop.step()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        loop.step()
        steps += 1
    return steps / (time.perf_counter() - began)


def _headless(name: str, seconds: float, folder: Path) -> float:
    from workbench.session import Session

    with Session.create(config_of(name), folder) as session:
        session.start()
        time.sleep(WARM_SECONDS)
        first, began = session.engine.state.step, time.perf_counter()
        time.sleep(seconds)
        rate = (session.engine.state.step - first) / (time.perf_counter() - began)
    return float(rate)


def _screen(name: str, seconds: float, folder: Path) -> float:
    from workbench.config import to_toml
    from workbench.tui.app import WorkbenchApp

    path = folder / "run.toml"
    path.write_text(to_toml(config_of(name)))
    app = WorkbenchApp.to_run(str(path), [], folder / "runs")
    rates: list[float] = []
    marks: list[tuple[int, float]] = []

    def look() -> None:
        if app.session is None or app.session.engine.mode != "running":
            return
        marks.append((app.session.engine.state.step, time.perf_counter()))
        (step, at) = next((m for m in marks if m[1] >= marks[0][1] + WARM_SECONDS), marks[-1])
        if marks[-1][1] - at >= seconds and not rates:
            rates.append((marks[-1][0] - step) / (marks[-1][1] - at))
            app.leave()

    app.call_later(lambda: app.set_interval(0.25, look))
    app.run()
    return rates[0]


def measure(mode: str, name: str, seconds: float) -> float:
    """Run a worker; the screen's gets a pseudo-terminal whose output is read and dropped."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rate"
        command = [sys.executable, __file__, "--worker", mode, name, str(seconds), str(out)]
        env = os.environ | {
            "OMP_NUM_THREADS": "1",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        if mode != "screen":
            subprocess.run(command, check=True, env=env, timeout=120)
        else:
            _on_terminal(command, env)
        return float(out.read_text())


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
    process.wait(10)
    os.close(leader)


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        mode, name, seconds, out = options.worker
        worker(mode, name, float(seconds), Path(out))
        return
    print(
        f"{'':4} {'plain':>10} {'headless':>10} {'screen':>10}   screen/headless   headless/plain"
    )
    for name in WORKLOADS:
        found: dict[str, list[float]] = {mode: [] for mode in MODES}
        for turn in range(options.rounds):
            # The order turns round by round: no mode always follows the same other.
            for mode in MODES[turn % 3 :] + MODES[: turn % 3]:
                found[mode].append(measure(mode, name, options.seconds))
        print(
            f"{name:4} " + " ".join(f"{statistics.median(found[m]):10,.0f}" for m in MODES), end=""
        )
        for top, bottom in (("screen", "headless"), ("headless", "plain")):
            ratios = sorted(a / b for a, b in zip(found[top], found[bottom], strict=True))
            print(f"   {statistics.median(ratios):.3f} ({ratios[0]:.3f}–{ratios[-1]:.3f})", end="")
        print()


if __name__ == "__main__":
    main()
