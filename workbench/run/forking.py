"""Where a fork starts: a stored state by its step or as a saddle, pushed along a KKT direction or not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.errors import BadInput, clean_text
from workbench.inspector.inspect import inspect_state
from workbench.inspector.push import delta_of, leaving_push, parse_push, push_words
from workbench.inspector.state import InspectedState
from workbench.protocol.events import SaddleFound
from workbench.run.stored import StoredRun

LISTED = 8
"""Saddles that a sentence names."""


@dataclass(frozen=True)
class ForkPush:
    """A push along KKT point `point` of the state that is forked, as `workbench inspect --at` numbers them.

    `by`: a length and whose (`1e-3`, `1e-3 neuron 4`, `1e-3 all`), as on the inspector's page. Empty: so
    that a neuron leaves that way before any other leaves (`leaving_push`).
    """

    point: int
    by: str = ""

    @property
    def options(self) -> str:
        """The same for the command line."""
        return f"--push {self.point}" + (f" --by {shlex.quote(self.by)}" if self.by else "")


def fork_step(run: StoredRun, at: str) -> int:
    """The step that a fork starts from: a number, `last`, `saddle` (the last one told) or `saddle:K`.

    Raises:
        BadInput: it is none of them, or the run has told no such saddle; the ones there are, are named.
    """
    word, _, which = at.partition(":")
    if at == "last":
        return run.last_step
    if at.isascii() and at.isdecimal() and len(at) < 19:
        return int(at)
    if word != "saddle" or (":" in at and not (which.isascii() and which.isdecimal())):
        raise BadInput(
            f"--at '{clean_text(at, 40)}' is no step; allowed: a whole number from 0, 'last', 'saddle' (the "
            "last one told), or 'saddle:1' for the first."
        )
    told = [event.step for event in run.reader.events() if event.kind == SaddleFound.kind]
    name = clean_text(run.folder.name, 120)
    if not told:
        raise BadInput(f"--at {at}: run {name} has told no saddle.")
    number = int(which[:9]) if which else len(told)
    if not 1 <= number <= len(told):
        shown = ", ".join(f"{step:,}" for step in told[:LISTED]) + (", …" if told[LISTED:] else "")
        raise BadInput(
            f"--at {clean_text(at, 40)}: run {name} has told {len(told)} saddles, at steps {shown}; "
            f"allowed: saddle:1 to saddle:{len(told)}."
        )
    return told[number - 1]


def pushed(state: InspectedState, push: ForkPush) -> tuple[Float[np.ndarray, " P"], str]:
    """(θ after the push (P), what was done as a clause).

    Raises:
        BadInput: the state has no such KKT point, or the push does not fit it.
    """
    inspection = inspect_state(state, hessian=False)
    found = inspection.correlation
    where = f"step {state.step:,}"
    if found is None or not found.points:
        why = f": {inspection.limits[0]}" if inspection.limits else "."
        raise BadInput(f"--push: no KKT points are known at {where}{why}")
    if not 0 <= push.point < len(found.points):
        raise BadInput(
            f"--push {push.point}: there are {len(found.points)} KKT points at {where}; allowed: 0 to "
            f"{len(found.points) - 1}, as workbench inspect --at {state.step} lists them."
        )
    try:
        asked = (
            parse_push(push.by, state, inspection, push.point)
            if push.by
            else leaving_push(state, inspection, push.point)
        )
        delta = delta_of(asked, state, inspection, push.point)
    except BadInput as error:
        raise BadInput(f"{push.options}: {str(error).rstrip('.')}.") from error
    value = found.points[push.point].value
    return state.theta + delta, push_words(asked, push.point, f"N = {value:.4g}")
