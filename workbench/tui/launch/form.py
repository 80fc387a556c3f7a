"""What the launch form asks for a configuration, and what the answers come to. No screen in here."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from workbench.config.run import LossConfig, RunConfig
from workbench.config.toml import override, parse_config, read_toml, split_settings
from workbench.errors import BadInput, WorkbenchError, clean_text
from workbench.presets import read_preset

LARGEST_FILE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Field:
    """A setting of the form: its key, its value as written, what it is."""

    key: str
    value: str
    about: str
    choices: tuple[str, ...] = ()
    is_text: bool = False
    is_list: bool = False

    def setting(self, text: str) -> str | None:
        """`key=value` as `--set` takes it; None if the text is empty or as before."""
        text = text.strip()
        if not text or text == self.value:
            return None
        if self.is_text:
            text = json.dumps(text, ensure_ascii=False)
        elif self.is_list and not text.startswith("["):
            text = f"[{text}]"
        return f"{self.key}={text}"


_ABOUT: dict[str, str] = {
    "name": "how the run is called",
    "train.steps": "the last step",
    "train.lr": "the step size",
    "train.batch": "samples; 0: all",
    "model.width": "neurons",
    "model.widths": "of hidden layers",
    "model.leak": "slope below 0",
    "init.scale": "size of the start",
    "init.noise": "noise on the start",
    "init.seed": "seed of the start",
    "data.n": "samples",
    "loss.kind": "",
    "record.every": "steps, auto or log",
}
_KINDS = get_args(LossConfig.model_fields["kind"].annotation)
_CHOICES = {"loss.kind": tuple(kind for kind in _KINDS if kind != "torch")}


def fields_of(config: RunConfig) -> tuple[Field, ...]:
    """The settings people change, as far as the configuration has them."""
    table = config.model_dump(mode="json", by_alias=True)
    found = []
    for key, about in _ABOUT.items():
        holder: Any = table
        *path, last = key.split(".")
        for part in path:
            holder = holder.get(part, {})
        if last not in holder:
            continue
        value = holder[last]
        choices = _CHOICES.get(key, ())
        found.append(
            Field(
                key,
                _written(value),
                about or ", ".join(choices),
                choices,
                is_text=key == "name",
                is_list=isinstance(value, list),
            )
        )
    return tuple(found)


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return str(value)


@dataclass(frozen=True)
class Source:
    """What is to be trained: `name` as `workbench run` takes it, its table, its configuration."""

    name: str
    values: Mapping[str, Any]
    config: RunConfig


def preset_source(name: str) -> Source:
    """A preset; raises BadInput."""
    values = read_preset(name)
    return Source(name, values, parse_config(values, f"preset {name}"))


def file_source(text: str) -> Source:
    """A person's own TOML file.

    Raises:
        BadInput: there is none, or it does not parse.
    """
    if not text.strip() or "\0" in text:
        raise BadInput("give the path of a TOML file.")
    path = Path(text.strip()).expanduser()
    shown = clean_text(str(path), 100)
    try:
        found = path.stat()
    except OSError as error:
        raise BadInput(f"cannot read '{shown}': {(error.strerror or '').lower()}.") from None
    if stat.S_ISDIR(found.st_mode):
        raise BadInput(f"'{shown}' is a folder; a TOML file is needed.")
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_FILE:
        raise BadInput(f"'{shown}' is no TOML file.")
    values = read_toml(path)
    name = str(path) if path.suffix == ".toml" or "/" in str(path) else f"./{path}"
    return Source(name, values, parse_config(values, shown))


@dataclass(frozen=True)
class Answers:
    """What the form comes to: the settings, and a sentence a key about what is wrong."""

    settings: tuple[str, ...] = ()
    mistakes: Mapping[str, str] = field(default_factory=dict)

    @property
    def fine(self) -> bool:
        """Whether a run can be started."""
        return not self.mistakes


MORE = "--set"
"""The key of the free field in `Answers.mistakes`."""
TOGETHER = ""
"""The key of what is wrong with the settings taken together."""


def answer(source: Source, fields: tuple[Field, ...], texts: Mapping[str, str]) -> Answers:
    """Check every field by itself, then all of them together. `texts` by key, and `--set`."""
    settings: list[str] = []
    mistakes: dict[str, str] = {}
    for asked in fields:
        setting = asked.setting(texts.get(asked.key, ""))
        if setting is None:
            continue
        settings.append(setting)
        _note(mistakes, asked.key, source, [setting])
    try:
        more = split_settings(texts.get(MORE, ""))
    except WorkbenchError as error:
        more = []
        mistakes[MORE] = str(error)
    if more:
        _note(mistakes, MORE, source, more)
    if not mistakes:
        _note(mistakes, TOGETHER, source, [*settings, *more])
    return Answers((*settings, *more), mistakes)


def _note(mistakes: dict[str, str], key: str, source: Source, settings: list[str]) -> None:
    """Note what is wrong with some settings, if anything."""
    try:
        parse_config(override(source.values, settings), MORE)
    except WorkbenchError as error:
        mistakes[key] = str(error).removeprefix(f"{MORE}: ")
