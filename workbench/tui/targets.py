"""Files that screens write: which endings there are, and what is wrong with a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.errors import clean_text, unknown

EXPORT_SUFFIXES = (".h5", ".nc", ".csv", ".npz")
PLOT_SUFFIXES = (".png", ".pdf", ".svg")


def check_target(suffixes: tuple[str, ...]) -> Callable[[str], str | None]:
    """A check for the name of a file to write."""

    def check(text: str) -> str | None:
        if not text.strip() or "\0" in text:
            return f"give a file that ends in {', '.join(suffixes)}."
        path = Path(text.strip()).expanduser()
        if path.suffix.lower() not in suffixes:
            return str(unknown("format", path.suffix or path.name, suffixes))
        try:
            if not path.parent.is_dir():
                return f"there is no folder '{clean_text(str(path.parent), 80)}'."
            if path.is_dir():
                return f"'{clean_text(str(path), 80)}' is a folder."
        except OSError as error:
            return f"cannot write there: {error.strerror}."
        return None

    return check
