"""Run by the durability tests in a process of its own: record until the disk is full.

    python fill_disk.py FOLDER [--limit BYTES] [--make-room FILE]

`--limit` bounds the size of files, as an unprivileged stand-in for a full disk. `--make-room`
removes a file after the failure; the process then reopens the run and carries on. Prints one JSON
object: records acknowledged, the failure, what later appends said, and records after carrying on.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

import sample_run

from workbench.errors import StorageError
from workbench.record.lock import RunLock
from workbench.record.store import RunStore


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--make-room", type=Path)
    given = parser.parse_args()
    if given.limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.limit, resource.RLIM_INFINITY))
    with RunLock(given.folder):
        store = sample_run.create(given.folder)
        report = {"failure": "", "later": [], "after": 0}
        while not report["failure"]:
            try:
                store.append(sample_run.rows(store.last_step + 1, 50))
                store.event(store.last_step, "note", f"at {store.last_step}")
                store.commit()
            except StorageError as error:
                report["failure"] = str(error)
        report["acknowledged"] = store.n_committed
        for _ in range(3):
            try:
                store.append(sample_run.rows(store.last_step + 1, 1))
                store.commit()
            except StorageError as error:
                report["later"].append(str(error))
        if given.make_room or given.limit:
            if given.make_room:
                given.make_room.unlink()
            else:
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            mended = RunStore.reopen(given.folder)
            mended.carry_over(store)
            report["carried"] = mended.n_committed
            for _ in range(20):
                mended.append(sample_run.rows(mended.last_step + 1, 50))
                mended.commit()
            report["after"] = mended.n_committed
            mended.close()
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
