"""What of a configuration may change once a run has begun: its end, what is written, where it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workbench.config.run import RunConfig

LATER = (
    "name",
    "description",
    "train.steps",
    "record.every",
    "checkpoint.every",
    "checkpoint.keep",
    "pause.at_saddle",
    "pause.at",
    "pause.risk_below",
    "device.kind",
    "device.threads",
)
"""Keys that leave every step as it is."""


def gone_on_with(begun: RunConfig, written: RunConfig) -> RunConfig:
    """The configuration that a run began with, and of `written` what may change later."""
    values, later = begun.model_dump(by_alias=True), written.model_dump(by_alias=True)
    for key in LATER:
        table, _, name = key.rpartition(".")
        target, source = (values[table], later[table]) if table else (values, later)
        target[name] = source[name]
    return RunConfig.model_validate(values)


def changed_keys(begun: RunConfig, written: RunConfig) -> list[tuple[str, Any, Any]]:
    """(key, then, now) of everything else in which the two differ; None: not there."""
    one, other = (dict(leaves(c.model_dump(mode="json", by_alias=True))) for c in (begun, written))
    return [
        (key, one.get(key), other.get(key))
        for key in dict.fromkeys((*one, *other))
        if key not in LATER and one.get(key) != other.get(key)
    ]


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested tables by its dotted key."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
