"""A figure into its file: PNG, PDF or SVG, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from workbench.errors import BadInput, clean_text, unknown
from workbench.figures.style import STYLE
from workbench.record.atomic import put_in_place, write_error

DOTS_PER_INCH = 300
# No dates inside: the same run gives the same file.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": "workbench"},
    ".pdf": {"CreationDate": None, "Creator": "workbench"},
    ".svg": {"Date": None, "Creator": "workbench"},
}


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure; an existing file is replaced. Fonts are embedded as outlines.

    Raises:
        BadInput: the suffix is not .png, .pdf or .svg, or the folder is missing.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise unknown("figure format", path.suffix or path.name, _METADATA)
    if not path.parent.is_dir():
        raise BadInput(f"there is no folder '{clean_text(str(path.parent))}' to draw into.")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with rc_context(STYLE):
            figure.savefig(
                temporary, format=suffix[1:], dpi=DOTS_PER_INCH, metadata=_METADATA[suffix]
            )
        put_in_place(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
