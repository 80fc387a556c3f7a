"""Run by the damage tests in a process of its own: read every file of a folder, one JSON line each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.record.reader import RunReader
from workbench.record.summary import summarize


def read_all(path: Path) -> str:
    """Everything a viewer would ask of a file; "sound", or the one sentence it got."""
    try:
        with RunReader(path) as reader:
            for name in reader.series_names():
                reader.read(name)
                reader.layout(name)
            reader.events()
            reader.inspections()
            _ = reader.x, reader.y, reader.config_text, reader.status
    except WorkbenchError as error:
        return str(error)
    return "sound"


def main() -> None:
    for path in sorted(Path(sys.argv[1]).iterdir()):
        sys.stdout.write(json.dumps([path.name, read_all(path), summarize(path).status]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
