"""Paths that a configuration names."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import BadInput, clean_text


def named(text: str, key: str, beside: Path | None = None) -> Path:
    """The path that a key names, `~` unfolded, made absolute beside a folder where one is given.

    Raises BadInput for what can be no path here: too long, a loop of links, somebody unknown's home.
    """
    try:
        path = Path(text).expanduser()
        if beside is not None:
            path = (beside / path).resolve()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"{key}: '{clean_text(text, 120)}' is no path here: {clean_text(str(error), 120)}."
        ) from error
    return path
