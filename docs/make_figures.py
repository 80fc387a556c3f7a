"""The pictures of docs/figures.md, from the commands on that page: `python docs/make_figures.py [NAME…]`.

Runs the lines that the pictures shown there need, in a temporary folder, and keeps the pictures small.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
PAGE = HERE / "figures.md"
SHARE = 0.55
COLOURS = 250


def commands(page: str) -> Iterator[list[str]]:
    """The `workbench` lines of the page, as arguments."""
    for line in page.splitlines():
        if line.startswith("    workbench "):
            yield shlex.split(line)[1:]


def named(arguments: list[str]) -> str:
    """What a run of the page is called afterwards."""
    return arguments[arguments.index("--name") + 1] if "--name" in arguments else arguments[1]


def plotted(arguments: list[str]) -> list[str]:
    """The runs of a `plot` line."""
    return arguments[1 : arguments.index("--figure")]


def small(source: Path, target: Path) -> None:
    """The picture in the size of a screen's page, with few colours."""
    with Image.open(source) as picture:
        size = (round(picture.width * SHARE), round(picture.height * SHARE))
        shrunk = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    colours = shrunk.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    colours.save(target, optimize=True)


def main(wanted: list[str]) -> None:
    """Run, plot and shrink."""
    page = PAGE.read_text(encoding="utf-8")
    shown = [Path(name) for name in re.findall(r"\]\((figures/[^)]+)\)", page)]
    shown = [path for path in shown if not wanted or path.stem in wanted]
    lines = list(commands(page))
    with tempfile.TemporaryDirectory() as folder:
        for path in shown:
            (plot,) = (a for a in lines if a[0] == "plot" and a[-1] == path.name)
            for run in (a for a in lines if a[0] == "run" and named(a) in plotted(plot)):
                if not list(Path(folder).glob(f"runs/*-{named(run).replace('.', '-')}-????")):
                    _workbench(run, folder)
            _workbench(plot, folder)
            small(Path(folder) / path.name, HERE / path)


def _workbench(arguments: list[str], folder: str) -> None:
    print(shlex.join(["workbench", *arguments]), file=sys.stderr)
    subprocess.run([sys.executable, "-m", "commands.main", *arguments], cwd=folder, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
