"""A reader of pickles that knows arrays, strings, numbers, lists and dicts, and can run nothing.

It takes a pickle's operations one by one (`pickletools` lists them and runs none) and does the few that
plain data need. The names that a pickle may call, with which NumPy writes an array, stand for functions of
this file: no unpickling and no import happens on a file's word. Every operation takes a bounded time, and
they are counted.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

MOST_OPERATIONS = 300_000
"""A batch of ten thousand pictures takes 40,000, or 100,000 where Python 3 wrote it for Python 2."""
LARGEST = 256 << 20
"""Bytes in a file, more than any batch of pictures has."""
LONGEST_KEY = 1_000
MOST_AXES = 32

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

    Arrays lie at the top or in a dict, list or tuple there; Python 2's strings come as bytes. Raises NotPlain
    for anything else, and for what is damaged.
    """
    if len(data) > LARGEST:
        raise NotPlain(f"holds more than {LARGEST >> 20} MiB")
    try:
        return _finished(_Machine().run(data))
    except NotPlain:
        raise
    except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise NotPlain("is no pickle, or damaged") from error


class _Machine:
    """The stack, the marks on it and the memo that a pickle works with."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.room = LARGEST

    def run(self, data: bytes) -> Any:
        """What lies on the stack at the end."""
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if count >= MOST_OPERATIONS:
                raise NotPlain(f"takes more than {MOST_OPERATIONS:,} operations")
            name = operation.name
            if name in PUSHED:
                self.stack.append(argument)
            elif name in MADE:
                self.stack.append(MADE[name](argument))
            elif name in GOT:
                self.stack.append(self.memo[int(argument or 0)])
            elif name == "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            elif name in KEPT:
                self.memo[int(argument or 0)] = self.stack[-1]
            elif name in OPERATIONS:
                OPERATIONS[name](self)
            elif name in ("GLOBAL", "STACK_GLOBAL"):
                self._name(argument)
            elif name not in ("PROTO", "FRAME", "STOP"):
                raise NotPlain(f"uses the pickle operation {name}")
        return self.stack.pop()

    def mark(self) -> None:
        """Remember where the stack ends."""
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        """Take what came onto the stack since the last mark."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        """Take the last few."""
        if count > len(self.stack):
            raise IndexError("nothing on the stack")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def append(self, items: list[Any]) -> None:
        """Onto the list that lies on the stack."""
        if not isinstance(self.stack[-1], list):
            raise TypeError("no list")
        self.stack[-1].extend(items)

    def set(self, items: list[Any]) -> None:
        """Keys and values, in turn, into the dict that lies on the stack."""
        if not isinstance(self.stack[-1], dict):
            raise TypeError("no dict")
        self.stack[-1].update(_pairs(items))

    def _name(self, argument: Any) -> None:
        """A stand-in for one of the few names that arrays are written with; all others are refused."""
        module, name = self.last(2) if argument is None else str(argument).split(" ", 1)
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("no name")
        if (module, name) not in CALLS:
            raise NotPlain(f"calls {module[:60]}.{name[:60]}")
        self.stack.append(_Call(CALLS[module, name]))

    def call(self) -> None:
        """What a name gives for the tuple of its arguments."""
        called, arguments = self.last(2)
        if not isinstance(called, _Call) or not isinstance(arguments, tuple):
            raise TypeError("no call")
        if called.name == "_reconstruct" and isinstance(arguments[0], _Call):
            self.stack.append(_Array())
        elif called.name == "dtype":
            self.stack.append(_NumberType(arguments[0]))
        elif called.name == "encode":
            self.stack.append(self._encoded(*arguments[:2]))
        elif called.name == "_frombuffer":
            buffer, kind, shape, order = arguments
            self.stack.append(_Array())
            self.stack[-1].build((1, shape, kind, order in ("F", b"F"), buffer))
        else:
            raise NotPlain(f"calls {called.name}")

    def _encoded(self, text: Any, encoding: Any) -> bytes:
        """How Python 3 writes bytes for Python 2."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise NotPlain("calls _codecs.encode with other than a string")
        self.room -= len(text)
        if self.room < 0:
            raise NotPlain(f"unfolds to more than {LARGEST >> 20} MiB")
        return text.encode("latin1")

    def build(self) -> None:
        """Give an array or its type what it is made of."""
        state = self.stack.pop()
        built = self.stack[-1]
        if isinstance(built, _Call):
            raise NotPlain(f"changes {built.name}")
        if not isinstance(built, _Array | _NumberType) or not isinstance(state, tuple):
            raise TypeError("nothing to build")
        built.build(state)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """A dict of keys and values in turn; its keys are short, so that they are quickly told apart."""
    if len(items) % 2:
        raise ValueError("a key without a value")
    for key in items[::2]:
        if isinstance(key, str | bytes):
            short = len(key) <= LONGEST_KEY
        else:
            short = isinstance(key, int) and -(2**63) <= key < 2**63
        if not short:
            raise NotPlain("has keys that are no short strings or numbers")
    return dict(zip(items[::2], items[1::2], strict=True))


PUSHED = frozenset(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 NONE
    """.split()  # noqa: SIM905  (a list of them is three times as long)
)
MADE: dict[str, Callable[[Any], Any]] = {
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_DICT": lambda _: {},
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), lambda text: text.encode("latin1")),
}
GOT = frozenset({"GET", "BINGET", "LONG_BINGET"})
KEPT = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
OPERATIONS: dict[str, Callable[[_Machine], object]] = {
    "MARK": _Machine.mark,
    "POP": lambda m: m.last(1),
    "POP_MARK": _Machine.since_mark,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "LIST": lambda m: m.stack.append(m.since_mark()),
    "TUPLE": lambda m: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.stack.append(tuple(m.last(1))),
    "TUPLE2": lambda m: m.stack.append(tuple(m.last(2))),
    "TUPLE3": lambda m: m.stack.append(tuple(m.last(3))),
    "DICT": lambda m: m.stack.append(_pairs(m.since_mark())),
    "APPEND": lambda m: m.append(m.last(1)),
    "APPENDS": lambda m: m.append(m.since_mark()),
    "SETITEM": lambda m: m.set(m.last(2)),
    "SETITEMS": lambda m: m.set(m.since_mark()),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}


class _Call:
    """A name that a pickle may call."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _NumberType:
    """A NumPy type of plain numbers, from the letters a pickle gives."""

    __slots__ = ("order", "text")

    def __init__(self, text: Any) -> None:
        self.text = _letters(text)
        self.order = "|"
        if self.text not in TYPES:
            raise NotPlain(f"holds an array of type {self.text}")

    def build(self, state: tuple[Any, ...]) -> None:
        """From (version, byte order, nothing that plain numbers have, …)."""
        order = _letters(state[1])
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise NotPlain("holds an array of records")
        self.order = order

    def dtype(self) -> np.dtype[Any]:
        """As NumPy's own."""
        return np.dtype(self.order + self.text)


def _letters(text: Any) -> str:
    if not isinstance(text, str | bytes):
        raise TypeError("no letters")
    return text[:40].decode("ascii") if isinstance(text, bytes) else text[:40]


class _Array:
    """An array being built from (version, shape, type, Fortran order, bytes)."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: tuple[Any, ...]) -> None:
        """A view of the bytes."""
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _NumberType) or not isinstance(raw, bytes | bytearray):
            raise NotPlain("holds an array of objects")
        if not isinstance(shape, tuple) or len(shape) > MOST_AXES:
            raise TypeError("no shape")
        flat = np.frombuffer(raw, dtype=kind.dtype())
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _finished(found: Any, *, top: bool = True) -> Any:
    """The data with arrays in the places of their builders; below the top they stay as they are."""
    if isinstance(found, _Array):
        if found.value is None:
            raise NotPlain("holds an array without numbers")
        return found.value
    if isinstance(found, _Call | _NumberType):
        raise NotPlain("holds a function")
    if top and isinstance(found, dict):
        return {key: _finished(value, top=False) for key, value in found.items()}
    if top and isinstance(found, list | tuple):
        return [_finished(value, top=False) for value in found]
    return found
