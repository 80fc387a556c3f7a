"""Which launcher a study gets: what it says itself, what the command line says, and the user's own file.

`~/.config/workbench/launchers.toml` (or below `$XDG_CONFIG_HOME`) describes clusters once, for all studies:

```toml
[slurm]                      # what every study with kind 'slurm' gets unless it says otherwise
partition = "compute"
account = "theory"

[gpu]                        # a name of one's own, for --on gpu
kind = "slurm"
partition = "gpu"
gpus = 4
```
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.config.launcher import KINDS
from workbench.errors import BadInput, clean_text, unknown

FILE = "launchers.toml"


def launchers_file() -> Path:
    """The user's own file, which need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "workbench" / FILE


def launcher_values(given: Mapping[str, Any], on: str = "") -> dict[str, Any]:
    """The [launcher] table of a new study, complete: a stored study depends on no other file.

    Args:
        given: the table as the study's file has it; its keys come before those of the user's file.
        on: a kind, or a name in the user's file, that the command line asks for instead.

    Raises:
        BadInput: `on` is neither; the user's file is no TOML, or a table of it has no kind.
    """
    own = _own_tables()
    name = on or str(given.get("kind", "local"))
    if name not in KINDS and name not in own:
        if not on:
            return dict(given)  # the table's own refusal names the key
        raise unknown("launcher", on, {*KINDS, *own}, "--on")
    values = dict(own.get(name, {}))
    if name in KINDS:
        values["kind"] = name
    elif values.get("kind") not in KINDS:
        raise BadInput(
            f"{launchers_file()}: [{clean_text(name, 60)}] has no kind; allowed: {', '.join(KINDS)}."
        )
    else:
        values = {**own.get(values["kind"], {}), **values}
    # What the study says of one kind means nothing to another.
    same = given.get("kind", "local") == values["kind"]
    return {**values, **{key: value for key, value in given.items() if same and key != "kind"}}


def _own_tables() -> dict[str, dict[str, Any]]:
    path = launchers_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {clean_text(str(error), 160)}.") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is no TOML: {clean_text(str(error), 160)}.") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise BadInput(
                f"{path}: {clean_text(name, 60)} is no table; needed is a launcher, as [{KINDS[1]}]."
            )
    return tables
