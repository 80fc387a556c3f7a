"""Pydantic's refusals as one sentence for people: key, what was given, what is allowed."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from workbench.errors import clean_text


def sentence(error: ValidationError, root: type[BaseModel], where: str) -> str:
    """The first refusal in `error` as a sentence that names the key as a person writes it."""
    first = error.errors(include_url=False)[0]
    key, section = _key(first["loc"], root)
    given = clean_text(repr(first.get("input")), 60)
    kind = first["type"]
    if kind == "extra_forbidden":
        return _unknown_key(key, section, root, where)
    if kind == "missing":
        return f"{where}: the key {key} is missing."
    if kind == "union_tag_not_found":
        allowed = [tag for tag in _members(section or root, key.rpartition(".")[2]) if tag]
        return f"{where}: the key {key}.kind is missing; allowed: {', '.join(allowed)}."
    if kind == "union_tag_invalid":
        tag = clean_text(str(first["ctx"]["tag"]), 60)
        options = [o.strip().strip("'") for o in _kinds(first).split(",")]
        hint = _nearest(tag, options)
        return f"{where}: unknown {key}.kind '{tag}'; allowed: {', '.join(options)}.{hint}"
    if kind == "literal_error":
        allowed = first["ctx"]["expected"]
        hint = _nearest(str(first.get("input")), re.findall("'([^']+)'", allowed))
        return f"{where}: {key} = {given} is unknown; allowed: {allowed}.{hint}"
    if kind == "value_error":
        text = clean_text(str(first["ctx"]["error"]), 300)
        return f"{where}: {key} = {given}: {text}." if key else f"{where}: {text}."
    return f"{where}: {key} = {given} cannot be used: {_lower(first['msg'])}."


def _nearest(given: str, options: list[str]) -> str:
    """The nearest of the allowed, as a question; nothing where none is near."""
    near = get_close_matches(given, options, n=1, cutoff=0.4)
    return f" Did you mean '{near[0]}'?" if near else ""


def _lower(message: str) -> str:
    return clean_text(message[:1].lower() + message[1:], 200)


def _kinds(first: Any) -> str:
    return str(first["ctx"]["expected_tags"]).replace("'", "")


def _key(location: tuple[Any, ...], root: type[BaseModel]) -> tuple[str, type[BaseModel] | None]:
    """The dotted key without the union tags pydantic adds, and the table it lies in."""
    parts: list[str] = []
    table: type[BaseModel] | None = root
    is_field = False
    for part in location:
        members = _members(table, parts[-1]) if is_field and table is not None else {}
        if isinstance(part, str) and part in members:
            table, is_field = members[part], False
            continue
        if isinstance(part, int):
            parts[-1] += f"[{part}]"
            continue
        if str(part) in ("constrained-int", "int") or str(part).startswith(("literal[", "tuple[")):
            continue
        if parts and len(parts) == 1 and table is root:
            table = members.get("") or table
        parts.append(str(part))
        is_field = True
    return ".".join(parts), table


def _members(table: type[BaseModel], field: str) -> dict[str, type[BaseModel]]:
    """Models a field may hold, by their `kind` (empty string for a plain table)."""
    info = table.model_fields.get(field)
    if info is None:
        return {}
    annotation = info.annotation
    options = (
        get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    )
    found: dict[str, type[BaseModel]] = {}
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            kind = option.model_fields.get("kind")
            tags = get_args(kind.annotation) if kind is not None else ()
            plain = info.discriminator is None
            for tag in ("",) if plain else tags:
                found[tag] = option
    return found


def _unknown_key(key: str, table: type[BaseModel] | None, root: type[BaseModel], where: str) -> str:
    """The refusal of a key that no table has; `lr` is asked back as `train.lr`, whose name it is."""
    *path, name = key.split(".")
    known = _names(table) if table is not None else []
    elsewhere = [] if name in known else _keys_named(name, root)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    meant = elsewhere or [".".join([*path, *near])] * len(near)
    hint = f" Did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    place = f" in [{'.'.join(path)}]" if path else ""
    return (
        f"{where}: unknown key '{clean_text(name, 60)}'{place}; allowed: {', '.join(known)}.{hint}"
    )


def _names(table: type[BaseModel]) -> list[str]:
    return [info.alias or field for field, info in table.model_fields.items()]


def _keys_named(name: str, root: type[BaseModel]) -> list[str]:
    return [key for key in keys_of(root) if key.partition(".")[2] == name]


def keys_of(root: type[BaseModel]) -> list[str]:
    """Every key of a configuration, those of its tables dotted, of whatever kind a table is."""
    keys: dict[str, None] = {}
    for field in root.model_fields:
        members = _members(root, field).values()
        keys |= dict.fromkeys(
            [f"{field}.{name}" for member in members for name in _names(member)] or [field]
        )
    return list(keys)
