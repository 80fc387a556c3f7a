"""Run by the tests in a process of its own: build files of every kind where no file may pass a size.

    python bounded_files.py FOLDER KIND FROM TO STEP

KIND is `checkpoint`, `packed` or `plain` (a copied run), or a suffix to export to. Every limit has a forked
child, which ends as any process does: what HDF5 could not write would crash it there. Prints one JSON
object: how often the file was `whole`, `refused` with the sentence of a size limit, and what was `wrong`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import sample_run

from workbench.errors import StorageError
from workbench.record.checkpoint import save_checkpoint
from workbench.record.compact import copy_file
from workbench.record.export import export_run
from workbench.record.schema import RUN_FILE

ARRAYS = {
    "theta": np.arange(800.0),
    "rule/m": np.ones((80, 10)),
    "random": np.arange(600, dtype=np.uint8),
    "recorded_step": np.int64(3),
    **{f"memory/{i}": np.arange(50.0) for i in range(20)},
}


def build(kind: str, source: Path, target: Path) -> None:
    """Build one file in the folder `target`."""
    if kind == "checkpoint":
        save_checkpoint(target, 3, ARRAYS, {"engine": "eager", "text": "x" * 300})
    elif kind in ("packed", "plain"):
        copy_file(source / RUN_FILE, target / "copy.h5", packed=kind == "packed")
    else:
        export_run(source, target / f"run.{kind}")


def bounded(kind: str, source: Path, limit: int, place: Path) -> tuple[str, str, int]:
    """In a child: what came of it, what it left or said, and its wait status."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(send, 2)
        target = Path(tempfile.mkdtemp(dir=place))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            build(kind, source, target)
            os.write(send, b"whole")
        except StorageError as error:
            left = [path.name for path in target.rglob("*") if path.is_file()]
            os.write(send, b"refused" if "size limit" in str(error) and not left else b"wrong")
        sys.exit(0)
    os.close(send)
    with open(receive, "rb") as stream:
        said = stream.read().decode(errors="replace")
    return said, f"{limit}: {said[-300:]}", os.waitpid(child, 0)[1]


def main() -> None:
    place, kind = Path(sys.argv[1]), sys.argv[2]
    source = place / "source"
    if not source.exists():
        sample_run.finished(source, 60)
    report: dict = {"whole": 0, "refused": 0, "wrong": []}
    for limit in range(*map(int, sys.argv[3:6])):
        said, more, status = bounded(kind, source, limit, place)
        if status or said not in ("whole", "refused"):
            report["wrong"].append(f"{more} (wait status {status})")
        else:
            report[said] += 1
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
