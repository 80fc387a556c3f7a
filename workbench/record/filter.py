"""The language of filters: `preset=kh24* H>=20 train.lr>=1e-3 tag:good rho<2 name~^a.*[13]$ some words`.

Terms are joined by *and*, and `|` between them stands for *or*, which binds less; `-` before a term takes
what it does not fit. A term is a field, a key of the configuration (`train.lr`, or `cfg.train.lr`) or a
scalar series, whose last value is meant (`rho`; one of a measure of one's own `last.name`), an operator and a
value; or a word looked for in the run's name, id, preset, tags and note. Text is compared without case; its
value may hold `*` and `?`, commas between alternatives, and double quotes around blanks; `:` is `=`, `~` and
`!~` take a regular expression that is looked for anywhere in it. Numbers may end in k, M or G. Where a
number is not known, or the configuration has no such key, only `!=` fits.
"""

from __future__ import annotations

import fnmatch
import math
import operator
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from workbench.errors import BadInput, clean_text
from workbench.record.schema import SERIES
from workbench.record.summary import RunSummary

T = TypeVar("T")
Predicate = Callable[[RunSummary], bool]

_TERM = re.compile(
    r'(?P<field>[^\s<>=!"~:]+)\s*(?P<op>[<>]=|!=|==|!~|[<>=~]|(?<=\S):(?=\S))\s*'
    r'(?P<value>"[^"]*"?|[^\s"<>=!]\S*|)'
    r'|(?P<word>"[^"]*"?|\S+)'
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OR, NOT = "|", "-"
LONGEST_EXPRESSION = 100
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
"""A number with separators, which are no alternatives."""
EQUAL, NOT_EQUAL, LIKE, NOT_LIKE = ("=", "==", ":"), "!=", "~", "!~"
_REPEATED = re.compile(r"[*+]|\{\d*,\d*\}")
_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True)
class TextField(Generic[T]):
    """Texts of which one has to fit; `inside`: somewhere in it."""

    get: Callable[[T], tuple[str, ...]]
    inside: bool = False


@dataclass(frozen=True)
class NumberField(Generic[T]):
    """A number, None where it is not known."""

    get: Callable[[T], float | int | None]


@dataclass(frozen=True)
class _KeyField(Generic[T]):
    """A value of a configuration, None where it has no such key."""

    get: Callable[[T], Any]


Fields = dict[str, TextField[T] | NumberField[T]]

_FIELDS: Fields[RunSummary] = {
    "name": TextField(lambda run: (run.name, run.run_id)),
    "id": TextField(lambda run: (run.run_id,)),
    "preset": TextField(lambda run: (run.preset,)),
    "state": TextField(lambda run: (run.status,)),
    "loss": TextField(lambda run: (run.loss,)),
    "tag": TextField(lambda run: run.tags),
    "note": TextField(lambda run: (run.note,), inside=True),
    "kind": TextField(lambda run: ("run" if run.members is None else "study",)),
    "created": TextField(lambda run: (run.created,)),
    "n": NumberField(lambda run: run.n),
    "H": NumberField(lambda run: run.H),
    "step": NumberField(lambda run: run.step),
    "steps": NumberField(lambda run: run.steps),
    "members": NumberField(lambda run: run.members),
    "records": NumberField(lambda run: run.records),
    "risk": NumberField(lambda run: run.log10_risk),
    "margin": NumberField(lambda run: run.margin_normalized),
}
_ALIASES = {"h": "H", "status": "state", "run": "name", "log10_risk": "risk", "width": "H"}
_ALIASES |= {"tags": "tag", "notes": "note"}
CONFIGURATION, LAST = "cfg.", "last."
"""What may stand before a key, and before a series."""
SCALARS = frozenset(name for name, spec in SERIES.items() if not spec.dims)

FIELD_NAMES = tuple(_FIELDS)
"""The fields, for help texts."""


def read_filter(text: str, keys: Collection[str] = ()) -> tuple[Predicate, str]:
    """Whether a run fits the filter in `text`, as a function, and a sentence on what makes no sense in it.

    Every run fits an empty one. `risk` is log₁₀ of the risk, as in the table; `keys` are the dotted ones
    that configurations are known to have, all others are refused; none given: any dotted key is taken.
    """
    return read_terms(
        text,
        _FIELDS,
        keys=lambda run: run.settings,
        known=keys,
        words=lambda run: (run.name, run.run_id, run.preset, *run.tags, run.note),
        series=lambda run, name: run.last.get(name),
    )


def series_named(text: str) -> tuple[str, ...]:
    """The series whose last values the filter in `text` looks at."""
    given = (match["field"] for match in _TERM.finditer(text) if match["field"] is not None)
    plain = (name.removeprefix(NOT) for name in given)
    names = (series_of(name) for name in plain if _ALIASES.get(name.lower(), name) not in _FIELDS)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def series_of(name: str) -> str | None:
    """The series that a name in a filter or of a column means, None for none."""
    if name.startswith(LAST):
        return name.removeprefix(LAST) or None
    return name if name in SCALARS else None


def read_terms(
    text: str,
    fields: Fields[T],
    *,
    keys: Callable[[T], Mapping[str, Any]],
    known: Collection[str],
    words: Callable[[T], tuple[str, ...]],
    series: Callable[[T, str], float | None] | None = None,
) -> tuple[Callable[[T], bool], str]:
    """Whether something fits the filter in `text`, and a sentence on the first term that makes no sense.

    Args:
        fields: by name.
        keys: values by dotted key.
        known: the dotted keys there are; empty: any.
        words: texts in which a bare word is looked for.
        series: the last value of a scalar series; None: there are none.

    A term whose field is unknown (the nearest name is given), whose number is none, that lacks a value, whose
    expression is none, or that compares text with < or >, is left out.
    """
    groups: list[list[Callable[[T], bool]]] = [[]]
    mistake = ""
    for match in _TERM.finditer(text):
        if match.group() == OR:
            groups.append([])
            continue
        negated = _TERM.fullmatch(match.group()[1:]) if match.group()[0] == NOT else None
        try:
            term = _term(negated or match, fields, keys, known, words, series)
            groups[-1].append(term if negated is None else _not(term))
        except BadInput as error:
            mistake = mistake or str(error)
    # While one is typed, nothing is behind its last `|` yet.
    some = [terms for terms in groups if terms] or [[]]
    return (lambda found: any(all(term(found) for term in terms) for terms in some)), mistake


def _not(term: Callable[[T], bool]) -> Callable[[T], bool]:
    return lambda found: not term(found)


def _term(
    match: re.Match[str],
    fields: Fields[T],
    keys: Callable[[T], Mapping[str, Any]],
    known: Collection[str],
    words: Callable[[T], tuple[str, ...]],
    series: Callable[[T, str], float | None] | None,
) -> Callable[[T], bool]:
    given, sign, value, word = match["field"], match["op"], match["value"], match["word"]
    name = "" if given is None else _ALIASES.get(given.lower(), given)
    if word is not None or (sign == ":" and name.lower() not in fields and "." not in name):
        # A word may hold a colon.
        return _word(match.group(), words)
    name = name.removeprefix(CONFIGURATION)
    lower = name if name in fields or "." in name else name.lower()
    field = fields.get(lower) or _last(name, series) or _key(name, keys, known)
    name = name if lower not in fields else lower
    if field is None:
        near = get_close_matches(
            name, [*fields, *known, *(SCALARS if series else ())], n=1, cutoff=0.5
        )
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise BadInput(
            f"no field '{clean_text(given, 40)}'{hint} Fields: {', '.join(fields)}, and keys as train.lr."
        )
    if not _unquoted(value):
        raise BadInput(f"'{clean_text(name, 40)}{sign}' needs a value after it.")
    if sign in (LIKE, NOT_LIKE):
        return _like(name, field, sign, _unquoted(value))
    if isinstance(field, NumberField):
        return _number(name, field, sign, _unquoted(value))
    if isinstance(field, _KeyField):
        return _setting(name, field, sign, value)
    return _text(name, field, sign, value)


def _word(word: str, words: Callable[[T], tuple[str, ...]]) -> Callable[[T], bool]:
    if word[0] in "<>=!~":
        raise BadInput(f"'{clean_text(word, 40)}' needs a field before it, as in H>=20.")
    wanted = _unquoted(word).casefold()
    return lambda found: any(wanted in text.casefold() for text in words(found))


def _last(name: str, series: Callable[[T, str], float | None] | None) -> NumberField[T] | None:
    """The last value of a series, None for what is none."""
    of = series_of(name)
    if series is None or of is None:
        return None
    return NumberField(lambda found: series(found, of))


def _key(
    name: str, keys: Callable[[T], Mapping[str, Any]], known: Collection[str]
) -> _KeyField[T] | None:
    """A key of the configuration, None for what is none."""
    if "." not in name.strip(".") or (known and name not in known):
        return None
    return _KeyField(lambda found: keys(found).get(name))


def _unquoted(text: str) -> str:
    return text.strip('"')


def _text(name: str, field: TextField[T], sign: str, value: str) -> Callable[[T], bool]:
    if name == "created" and sign not in (*EQUAL, NOT_EQUAL):
        return _date(field, sign, _unquoted(value))
    if sign not in (*EQUAL, NOT_EQUAL):
        raise BadInput(f"'{name}' is text and has no order; use {name}=, {name}!= or {name}~.")
    matches = _patterns(value, inside=field.inside)
    return lambda found: matches(field.get(found)) != (sign == NOT_EQUAL)


def _like(
    name: str, field: TextField[T] | NumberField[T] | _KeyField[T], sign: str, value: str
) -> Callable[[T], bool]:
    """A regular expression that is found in one of the texts, or in a value of a configuration as text."""
    if isinstance(field, NumberField):
        raise BadInput(f"'{name}' is a number; use {name}=, {name}< or {name}>.")
    if len(value) > LONGEST_EXPRESSION:
        raise BadInput(f"a regular expression has up to {LONGEST_EXPRESSION} characters here.")
    if _repeats_repeated(value):
        said = clean_text(value, 40)
        raise BadInput(f"'{said}' repeats what repeats, which may take for ever; repeat it once.")
    try:
        # An expression that is not finished yet may warn that it will mean something else one day.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found_in = re.compile(value, re.IGNORECASE).search
    except (re.error, RecursionError, OverflowError) as error:
        why = getattr(error, "msg", "it is too deep")
        raise BadInput(
            f"'{clean_text(value, 40)}' is no regular expression: {clean_text(why, 60)}."
        ) from None
    texts: Callable[[T], tuple[str, ...]]
    if isinstance(field, TextField):
        texts = field.get
    else:
        of = field.get
        texts = lambda found: () if (have := of(found)) is None else (_said(have),)  # noqa: E731
    return lambda found: any(found_in(text) for text in texts(found)) == (sign == LIKE)


def _repeats_repeated(expression: str) -> bool:
    """Whether a group that is repeated holds a repetition, as `(a+)+` does: looking for it can take a time
    that doubles with each character."""
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]?", "x", expression)
    holds = [False]
    for place, character in enumerate(plain):
        if character == "(":
            holds.append(False)
        elif character == ")" and len(holds) > 1:
            repeating = holds.pop()
            if repeating and _REPEATED.match(plain, place + 1):
                return True
            holds[-1] |= repeating
        elif _REPEATED.match(plain, place):
            holds[-1] = True
    return False


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _patterns(value: str, *, inside: bool = False) -> Callable[[tuple[str, ...]], bool]:
    """Whether any of some texts is like one of the alternatives in a value."""
    parts = [value] if value.startswith('"') else value.split(",")
    around = "*" if inside else ""
    patterns = [
        re.compile(fnmatch.translate(f"{around}{_unquoted(part).casefold()}{around}"))
        for part in parts
        if part
    ]
    return lambda texts: any(
        pattern.match(text.casefold()) for pattern in patterns for text in texts
    )


def _date(field: TextField[T], sign: str, value: str) -> Callable[[T], bool]:
    """ISO times in the order of their text; `created<=2026-11-20` includes that day."""

    def fits(found: T) -> bool:
        text = field.get(found)[0][: len(value)]
        order = float((text > value) - (text < value))
        return bool(text) and _COMPARE[sign](order, 0.0)

    return fits


def _number(name: str, field: NumberField[T], sign: str, value: str) -> Callable[[T], bool]:
    wanted = _parsed(name, value)
    compare = _COMPARE[sign]

    def fits(found: T) -> bool:
        number = field.get(found)
        return sign == NOT_EQUAL if number is None else compare(float(number), wanted)

    return fits


def _setting(name: str, field: _KeyField[T], sign: str, value: str) -> Callable[[T], bool]:
    """A value of a configuration: numbers in their order, texts by = and != alone; with alternatives."""
    compare, equal = _COMPARE[sign], sign in EQUAL
    whole = value.startswith('"') or _GROUPED.fullmatch(value) is not None
    numbers = [_number_in(part) for part in ([value] if whole else value.split(","))]
    matches = _patterns(value)
    if not (equal or sign == NOT_EQUAL):
        wanted = _parsed(name, _unquoted(value))
        return lambda found: _is_number(have := field.get(found)) and compare(float(have), wanted)

    def fits(found: T) -> bool:
        have = field.get(found)
        if have is None:
            return not equal
        if _is_number(have) and float(have) in numbers:
            return equal
        return matches((_said(have),)) == equal

    return fits


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_in(text: str) -> float | None:
    """The number that a text is, None for none."""
    try:
        return _parsed("", text)
    except BadInput:
        return None


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
