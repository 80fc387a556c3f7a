"""A stored run at chosen points of its training, as LL20 Table 1 shows one.

A point is a number of epochs, a risk, or the end. An epoch is ⌈n/batch⌉ steps, one with the full batch; under
the loss-based rate an epoch that is taken back and run again counts each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite, log

import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput, clean_text
from workbench.record.reader import RunReader
from workbench.record.schema import STEP
from workbench.run.stored import StoredRun

DEFAULT = "1e-10,1e-15,1e-20,1e-120,last"
"""Table 1's: the first time the risk is below these, and the end."""
_RISK = re.compile(r"1e(-\d{1,9}(?:\.\d+)?)")


@dataclass(frozen=True)
class Place:
    """A point of a training: `epochs`, a `log10_risk` to be below for the first time, or else the end."""

    text: str
    epochs: int | None = None
    log10_risk: float | None = None


@dataclass(frozen=True)
class Milestone:
    """A run at the first record at or past a place; everything None where it never came there.

    `epochs` tried until then, `log10_loss` of the average training loss, `margin` γ̄_m, or γ̄ where
    `margin_of` says so; accuracies from 0 to 1. What the run has not recorded is None.
    """

    place: str
    step: int | None = None
    epochs: float | None = None
    log10_loss: float | None = None
    margin: float | None = None
    margin_of: str | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None


def places(text: str) -> list[Place]:
    """`38,1e-10,last`: epochs, powers of ten of the average training loss, the end.

    Raises:
        BadInput: a part is none of these.
    """
    found = []
    for part in (piece.strip() for piece in text.split(",")):
        risk = _RISK.fullmatch(part)
        if part == "last":
            found.append(Place(part))
        elif part.isdecimal() and len(part) < 10:
            found.append(Place(part, epochs=int(part)))
        elif risk:
            found.append(Place(part, log10_risk=float(risk[1])))
        else:
            raise BadInput(
                f"--at names '{clean_text(part, 40)}'; allowed are a number of epochs (38), a power of ten "
                "of the training loss (1e-10), and 'last', with commas between."
            )
    return found


def milestones(run: StoredRun, wanted: list[Place]) -> list[Milestone]:
    """A row a place.

    Raises:
        BadInput: the run has no record yet, or its configuration cannot be read.
        StorageError: the file is damaged.
    """
    reader, config = run.reader, run.begun_with
    step = reader.read(STEP)
    if not len(step):
        raise BadInput(f"{clean_text(run.folder.name)} has no record yet.")
    n = reader.n_samples or 1
    per_epoch = -(-n // (config.train.batch or n)) if config else 1
    summed = config is not None and config.loss.reduction == "sum"
    height = (reader.read("log_risk") - (log(n) if summed else 0.0)) / log(10.0)
    of = next((name for name in ("margin_multi", "margin_normalized") if reader.has(name)), None)
    rows = []
    for place in wanted:
        at = _first(place, step, height, per_epoch)
        if at is None:
            rows.append(Milestone(place.text))
            continue
        rows.append(
            Milestone(
                place.text,
                int(step[at]),
                int(step[at]) / per_epoch,
                _finite(height[at]),
                _value(reader, of, at),
                of,
                _value(reader, "accuracy", at),
                _value(reader, "test_accuracy", at),
            )
        )
    return rows


def _first(place: Place, step: Array, height: Array, per_epoch: int) -> int | None:
    """The first record at or past a place; the end is the last record."""
    if place.epochs is not None:
        there = step >= place.epochs * per_epoch
    elif place.log10_risk is not None:
        there = height < place.log10_risk
    else:
        return len(step) - 1
    return int(np.argmax(there)) if there.any() else None


def _value(reader: RunReader, name: str | None, at: int) -> float | None:
    """A scalar series at a record; None where the run has none."""
    if name is None or not reader.has(name):
        return None
    return _finite(reader.read(name, slice(at, at + 1))[0])


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None
