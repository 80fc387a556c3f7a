"""What a person likes of the screen, for all runs: `screen.toml` beside the launchers.

theme = "light"
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from workbench.errors import BadInput, StorageError, clean_text

FILE = "screen.toml"
LARGEST = 65_536


def screen_file() -> Path:
    """`~/.config/workbench/screen.toml`, or below `$XDG_CONFIG_HOME`; it need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "workbench" / FILE


def kept_theme() -> str:
    """The name of the theme that was chosen, empty where none was.

    Raises BadInput where the file cannot be read, or is no TOML.
    """
    path = screen_file()
    shown = clean_text(str(path))
    try:
        with path.open("rb") as file:
            found = tomllib.loads(file.read(LARGEST).decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise BadInput(f"cannot read '{shown}': {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"'{shown}' is no TOML: {clean_text(str(error), 120)}.") from error
    theme = found.get("theme", "")
    if not isinstance(theme, str):
        raise BadInput(f"theme in '{shown}' must be a text.")
    return theme


def keep_theme(name: str) -> None:
    """Write which theme was chosen. Raises StorageError."""
    path = screen_file()
    temporary = path.with_name(f".{FILE}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(f'theme = "{name}"\n', encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        shown = clean_text(str(path))
        raise StorageError(f"cannot write '{shown}': {error.strerror}.") from error
