"""Who is told that something is being compiled: it takes seconds, once on a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

SENTENCE = "compiling for this machine, once; some seconds …"

Show = Callable[[str], AbstractContextManager[object]]
"""Shows a sentence for as long as what it gives is entered."""

_shows: list[Show] = []


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Within the block `show` is used; of several the last."""
    _shows.append(show)
    try:
        yield
    finally:
        _shows.remove(show)


def compiling() -> AbstractContextManager[object]:
    """For the time that something is compiled."""
    return _shows[-1](SENTENCE) if _shows else nullcontext()
