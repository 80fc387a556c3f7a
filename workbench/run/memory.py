"""Memory that is refused, as a sentence that names what asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.config.run import RunConfig
from workbench.errors import BadInput

REFUSALS = (
    "can't allocate memory",
    "out of memory",
    "bad_alloc",
    "not enough memory",
    "calculation overflowed",
    "multiplication overflow",
    "maximum allowed dimension",
    "array is too big",
)
"""What torch and NumPy say, in RuntimeErrors and ValueErrors."""


@contextmanager
def enough_memory(config: RunConfig) -> Iterator[None]:
    """What torch and NumPy raise where memory ends, as BadInput naming the largest keys."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        said = str(error).lower()
        if not isinstance(error, MemoryError) and not any(words in said for words in REFUSALS):
            raise
        raise BadInput(
            f"the run needs more memory than there is; its largest numbers are {_largest(config)}."
        ) from error


def _largest(config: RunConfig) -> str:
    """The sizes in [data] and [model], the largest two first."""
    sizes: list[tuple[int, str]] = []
    for section in ("data", "model"):
        for key, value in getattr(config, section):
            numbers = value if isinstance(value, tuple) else (value,)
            # Seeds are no sizes.
            sizes += [(v, f"{section}.{key}") for v in numbers if type(v) is int and key != "seed"]
    found = [f"{key} = {value:,}" for value, key in sorted(sizes, reverse=True)[:2]]
    return " and ".join(found) or "those of the samples"
