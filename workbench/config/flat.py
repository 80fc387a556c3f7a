"""A configuration as dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration by dotted key: `{"train": {"lr": 1}}` gives `{"train.lr": 1}`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found.update(flatten(value, f"{name}."))
        else:
            found[name] = value
    return found
