"""A reader of pickles that knows arrays, strings, numbers, lists and dicts, and can run nothing.

Two locks. Before anything is unpickled, its operations are listed (`pickletools`, which runs none) and all
but those that plain data need are refused. Then the names a pickle may call, the few with which NumPy writes
an array, stand for functions of this file: no NumPy unpickling and no import happens on a file's word.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np

MOST_OPERATIONS = 2_000_000
MOST_TUPLES = 1_000
LARGEST = 256 << 20
"""Bytes in a file, more than any batch of pictures has."""

PLAIN = frozenset(
    """
    PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG
    LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES
    BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS LIST
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS GET BINGET
    LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD
    """.split()  # noqa: SIM905  (a list of them is three times as long)
)
CALLS = {
    ("numpy.core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("numpy.core.numeric", "_frombuffer"): "_frombuffer",
    ("numpy._core.numeric", "_frombuffer"): "_frombuffer",
}
TYPES = frozenset(
    f"{kind}{size}"
    for kind, sizes in (("iu", "1248"), ("f", "48"))
    for kind in kind
    for size in sizes
) | {"b1"}


class NotPlain(ValueError):
    """What a pickle holds besides plain data, in words."""


def read_plain(data: bytes) -> Any:
    """The object in a pickle: dicts, lists, tuples, numbers, strings, bytes and NumPy arrays of numbers.

    Python 2's strings come as bytes. Raises NotPlain for anything else, and for what is damaged.
    """
    if len(data) > LARGEST:
        raise NotPlain(f"holds more than {LARGEST >> 20} MiB")
    _look_through(data)
    try:
        found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        return _finished(found, 0)
    except NotPlain:
        raise
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise NotPlain("is damaged") from error


def _look_through(data: bytes) -> None:
    """Refuse operations that plain data do not need, and places in the memo that nobody filled."""
    count = tuples = 0
    try:
        for operation, argument, _ in pickletools.genops(data):
            count += 1
            if operation.name not in PLAIN:
                raise NotPlain(f"uses the pickle operation {operation.name}")
            if operation.name == "GLOBAL" and tuple(str(argument).split(" ", 1)) not in CALLS:
                raise NotPlain(f"calls {str(argument).replace(' ', '.')}")
            # Unpicklers reserve room up to the largest place named.
            if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(str(argument)) > count:
                raise NotPlain(f"names the place {argument} among {count} objects")
            # A tuple's hash descends as deep as tuples lie in each other, on the stack.
            tuples += operation.name.startswith("TUPLE")
            if count > MOST_OPERATIONS or tuples > MOST_TUPLES:
                raise NotPlain(
                    f"takes more than {MOST_OPERATIONS:,} operations or {MOST_TUPLES:,} tuples"
                )
    except NotPlain:
        raise
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        raise NotPlain("is no pickle, or damaged") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self.room = LARGEST

    def find_class(self, module: str, name: str) -> _Call:
        """A stand-in for the few names that arrays are written with; all others are refused."""
        if (module, name) not in CALLS:
            raise NotPlain(f"calls {module}.{name}")
        return _Call(CALLS[module, name], self)


class _Call:
    """A name that a pickle may call; it has nothing to be changed by BUILD."""

    __slots__ = ("name", "owner")

    def __init__(self, name: str, owner: _Unpickler) -> None:
        self.name = name
        self.owner = owner

    def __setstate__(self, state: object) -> None:
        raise NotPlain(f"changes {self.name}")

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "_reconstruct" and isinstance(arguments[0], _Call):
            return _Array(self.owner)
        if self.name == "dtype":
            return _NumberType(arguments[0])
        if self.name == "encode":
            return self._encode(*arguments)
        if self.name == "_frombuffer":
            buffer, kind, shape, order = arguments
            array = _Array(self.owner)
            array.__setstate__((1, shape, kind, order in ("F", b"F"), buffer))
            return array
        raise NotPlain(f"calls {self.name}")

    def _encode(self, text: object, encoding: object) -> bytes:
        """How Python 3 writes bytes for Python 2."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise NotPlain("calls _codecs.encode with other than a string")
        self.owner.room -= len(text)
        if self.owner.room < 0:
            raise NotPlain(f"unfolds to more than {LARGEST >> 20} MiB")
        return text.encode("latin1")


class _NumberType:
    """A NumPy type of plain numbers, from the letters a pickle gives."""

    __slots__ = ("order", "text")

    def __init__(self, text: object) -> None:
        self.text = text.decode("ascii") if isinstance(text, bytes) else str(text)
        self.order = "|"
        if self.text not in TYPES:
            raise NotPlain(f"holds an array of type {self.text}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else str(state[1])
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise NotPlain("holds an array of records")
        self.order = order

    def dtype(self) -> np.dtype[Any]:
        """As NumPy's own."""
        return np.dtype(self.order + self.text)


class _Array:
    """An array being built from (version, shape, type, Fortran order, bytes)."""

    __slots__ = ("owner", "value")

    def __init__(self, owner: _Unpickler) -> None:
        self.owner = owner
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _NumberType) or not isinstance(raw, bytes | bytearray):
            raise NotPlain("holds an array of objects")
        flat = np.frombuffer(raw, dtype=kind.dtype())
        self.value = flat.reshape(tuple(int(k) for k in shape), order="F" if fortran else "C")


def _finished(found: Any, depth: int) -> Any:
    """The data with arrays in the places of their builders; only the top two levels may hold any."""
    if isinstance(found, _Array):
        if found.value is None:
            raise NotPlain("holds an array without numbers")
        return found.value
    if isinstance(found, _Call | _NumberType):
        raise NotPlain("holds a function")
    if depth < 2 and isinstance(found, dict):
        return {key: _finished(value, depth + 1) for key, value in found.items()}
    if depth < 2 and isinstance(found, list | tuple):
        return [_finished(value, depth + 1) for value in found]
    return found
