"""What every file object that HDF5 goes through has in common: a position, and a size to seek from."""

from __future__ import annotations

import io
import os


class Positioned(io.RawIOBase):
    """A file of `_size` bytes, read from the position `_position` on; whoever derives keeps both."""

    def __init__(self) -> None:
        super().__init__()
        self._position = self._size = 0

    def readable(self) -> bool:
        """Always: HDF5 reads what it has written."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position
