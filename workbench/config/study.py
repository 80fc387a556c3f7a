"""A study's configuration: one run's, the choices for some of its keys, what is kept, and who runs it.

```toml
name = "escape"
[data]                # … the tables of a run: the base, which every member changes
[study]
keep = ["log_risk", "rho"]
[grid]                # every choice of one key with every choice of the others
"init.seed" = "range(0, 1000)"
"init.scale" = [1e-1, 1e-2]
[zip]                 # keys that go together: the first choice of one with the first of the others
[launcher]
kind = "local"
```
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from workbench.config.later import leaves
from workbench.config.launcher import LauncherTable, LocalTable
from workbench.config.refusals import sentence
from workbench.config.run import RunConfig
from workbench.config.section import Count, Section
from workbench.config.toml import parse_config
from workbench.errors import BadInput, clean_text

KEPT = ("log_risk", "rho", "grad_norm_log", "margin_normalized")
TABLES = ("study", "grid", "zip", "launcher")
"""What a study's file has beside a run's."""
MOST_MEMBERS = 1_000_000
_RANGE = re.compile(r"range\(([^()]*)\)")

Choices = dict[str, tuple[Any, ...]]


class StudyTable(Section):
    """What is kept of every member, and how many are stepped together."""

    keep: tuple[str, ...] = Field(
        KEPT,
        description="series kept of every member; one that does not apply to its run is left out",
    )
    records: Literal["log", "all"] = Field(
        "log",
        description="which records of a run a shard keeps; log: about 50 a decade of steps",
    )
    members: Count | Literal["auto"] = Field(
        "auto", description="members of a shard; auto: by their work and by what is kept of them"
    )
    finish: tuple[Literal["inspect", "optimal"], ...] = Field(
        (), description="what is asked of every member's end"
    )
    theta: bool = Field(True, description="keep every member's last θ")


class _Beside(Section):
    study: StudyTable = StudyTable()
    launcher: LauncherTable = LocalTable()


@dataclass(frozen=True)
class StudyConfig:
    """A study as a file says it. `base`: the run that every member changes; `table`: the same as a plain
    table, in which `train.lr` is absent where it follows from a rule that members choose.

    `grid` and `zip`: the choices by key, `zip`'s equally many.
    """

    name: str
    base: RunConfig
    table: Mapping[str, Any]
    grid: Choices
    zip: Choices
    study: StudyTable
    launcher: LauncherTable

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in which members differ, in the order of the file."""
        return (*self.grid, *self.zip)


def is_study(values: Mapping[str, Any]) -> bool:
    """Whether a file's table is a study's, which a run's never is."""
    return any(name in values for name in TABLES)


def parse_study(values: Mapping[str, Any], origin: str) -> StudyConfig:
    """The study in a file's table; `origin` says in messages where it comes from.

    Raises:
        BadInput: a key or a value does not fit; it is named, with what is allowed.
    """
    given = {name: values[name] for name in ("study", "launcher") if name in values}
    if isinstance(launcher := given.get("launcher"), Mapping):
        given["launcher"] = {"kind": "local", **launcher}
    try:
        beside = _Beside.model_validate(given)
    except ValidationError as error:
        raise BadInput(sentence(error, _Beside, origin)) from error
    written = {key: value for key, value in values.items() if key not in TABLES}
    base = parse_config(written, origin)
    grid, together = (_choices(values, name, origin) for name in ("grid", "zip"))
    _require_apart(grid, together, origin)
    table = base.model_dump(mode="json", by_alias=True, exclude_none=True)
    rate_given = "lr" in written.get("train", {})
    if not rate_given and "train.rule" in (*grid, *together):
        del table["train"]["lr"]
    return StudyConfig(base.name, base, table, grid, together, beside.study, beside.launcher)


def _choices(values: Mapping[str, Any], name: str, origin: str) -> Choices:
    """The choices of every key of [grid] or [zip]; a dotted key may be quoted or not."""
    table = values.get(name, {})
    if not isinstance(table, Mapping):
        raise BadInput(f"{origin}: {name} is no table; needed are choices by key.")
    return {key: _values(key, given, f"{origin}: [{name}]") for key, given in leaves(table)}


def _values(key: str, given: Any, where: str) -> tuple[Any, ...]:
    shown = clean_text(key, 80)
    if isinstance(given, str) and (found := range_of(given, f"{where} {shown}")) is not None:
        return found
    if not isinstance(given, list | tuple):
        raise BadInput(
            f"{where} {shown} = {clean_text(repr(given), 60)} is no list of choices; allowed: [a, b, …] "
            'or "range(start, end, step)", which excludes its end.'
        )
    if not given:
        raise BadInput(f"{where} {shown} has no choices; needed is at least one.")
    return tuple(given)


def range_of(text: str, where: str) -> tuple[int, ...] | None:
    """The numbers of `range(start, end, step)`, which excludes its end; None: the text is none.

    Raises:
        BadInput: its numbers are not whole, or give none or too many; `where` names it.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return None
    shown = clean_text(text.strip(), 60)
    try:
        numbers = range(*(int(part) for part in match[1].split(",")))
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"{where} = {shown} cannot be used; allowed: range(end), range(start, end) or "
            "range(start, end, step) of whole numbers, the step not 0."
        ) from error
    if not numbers:
        raise BadInput(f"{where} = {shown} has no numbers; the end itself is excluded.")
    if len(numbers) > MOST_MEMBERS:
        raise BadInput(
            f"{where} = {shown} has more than {MOST_MEMBERS:,} numbers, and a study has no more members."
        )
    return tuple(numbers)


def _require_apart(grid: Choices, together: Choices, origin: str) -> None:
    """Refuse a key that is chosen twice, a choice made twice, and zipped keys of unequal length."""
    for key in (*grid, *together):
        path = key.split(".")
        if not 2 <= len(path) <= 3 or not all(path):
            raise BadInput(
                f"{origin}: '{clean_text(key, 80)}' is no key of a run's tables, as init.seed is."
            )
    for key in together:
        if key in grid:
            raise BadInput(f"{origin}: {key} is in [grid] and in [zip]; it can be in one of them.")
    for key, values in grid.items():
        _require_distinct(key, values, origin)
    lengths = {key: len(values) for key, values in together.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise BadInput(
            f"{origin}: keys that go together have equally many choices, and these have: {shown}."
        )
    _require_distinct(" and ".join(together), tuple(zip(*together.values(), strict=True)), origin)


def _require_distinct(key: str, choices: Sequence[Any], origin: str) -> None:
    seen: set[Any] = set()
    for choice in choices:
        if (known := frozen(choice)) in seen:
            shown = clean_text(repr(choice), 60)
            raise BadInput(f"{origin}: {key} has the choice {shown} twice.")
        seen.add(known)


def frozen(value: Any) -> Any:
    """A choice as something hashable that equals another's exactly where the choices are the same."""
    if isinstance(value, Mapping):
        return ("table", *sorted((key, frozen(inner)) for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return ("list", *map(frozen, value))
    return (bool, value) if isinstance(value, bool) else value


def member_config(
    study: StudyConfig, settings: Mapping[str, Any], where: str = "a member"
) -> RunConfig:
    """The configuration of the run that a member is; `settings` has its choices by key.

    A kind that differs from the base's drops the other keys of its table, as they belonged to the old one.

    Raises:
        BadInput: they do not fit; `where` names the member.
    """
    return parse_config(member_table(study.table, settings, where), where)


def member_table(
    base: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """A run's table with some keys set, kinds before the rest; tables that are not touched are shared."""
    values = dict(base)
    for key in sorted(settings, key=lambda key: not key.endswith(".kind")):
        *path, name = key.split(".")
        table = values
        for part in path:
            inner = table.get(part, {})
            if not isinstance(inner, Mapping):
                raise BadInput(f"{where}: '{clean_text(part, 60)}' in '{key}' is not a table.")
            table[part] = table = dict(inner)
        if name == "kind" and table.get("kind") != settings[key]:
            table.clear()
        table[name] = settings[key]
    return values


def study_to_toml(study: StudyConfig) -> str:
    """The study as TOML text; `parse_study(tomllib.loads(text), …)` gives it back."""
    import tomli_w

    empty: tuple[Any, ...] = ("", {}, {"classes": []})
    tables: dict[str, Any] = {
        key: value
        for key, value in {**study.table, "name": study.name}.items()
        if value not in empty
    }
    tables["study"] = study.study.model_dump(mode="json")
    for name, choices in (("grid", study.grid), ("zip", study.zip)):
        if choices:
            tables[name] = {key: _written(values) for key, values in choices.items()}
    tables["launcher"] = study.launcher.model_dump(mode="json", exclude_none=True)
    return tomli_w.dumps(tables)


def _written(values: Sequence[Any]) -> Any:
    """Choices as they stand in a file: whole numbers at equal distances, three or more, as their range."""
    if len(values) > 2 and all(type(value) is int for value in values):
        step = values[1] - values[0]
        if step and tuple(values) == tuple(range(values[0], values[-1] + step, step)):
            end = values[0] + step * len(values)
            return f"range({values[0]}, {end}{f', {step}' if step != 1 else ''})"
    return json.loads(json.dumps(values))
