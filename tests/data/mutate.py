"""Damaged copies of small valid files, seeded, each tried in a process that may be killed.

A child forks off, limits its memory and tries one copy after another, saying before and after each what it
does; the parent kills it when one takes too long and goes on with the next. What a try raises is its outcome:
nothing else may come of a damaged file than "loaded" or a sentence.
"""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workbench.errors import BadInput, StorageError

NUMBERS = (
    0,
    1,
    3,
    0x7F,
    0x80,
    0xFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
)
"""What a field of a header is set to: nothing, a little, far too much, and the edges of signed integers."""


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one kind of damage: bits flipped, a block zeroed, drawn or doubled, an end cut off, a
    number of the header set, bytes put in or taken out."""
    raw = bytearray(data)
    size = len(raw)
    # Headers are short and decide much: half of all damage lies there.
    reach = min(size, 256) if rng.random() < 0.5 else size
    place = int(rng.integers(reach))
    length = int(rng.integers(1, max(2, min(64, size))))
    match int(rng.integers(8)):
        case 0:
            for at in rng.integers(0, reach, int(rng.integers(1, 9))):
                raw[at] ^= 1 << int(rng.integers(8))
        case 1:
            raw[place : place + length] = bytes(len(raw[place : place + length]))
        case 2:
            raw[place : place + length] = rng.bytes(len(raw[place : place + length]))
        case 3:
            raw[place : place + length] *= 2
        case 4:
            del raw[int(rng.integers(size)) :]
        case 5:
            width, number = int(rng.choice([1, 2, 4, 8])), NUMBERS[int(rng.integers(len(NUMBERS)))]
            text = number.to_bytes(8, "little")[:width]
            raw[place : place + width] = text if rng.random() < 0.5 else text[::-1]
        case 6:
            raw[place:place] = rng.bytes(length)
        case _:
            del raw[place : place + length]
    return bytes(raw)


NUMERALS = (
    "-1", "0", "1", "2", "3", "7", "0.5", "-0.0", "1e-320", "1e308", "1e400", "nan", "-inf", "300", "5_000",
    "200_000", "1_000_000", "99_999_999", "99_999_999_999", "9223372036854775807", "9" * 30, "9" * 5_000,
    "0x" + "f" * 5_000,
)  # fmt: skip
VALUES = (
    *NUMERALS, "''", '"\\u001b[2J"', '"../../x"', '"~nobody/x"', "'" + "x" * 5_000 + "'", '"\\u0000"', "true",
    "1979-05-27T07:32:00Z", "[]", "{}", "[1, 2]", "[[1, 2], [3]]", "{a = 1}", "[1, 'a']", "[nan, 1e300]",
    "[" * 3_000, "[" * 40 + "]" * 40, "{a = " * 2_000, "'file'", "'relu'", "'he'",
)  # fmt: skip
LINES = (
    "\n[data]", "[[model]]", "\ufeff", "\x1b[31m = 1", "a." * 3_000 + "b = 1", "[" + "a." * 300 + "b]", "= 1",
    "seed = 5", "width = 3", "n = 5", "kind = 'csv'", "kind = 'diagonal'", "x = [[1.0]]", "image = [1, 2, 2]",
)  # fmt: skip


def rewritten(text: str, others: Sequence[str], rng: np.random.Generator) -> str:
    """A configuration with a value or a line changed for a strange one, a table for another's, or damaged as
    bytes are."""
    if rng.random() < 0.15:
        return damaged(text.encode(), rng).decode("utf-8", "replace")
    lines = text.splitlines()
    keys = [k for k, line in enumerate(lines) if "=" in line]
    at = keys[int(rng.integers(len(keys)))] if keys else 0
    name, _, value = lines[at].partition("=")
    numeral = re.search(r"[\d.]+", value)
    match int(rng.integers(8)):
        case 0 | 1 | 2:
            lines[at] = f"{name}= {VALUES[int(rng.integers(len(VALUES)))]}"
        case 3 | 4 if numeral:
            word = NUMERALS[int(rng.integers(len(NUMERALS)))]
            lines[at] = f"{name}={value[: numeral.start()]}{word}{value[numeral.end() :]}"
        case 5:
            lines.insert(at, LINES[int(rng.integers(len(LINES)))])
        case 6:
            del lines[at]
        case _:
            return _crossed(text, others[int(rng.integers(len(others)))], rng)
    return "\n".join(lines) + "\n"


def _crossed(text: str, other: str, rng: np.random.Generator) -> str:
    """A text with one of its tables replaced by the other's of that name."""
    table = re.compile(r"^(\[[\w.]+\])\n(.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
    tables, given = dict(table.findall(text)), dict(table.findall(other))
    shared = sorted(set(tables) & set(given))
    if shared:
        head = shared[int(rng.integers(len(shared)))]
        tables[head] = given[head]
    return "".join(f"{head}\n{body}" for head, body in tables.items())


@dataclass
class Outcomes:
    """How many tries ended how, and the numbers of those that ended badly with what they raised."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)


def tried(
    attempt: Callable[[int], None], numbers: range, *, seconds: float, room: int = 2 << 30
) -> Outcomes:
    """`attempt` of every number, in children with `room` bytes of memory besides what this process has."""
    found = Outcomes()
    at = numbers.start
    while at < numbers.stop:
        at = _batch(attempt, range(at, numbers.stop), seconds, room, found)
    return found


def _batch(
    attempt: Callable[[int], None], numbers: range, seconds: float, room: int, found: Outcomes
) -> int:
    """One child's tries; the number to go on with."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(attempt, numbers, writing, room)
    os.close(writing)
    at, rest = numbers.start, b""
    while True:
        ready = select.select([reading], [], [], seconds)[0]
        text = os.read(reading, 1 << 16) if ready else b""
        if not text:
            break
        *lines, rest = (rest + text).split(b"\n")
        for line in lines:
            outcome, _, message = line.decode().partition("\t")
            found.counts[outcome] += 1
            if outcome == "raised":
                found.wrong.append((at, message))
            at += 1
    os.close(reading)
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if at < numbers.stop:
        outcome = f"crashed with {os.waitstatus_to_exitcode(status)}" if ready else "hung"
        found.counts[outcome.split()[0]] += 1
        found.wrong.append((at, outcome))
        at += 1
    return at


def _child(attempt: Callable[[int], None], numbers: range, writing: int, room: int) -> None:
    """Try every number; never returns."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + room
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in numbers:
            os.write(writing, (_outcome(attempt, number) + "\n").encode())
    finally:
        os._exit(0)


def _outcome(attempt: Callable[[int], None], number: int) -> str:
    try:
        attempt(number)
    except (BadInput, StorageError) as error:
        text = str(error)
        if not text.isprintable() or len(text) > 2_000:
            return f"raised\ta sentence with control characters or too long: {text[:300]!r}"
        return "refused"
    except BaseException as error:  # noqa: BLE001  (what it is, is the finding)
        where = traceback.extract_tb(error.__traceback__)[-4:]
        places = " > ".join(f"{Path(f.filename).name}:{f.lineno}" for f in where)
        return f"raised\t{type(error).__name__}: {str(error)[:200]!r} at {places}"
    return "loaded"
