"""A run's configuration as TOML: files read, `--set` overrides applied, refusals in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.config.refusals import sentence
from workbench.config.run import RunConfig
from workbench.errors import BadInput, clean_text


def parse_config(values: Mapping[str, Any], where: str) -> RunConfig:
    """The configuration in `values`; raises BadInput naming key, value and what is allowed."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise BadInput(sentence(error, RunConfig, where)) from error


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file, with relative paths of data and starts made absolute beside it."""
    try:
        text = path.read_text(encoding="utf-8")
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; a TOML file is needed.") from None
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist; a TOML file is needed.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {clean_text(str(error))}.") from error
    values = parse_toml(text, str(path))
    model = values.get("model")
    start = model.get("start") if isinstance(model, dict) else None
    for table in (values.get("data"), values.get("init"), start):
        if isinstance(table, dict) and isinstance(table.get("path"), str) and table["path"]:
            table["path"] = str((path.parent / Path(table["path"]).expanduser()).resolve())
    return values


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table in TOML text; raises BadInput with the line that is wrong.

    The byte order mark that some editors put first is no part of it.
    """
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where} is not valid TOML: {clean_text(str(error))}.") from error


def override(values: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """`values` with `section.key=value` settings applied; values are TOML, bare words are strings.

    Setting `section.kind` to another kind drops the section's other keys that came before it, as
    they belonged to the old kind.
    """
    result: dict[str, Any] = {
        k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()
    }
    for setting in settings:
        key, equals, text = setting.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path) or len(path) > 3:
            raise BadInput(
                f"--set '{clean_text(setting, 80)}' is not of the form section.key=value."
            )
        value = _value(text.strip())
        if len(path) == 2 and path[1] == "kind":
            known = result.get(path[0])
            if isinstance(known, dict) and known.get("kind") != value:
                result[path[0]] = {}
        table = result
        for part in path[:-1]:
            inner = table.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadInput(f"--set '{clean_text(key, 80)}': '{part}' is not a table.")
            table[part] = table = dict(inner)
        table[path[-1]] = value
    return result


def split_settings(text: str) -> list[str]:
    r"""`train.lr=1e-3 name="a b"` as settings: split at blanks, but not within quotes and brackets.

    Quotes are TOML's: in double ones `\"` does not end the text.

    Raises:
        BadInput: a quote or a bracket is not closed.
    """
    settings: list[str] = []
    part, quote, depth, escaped = "", "", 0, False
    for character in f"{text} ":
        if character.isspace() and not quote and depth <= 0:
            settings += [part] if part else []
            part = ""
            continue
        part += character
        if quote:
            ends = character == quote and not escaped
            escaped = character == "\\" and quote == '"' and not escaped
            quote = "" if ends else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character in "[{") - (character in "]}")
    if quote:
        raise BadInput("a quote is not closed.")
    if part.strip():
        raise BadInput("a bracket is not closed.")
    return settings


def _value(text: str) -> Any:
    """The TOML value in `text`, or the text itself where it is a bare word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_toml(config: RunConfig) -> str:
    """The configuration as TOML text; `parse_config(tomllib.loads(text))` gives it back."""
    import tomli_w

    table = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    empty: tuple[Any, ...] = ("", {}, {"classes": []})
    return tomli_w.dumps({k: v for k, v in table.items() if v not in empty})
