"""The folder a dataset of several files lies in."""

from __future__ import annotations

from pathlib import Path

from workbench.config.paths import named
from workbench.errors import BadInput, clean_text


def existing_folder(text: str, what: str) -> Path:
    """The folder at data.path; raises BadInput when it is not there."""
    if not text:
        raise BadInput(f"data.path is empty; the folder of {what} is needed.")
    folder = named(text, "data.path")
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise BadInput(
            f"data.path: {clean_text(str(folder))} {found}; the folder of {what} is needed."
        )
    return folder
