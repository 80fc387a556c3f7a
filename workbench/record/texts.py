"""Text as a run's file holds it: of bounded length, so that it can be written while readers look."""

from __future__ import annotations

from workbench.errors import clean_text

STATUS_BYTES = 32
KIND_BYTES = 32
TEXT_BYTES = 512


def truncated(text: str, size: int) -> bytes:
    """UTF-8 of at most `size` bytes, cut between characters, without control characters."""
    raw = clean_text(text, size).encode("utf-8", "replace")
    return raw[:size].decode("utf-8", "ignore").encode()
