"""The language of the runs filter: `preset=kh24* H>=20 state=failed,lost risk<-3 some words`.

Terms are joined by *and*. A term is a field, an operator and a value, or a word looked for in the
run's name, id and preset. Text is compared without case; its value may hold `*` and `?`, commas
between alternatives, and double quotes around blanks. Numbers may end in k, M or G. A run in which
a number is not known fits only `!=`.
"""

from __future__ import annotations

import fnmatch
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from workbench.errors import BadInput, clean_text
from workbench.record.summary import RunSummary

Predicate = Callable[[RunSummary], bool]

_TERM = re.compile(
    r'(?P<field>[^\s<>=!"]+)\s*(?P<op>[<>]=|!=|==|[<>=])\s*(?P<value>"[^"]*"?|[^\s"<>=!]\S*|)'
    r'|(?P<word>"[^"]*"?|\S+)'
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True)
class _TextField:
    get: Callable[[RunSummary], tuple[str, ...]]


@dataclass(frozen=True)
class _NumberField:
    get: Callable[[RunSummary], float | int | None]


_FIELDS: dict[str, _TextField | _NumberField] = {
    "name": _TextField(lambda run: (run.name, run.run_id)),
    "id": _TextField(lambda run: (run.run_id,)),
    "preset": _TextField(lambda run: (run.preset,)),
    "state": _TextField(lambda run: (run.status,)),
    "loss": _TextField(lambda run: (run.loss,)),
    "created": _TextField(lambda run: (run.created,)),
    "n": _NumberField(lambda run: run.n),
    "H": _NumberField(lambda run: run.H),
    "step": _NumberField(lambda run: run.step),
    "steps": _NumberField(lambda run: run.steps),
    "records": _NumberField(lambda run: run.records),
    "risk": _NumberField(lambda run: run.log10_risk),
    "margin": _NumberField(lambda run: run.margin_normalized),
}
_ALIASES = {"h": "H", "status": "state", "run": "name", "log10_risk": "risk", "width": "H"}

FIELD_NAMES = tuple(_FIELDS)
"""The fields, for help texts."""


def read_filter(text: str) -> tuple[Predicate, str]:
    """Whether a run fits the filter in `text`, as a function, and a sentence on what makes no sense in it.

    Every run fits an empty one. `risk` is log₁₀ of the risk, as in the table. A term whose field is
    unknown (the nearest name is given), whose number is none, that lacks a value, or that compares text
    with < or >, is left out, and the sentence is on the first of these.
    """
    terms: list[Predicate] = []
    mistake = ""
    for match in _TERM.finditer(text):
        try:
            terms.append(_term(match))
        except BadInput as error:
            mistake = mistake or str(error)
    return (lambda run: all(term(run) for term in terms)), mistake


def _term(match: re.Match[str]) -> Predicate:
    word = match["word"]
    if word is not None:
        if word[0] in "<>=!":
            raise BadInput(f"'{clean_text(word, 40)}' needs a field before it, as in H>=20.")
        return _word(_unquoted(word))
    given, sign, value = match["field"], match["op"], match["value"]
    name = _ALIASES.get(given.lower(), given)
    name = name if name in _FIELDS else name.lower()
    field = _FIELDS.get(name)
    if field is None:
        near = get_close_matches(name, FIELD_NAMES, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise BadInput(
            f"no field '{clean_text(given, 40)}'{hint} Fields: {', '.join(FIELD_NAMES)}."
        )
    if not _unquoted(value):
        raise BadInput(f"'{name}{sign}' needs a value after it.")
    if isinstance(field, _NumberField):
        return _number(name, field, sign, _unquoted(value))
    return _text(name, field, sign, value)


def _unquoted(text: str) -> str:
    return text.strip('"')


def _word(word: str) -> Predicate:
    wanted = word.casefold()
    return lambda run: any(wanted in t.casefold() for t in (run.name, run.run_id, run.preset))


def _text(name: str, field: _TextField, sign: str, value: str) -> Predicate:
    if name == "created" and sign not in ("=", "==", "!="):
        return _date(field, sign, _unquoted(value))
    if sign not in ("=", "==", "!="):
        raise BadInput(f"'{name}' is text and has no order; use {name}= or {name}!=.")
    parts = [value] if value.startswith('"') else value.split(",")
    patterns = [re.compile(fnmatch.translate(_unquoted(part).casefold())) for part in parts if part]

    def fits(run: RunSummary) -> bool:
        texts = [text.casefold() for text in field.get(run)]
        found = any(pattern.match(text) for pattern in patterns for text in texts)
        return found != (sign == "!=")

    return fits


def _date(field: _TextField, sign: str, value: str) -> Predicate:
    """ISO times in the order of their text; `created<=2026-11-20` includes that day."""

    def fits(run: RunSummary) -> bool:
        text = field.get(run)[0][: len(value)]
        order = float((text > value) - (text < value))
        return bool(text) and _COMPARE[sign](order, 0.0)

    return fits


def _number(name: str, field: _NumberField, sign: str, value: str) -> Predicate:
    wanted = _parsed(name, value)
    compare = _COMPARE[sign]

    def fits(run: RunSummary) -> bool:
        found = field.get(run)
        return sign == "!=" if found is None else compare(float(found), wanted)

    return fits


def _parsed(name: str, value: str) -> float:
    """A number, with a unit at its end if it has one."""
    text = value.replace(",", "").replace("−", "-")
    unit = _UNITS.get(text[-1:].lower(), 1.0)
    try:
        number = float(text[:-1] if unit != 1.0 else text) * unit
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise BadInput(f"'{name}' is a number, and '{clean_text(value, 40)}' is none.")
    return number
