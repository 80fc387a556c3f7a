"""Parsl's interchange, which the pilots report to, as a process that goes with its driver.

`python -m workbench.study.launchers.interchange LOG`, its configuration on standard input. Other than Parsl
starts it, it writes to a file and not to the terminal, has no part in a ctrl-c there, and ends when
the driver is gone, however that went: the pilots then end by themselves.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time

LOOK = 1.0
"""Seconds between looks at whether the driver lives."""


def main(log: str) -> None:
    """Run the interchange until it is told to end, or its parent is gone."""
    driver = os.getppid()
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    threading.Thread(target=_go_with, args=(driver,), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")


def _go_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(LOOK)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
