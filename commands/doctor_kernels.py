"""What `workbench doctor` says of compiled code: which engine a run takes, where it is kept; `--warm`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from commands.checks import Check
from commands.patience import Bar
from workbench.errors import clean_text

if TYPE_CHECKING:
    from workbench.engine.programs.kernel.compiled import Compiled


def kernels() -> Check:
    """How many of the compiled functions are on disk, and where."""
    from importlib.util import find_spec

    if find_spec("numba") is None or find_spec("torch") is None:
        return Check("kernels", "problem", "numba or torch is missing", "pip install numba torch")
    entries = _entries()
    folder = clean_text(os.path.commonpath([entry.folder for entry in entries]))
    done = sum(entry.on_disk for entry in entries)
    found = (
        f"device.engine = 'auto' takes the kernel for float64 on the CPU; {done} of {len(entries)} "
        f"functions are compiled in '{folder}'"
    )
    if done < len(entries):
        return Check("kernels", "ok", found, "workbench doctor --warm compiles the rest now.")
    return Check("kernels", "ok", found)


def warm_kernels() -> None:
    """Compile all that are on no disk yet, with a bar on stderr."""
    entries = _entries()
    with Bar("compiling") as bar:
        for count, entry in enumerate(entries):
            bar.update(count / len(entries))
            entry.ready()
        bar.update(1.0)


def _entries() -> tuple[Compiled, ...]:
    """Every function that a run may need."""
    from workbench.engine.programs.kernel import choose, program  # noqa: F401  (they declare them)
    from workbench.engine.programs.kernel.compiled import ENTRIES

    return tuple(ENTRIES)
