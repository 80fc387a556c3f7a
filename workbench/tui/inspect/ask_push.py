"""The dialog that pushes θ along a chosen KKT direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from textual.screen import Screen

from workbench.errors import WorkbenchError
from workbench.inspector.push import delta_of, likely_neuron, parse_push, push_words
from workbench.tui.controls import Controls
from workbench.tui.dialogs import Ask
from workbench.tui.inspect import words as show
from workbench.tui.inspect.examined import Examined


def ask_push(screen: Screen[Any], controls: Controls, examined: Examined, point: int) -> None:
    """Ask how far to push which neuron along KKT point `point`, and push."""
    inspection, state = examined.inspection, examined.state

    def problem(text: str) -> str | None:
        try:
            parse_push(text, state, inspection, point)
        except WorkbenchError as error:
            return str(error)
        return None

    def go(text: str | None) -> None:
        if not text or inspection.correlation is None:
            return
        push = parse_push(text, state, inspection, point)
        where = show.where(inspection.correlation.points[point], show.is_planar(examined))
        delta = delta_of(push, state, inspection, point)
        controls.push(delta, push_words(push, point, where))

    neuron = likely_neuron(inspection, point)
    who = "θ" if neuron is None else f"neuron {neuron}"
    size = float(np.linalg.norm(state.theta) if neuron is None else state.neuron_norm[neuron])
    hint = "a length" if neuron is None else f"1e-3 · 1e-3 neuron {neuron} · 1e-3 all"
    screen.app.push_screen(
        Ask(
            f"push {who} along KKT point {point} by how much? (its norm is {size:.3g})",
            value=f"{size:.2g}",
            hint=hint,
            check=problem,
            replace=True,
        ),
        go,
    )
