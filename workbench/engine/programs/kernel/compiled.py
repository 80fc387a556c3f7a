"""Compiled functions: how they are declared, when they are compiled, and where what was compiled is kept.

An *entry* has a signature and is kept on disk; a *part* is compiled into the entries that call it. Nothing
is compiled when a module is imported: an entry is compiled, or read from disk, when it is first asked for.
NaN and ∞ are seen: of fast arithmetic only contraction and reordering of sums are allowed.

What is kept on disk lies in NUMBA_CACHE_DIR where that is set, else beside the sources, else in the user's
own cache folder, else in a folder of the machine's temporary files that belongs to the user alone.
It holds for the very sources it was made of (`sources_of`), whichever function calls which.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from stat import S_IMODE
from threading import Lock
from typing import Any

import numba
from numba import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from workbench.engine.programs import first_use

F = types.float64[::1]
I = types.int64[::1]  # noqa: E741  (the names of the signatures below)
X = types.float64[:, ::1]
FORWARD = types.void(F, X, F, I, F, F)
"""θ (P), x (d, b), fixed, shape, work, outputs (b·C, flat by samples): outputs are written."""
BACKWARD = types.void(F, X, F, I, F, F, F)
"""θ, x, fixed, shape, work, weights (b·C), gradient (P): the gradient is written. `work` is what the forward
function of the same θ and x has left, and may be destroyed."""

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract", "reassoc"},
    "error_model": "numpy",
    "_nrt": False,
}
"""`_nrt`: without it no part of an array is counted as a reference to it, a call each time, and neither can
arrays be made, returned or assigned to arrays: what is compiled works in the room that it is given."""
COUNTED: dict[str, Any] = {**OPTIONS, "_nrt": True}
"""For what calls BLAS or hands parts of arrays about: there references are counted."""
PACKAGE = Path(__file__).parent
ENTRIES: list[Compiled] = []
"""All that were declared in the modules that have been imported."""


class Compiled:
    """A function that is compiled for one signature, or read from disk, when it is first needed."""

    def __init__(
        self, function: Callable[..., Any], signature: Any, options: Mapping[str, Any] = OPTIONS
    ) -> None:
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.signature = signature
        self._dispatcher = numba.njit(**options)(function)
        self._cache = SourcesCache(function)
        self._dispatcher._cache = self._cache
        self._lock = Lock()
        self._ready = False
        ENTRIES.append(self)

    def __call__(self, *arguments: Any) -> Any:
        """Its value."""
        return self.ready()(*arguments)

    @property
    def on_disk(self) -> bool:
        """Whether it need not be compiled any more."""
        if self._ready:
            return True
        with _readable():
            return self._cache.holds(self.signature)
        return False

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return Path(self._cache.cache_path)

    def ready(self) -> Any:
        """The compiled function, to be called or given to another as an argument."""
        with self._lock:
            if not self._ready:
                self._compile()
                self._dispatcher.disable_compile()
                self._ready = True
        return self._dispatcher

    def _compile(self) -> None:
        """Read it or compile it; where the folder cannot be read or written it is compiled all the same."""
        with _readable():
            self._dispatcher.compile(self.signature)
            return
        if not self._dispatcher.signatures:
            self._cache.disable()
            self._dispatcher.compile(self.signature)


def make_ready(entries: Iterable[Compiled]) -> None:
    """Compile those that are on no disk yet, saying so, and read the others."""
    entries = tuple(entries)
    if all(entry.on_disk for entry in entries):
        for entry in entries:
            entry.ready()
        return
    with first_use.compiling():
        for entry in entries:
            entry.ready()


def compiled(
    signature: Any, options: Mapping[str, Any] = OPTIONS
) -> Callable[[Callable[..., Any]], Compiled]:
    """Declare an entry."""

    def declare(function: Callable[..., Any]) -> Compiled:
        return Compiled(function, signature, options)

    return declare


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a part: compiled code calls it, with any types, and it is compiled with its caller."""
    return numba.njit(**OPTIONS)(function)


def counted_part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a part that makes, returns or assigns arrays, see `COUNTED`."""
    return numba.njit(**COUNTED)(function)


def exact_part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a part whose sums keep their order, in whatever entry it is compiled."""
    return numba.njit(**{**OPTIONS, "fastmath": {"contract"}}, forceinline=True)(function)


@contextmanager
def _readable() -> Iterator[None]:
    """Go on where a file of the folder is torn, foreign, or there is no room for one."""
    try:
        yield
    except numba.core.errors.NumbaError:
        raise
    except Exception as error:  # noqa: BLE001  (an unpickled file may raise anything)
        warnings.warn(f"compiled code on disk is not used: {error}", stacklevel=3)


@cache
def sources_of(folder: Path) -> str:
    """A hash of the sources in a folder of the package and in those above it, up to the package."""
    found = hashlib.sha256()
    while True:
        for path in sorted(folder.glob("*.py")):
            found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        if folder == PACKAGE or PACKAGE not in folder.parents:
            return found.hexdigest()
        folder = folder.parent


class SourcesLocator(_CacheLocator):  # type: ignore[misc]
    """Where numba keeps a function, and what of."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._sources = Path(file).resolve().parent
        self._path = writable_folder(self._sources)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(self._path)

    def get_source_stamp(self) -> str:
        """What is kept is read only where this is the same."""
        return sources_of(self._sources)

    def get_disambiguator(self) -> str:
        """Of two functions of one name in a file."""
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> SourcesLocator:
        """As numba asks for it."""
        return cls(function, file)


class _Files(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (SourcesLocator,)


class SourcesCache(FunctionCache):  # type: ignore[misc]
    """What numba keeps of a function, for as long as no source of the package changes."""

    _impl_class = _Files

    def holds(self, signature: Any) -> bool:
        """Whether the function is there for a signature and this processor."""
        from numba.core.registry import cpu_target

        key = self._index_key(signature, cpu_target.target_context.codegen())
        return key in self._cache_file._load_index()


@cache
def writable_folder(sources: Path) -> Path:
    """The first folder that can be written, for what is compiled of the sources in a folder."""
    name = f"{sources.name}_{hashlib.sha1(str(sources).encode()).hexdigest()}"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    given = numba.config.CACHE_DIR
    places = [Path(given) / name] if given else []
    places += [sources / "__pycache__", Path(home) / "workbench" / name]
    for place in places:
        if _can_write(place):
            return place
    own = Path(tempfile.gettempdir()) / f"workbench-kernels-{os.getuid()}"
    if _can_write(own) and _is_own(own):
        return own
    return Path(tempfile.mkdtemp(prefix="workbench-kernels-"))


def _can_write(place: Path) -> bool:
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _is_own(place: Path) -> bool:
    """Whether nobody else can have put code there."""
    found = place.lstat()
    return (
        found.st_uid == os.getuid()
        and not place.is_symlink()
        and not S_IMODE(found.st_mode) & 0o022
    )
