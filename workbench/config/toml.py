"""A run's configuration as TOML: files read, `--set` overrides applied, refusals in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.config.paths import named
from workbench.config.refusals import sentence
from workbench.config.run import RunConfig
from workbench.errors import BadInput, clean_text

LARGEST = 8 << 20
"""Bytes of a configuration."""
DEEPEST = 32
"""Tables and arrays in each other."""


def parse_config(values: Mapping[str, Any], where: str) -> RunConfig:
    """The configuration in `values`; raises BadInput naming key, value and what is allowed."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise BadInput(sentence(error, RunConfig, where)) from error


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file, with relative paths of data and starts made absolute beside it."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise BadInput(f"{path} holds more than {LARGEST >> 20} MiB; no configuration does.")
        text = raw.decode("utf-8")
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; a TOML file is needed.") from None
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist; a TOML file is needed.") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {path}: {clean_text(str(error))}.") from error
    values = parse_toml(text, str(path))
    model = values.get("model")
    start = model.get("start") if isinstance(model, dict) else None
    data = values.get("data")
    test = data.get("test") if isinstance(data, dict) else None
    tables = {"data": data, "data.test": test, "init": values.get("init"), "model.start": start}
    for key, table in tables.items():
        if isinstance(table, dict) and isinstance(table.get("path"), str) and table["path"]:
            table["path"] = str(named(table["path"], f"{key}.path", beside=path.parent))
    return values


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table in TOML text; raises BadInput with the line that is wrong.

    The byte order mark that some editors put first is no part of it.
    """
    try:
        return _loaded(text.removeprefix("\ufeff"), where)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where} is not valid TOML: {clean_text(str(error))}.") from error


def _loaded(text: str, where: str) -> dict[str, Any]:
    """The table in TOML text, no deeper and with no larger whole numbers than any configuration has."""
    too_deep = BadInput(
        f"{where} is nested more than {DEEPEST} levels deep, as no configuration is."
    )
    # The parser takes the square of a key's length in time.
    for line in text.splitlines():
        head = line.partition("=")[0]
        is_key = "=" in line or (line.lstrip().startswith("[") and "," not in line)
        if is_key and head.count(".") > 2 * DEEPEST:
            raise too_deep
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise too_deep from None
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"{where} holds a number of thousands of digits; whole numbers have up to 64 bits."
        ) from error
    inner: list[tuple[str, Any, int]] = [("", values, 0)]
    while inner:
        key, value, depth = inner.pop()
        if depth > DEEPEST:
            raise too_deep
        if isinstance(value, dict):
            inner += [(f"{key}.{k}"[:80], v, depth + 1) for k, v in value.items()]
        elif isinstance(value, list):
            inner += [(key, v, depth + 1) for v in value]
        elif type(value) is int and not -(2**63) <= value < 2**63:
            raise BadInput(f"{where}: {key[1:]} is a whole number of more than 64 bits.")
    return values


def override(values: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """`values` with `section.key=value` settings applied; values are TOML, bare words are strings.

    Setting `section.kind` to another kind drops the section's other keys that came before it, as
    they belonged to the old kind; so does the kind of a table inside it.
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
        value = setting_value(text.strip())
        table = result
        for part in path[:-1]:
            inner = table.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadInput(f"--set '{clean_text(key, 80)}': '{part}' is not a table.")
            table[part] = table = dict(inner)
        if len(path) > 1 and path[-1] == "kind" and table.get("kind") != value:
            table.clear()
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


def setting_value(text: str) -> Any:
    """The TOML value in a setting's text, or the text itself where it is a bare word."""
    try:
        return _loaded(f"value = {text}", f"the setting '{clean_text(text, 60)}'")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_toml(config: RunConfig) -> str:
    """The configuration as TOML text; `parse_config(tomllib.loads(text))` gives it back."""
    import tomli_w

    table = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    empty: tuple[Any, ...] = ("", {}, {"classes": []})
    return tomli_w.dumps({k: v for k, v in table.items() if v not in empty})
