"""What the process that trains a run and those that watch it say to each other: one JSON object a line.

Every line has a version, `"v": 1`. A viewer sends commands, each with a number of its own:

    {"v": 1, "id": 3, "command": "step", "n": 100}

and is answered `{"v": 1, "kind": "done", "id": 3}`, or `"refused"` with a `text` that says why. Unasked,
the trainer says `"state"` whenever that has changed, and `"bye"` with a `text` before it hangs up.
A number that is not finite is one of the texts "nan", "inf", "-inf". Lines are bounded; whatever else
comes raises `WireError`, and whoever reads it hangs up.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.arrays import Float
from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.commands import (
    Checkpoint,
    Command,
    Pause,
    Resume,
    RunUntil,
    StepN,
    Stop,
)
from workbench.protocol.status import RunStatus, status_of

VERSION = 1
LONGEST_COMMAND = 4_096
"""Most bytes of a line that a viewer sends."""
LONGEST_TOLD = 262_144
"""Most bytes of a line that a trainer sends."""
MOST_PARAMETERS = 8_192
"""Longest θ that goes with a state; a longer one is seen as it is recorded."""
MOST_VALUES = 256
_LARGEST = 2**53


class WireError(WorkbenchError):
    """What came over a run's socket is not what is spoken there."""


@dataclass(frozen=True, eq=False)
class State:
    """Where a run is, as its trainer tells whoever watches.

    `values` are the scalar series of `step`, or of the record before it. `theta` (P): the state at
    `theta_step`, None where it is too long. `eta_seconds`: None where it is not known.
    """

    step: int
    steps: int
    status: RunStatus
    steps_per_second: float = 0.0
    eta_seconds: float | None = None
    note: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    theta: Float[np.ndarray, " P"] | None = None
    theta_step: int = 0


@dataclass(frozen=True)
class Answer:
    """A command was taken; `refused` says why not, or is empty."""

    number: int
    refused: str = ""


@dataclass(frozen=True)
class Bye:
    """The trainer hangs up; `text` says why."""

    text: str


Told = State | Answer | Bye


def command_line(number: int, command: Command) -> bytes:
    """A command as a line. Raises WireError for one that is not for other processes."""
    match command:
        case Pause():
            said: dict[str, Any] = {"command": "pause"}
        case Resume():
            said = {"command": "resume"}
        case StepN(n):
            said = {"command": "step", "n": n}
        case RunUntil(step, log10_risk, saddle):
            said = {
                "command": "until",
                "step": step,
                "log10_risk": log10_risk,
                "next_saddle": saddle,
            }
        case Checkpoint():
            said = {"command": "checkpoint"}
        case Stop():
            said = {"command": "stop"}
        case _:
            raise WireError(
                "this can be asked only of a run that is trained on this screen: it needs its state."
            )
    return _line({"id": number, **said})


def read_command(line: bytes) -> tuple[int, Command]:
    """A command's number and the command. Raises WireError."""
    said = _object(line, LONGEST_COMMAND)
    number, name = _whole(said, "id"), said.get("command")
    match name:
        case "pause":
            return number, Pause()
        case "resume":
            return number, Resume()
        case "step":
            return number, StepN(_whole(said, "n", 1))
        case "until":
            return number, _until(said)
        case "checkpoint":
            return number, Checkpoint()
        case "stop":
            return number, Stop("asked by a viewer")
    raise WireError(
        f"unknown command '{clean_text(str(name), 40)}'; "
        "allowed: checkpoint, pause, resume, step, stop, until."
    )


def _until(said: Mapping[str, Any]) -> RunUntil:
    step = None if said.get("step") is None else _whole(said, "step", 1)
    risk = None if said.get("log10_risk") is None else _number(said["log10_risk"])
    saddle = said.get("next_saddle") is True
    if (step is not None) + (risk is not None and math.isfinite(risk)) + saddle != 1:
        raise WireError("'until' takes one of step, log10_risk (finite), next_saddle (true).")
    return RunUntil(step, risk, saddle)


def told_line(told: Told) -> bytes:
    """What a trainer tells, as a line."""
    match told:
        case Answer(number, ""):
            return _line({"kind": "done", "id": number})
        case Answer(number, refused):
            return _line({"kind": "refused", "id": number, "text": refused})
        case Bye(text):
            return _line({"kind": "bye", "text": text})
        case State():
            theta = told.theta
            sent = theta is not None and theta.size <= MOST_PARAMETERS
            return _line(
                {
                    "kind": "state",
                    "step": told.step,
                    "steps": told.steps,
                    "status": told.status.value,
                    "rate": _plain(told.steps_per_second),
                    "eta": None if told.eta_seconds is None else _plain(told.eta_seconds),
                    "note": clean_text(told.note),
                    "values": {name: _plain(v) for name, v in told.values.items()},
                    "theta": _packed(theta) if sent and theta is not None else None,
                    "theta_step": told.theta_step,
                }
            )
    raise WireError(f"{type(told).__name__} is nothing that is told.")


def read_told(line: bytes) -> Told:
    """What a trainer told. Raises WireError."""
    said = _object(line, LONGEST_TOLD)
    match said.get("kind"):
        case "done":
            return Answer(_whole(said, "id"))
        case "refused":
            return Answer(_whole(said, "id"), _text(said, "text") or "no reason was given")
        case "bye":
            return Bye(_text(said, "text"))
        case "state":
            values = said.get("values")
            if not isinstance(values, dict) or len(values) > MOST_VALUES:
                raise WireError(f"'values' of a state must be at most {MOST_VALUES} by name.")
            return State(
                step=_whole(said, "step"),
                steps=_whole(said, "steps"),
                status=status_of(_text(said, "status")),
                steps_per_second=_number(said.get("rate")),
                eta_seconds=None if said.get("eta") is None else _number(said["eta"]),
                note=_text(said, "note"),
                values={clean_text(name, 80): _number(value) for name, value in values.items()},
                theta=None if said.get("theta") is None else _unpacked(said["theta"]),
                theta_step=_whole(said, "theta_step"),
            )
    raise WireError(f"unknown kind '{clean_text(str(said.get('kind')), 40)}'.")


# --- lines ---


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps({"v": VERSION, **said}, allow_nan=False).encode() + b"\n"


def _object(line: bytes, longest: int) -> dict[str, Any]:
    """The object of a line, of this version."""
    if len(line) > longest:
        raise WireError(f"a line is longer than {longest:,} bytes.")
    try:
        said = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise WireError("a line is no JSON object in UTF-8.") from None
    if not isinstance(said, dict):
        raise WireError("a line is no JSON object.")
    if said.get("v") != VERSION or isinstance(said["v"], bool):
        raise WireError(
            f"the other side speaks version {clean_text(str(said.get('v')), 20)}; this one {VERSION}."
        )
    return said


def _no_constant(text: str) -> float:
    raise ValueError(text)


# --- values ---


def _whole(said: Mapping[str, Any], key: str, least: int = 0) -> int:
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _LARGEST:
        raise WireError(f"'{key}' must be a whole number from {least}.")
    return value


def _number(value: object) -> float:
    if value in ("nan", "inf", "-inf"):
        return float(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError("a number was expected.")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise WireError("a number is too large.")
    return float(value)


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str):
        raise WireError(f"'{key}' must be a text.")
    return clean_text(value)


def _plain(value: float) -> float | str:
    return float(value) if math.isfinite(value) else repr(float(value))


def _packed(theta: Float[np.ndarray, " P"]) -> str:
    return base64.b64encode(np.ascontiguousarray(theta, dtype="<f8").tobytes()).decode("ascii")


def _unpacked(text: object) -> Float[np.ndarray, " P"]:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise WireError("θ is not in base 64.") from None
    if not raw or len(raw) % 8 or len(raw) > 8 * MOST_PARAMETERS:
        raise WireError(f"θ must be 1 to {MOST_PARAMETERS:,} numbers of 8 bytes.")
    return np.frombuffer(raw, dtype="<f8").astype(np.float64)
