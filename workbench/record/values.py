"""What is read from run files besides numbers: text without control characters."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.errors import clean_text
from workbench.record.seal import CHECKSUM

Value = str | int | float | bool

LONG_TEXT = 1_000_000


def clean_long_text(text: str) -> str:
    """Text of several lines from a file: control characters dropped, line ends and tabs kept."""
    lines = text[:LONG_TEXT].replace("\t", "    ").splitlines()
    ending = "\n" if text.endswith("\n") else ""
    return "\n".join(clean_text(line, LONG_TEXT) for line in lines) + ending


def text_value(value: Any, limit: int = 400) -> str:
    """One line of text from a string or from UTF-8 bytes padded with NUL."""
    raw = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return clean_text(raw.rstrip("\0"), limit)


def attribute_value(value: Any) -> Value | None:
    """An HDF5 attribute as a Python scalar, text cleaned; None for what is neither."""
    if isinstance(value, str | bytes):
        return text_value(value, LONG_TEXT)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        scalar: Value = value.item()
        return scalar
    return None


def root_attributes(file: Any) -> dict[str, Value]:
    """The root attributes that are scalars, their checksum left out; `config` keeps its lines."""
    found: dict[str, Value] = {}
    for key in file.attrs:
        if key == CHECKSUM:
            continue
        raw = file.attrs[key]
        value = attribute_value(raw)
        if value is not None:
            found[text_value(key)] = clean_long_text(raw) if key == "config" else value
    return found
