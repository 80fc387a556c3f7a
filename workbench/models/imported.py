"""Classes of the user's, named in a configuration as `package.module:Class`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from workbench.errors import BadInput, clean_text, unknown


def imported_class(path: str, key: str) -> type:
    """The class at `package.module:Class`; the working folder is searched too.

    Raises BadInput naming the key when it cannot be imported or is no class.
    """
    module_name, _, class_name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadInput(
            f"{key} '{clean_text(path, 120)}' cannot be imported: {clean_text(str(error))}."
        ) from error
    found: object = module
    for part in class_name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(module).items() if isinstance(v, type)]
            raise unknown("class", class_name, names, f"{key} ({module_name})")
        found = getattr(found, part)
    if not isinstance(found, type):
        raise BadInput(f"{key} '{clean_text(path, 120)}' is no class.")
    return found
