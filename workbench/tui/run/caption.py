"""The line under the status: what one sees here, and what can be done about it now."""

from __future__ import annotations

import textwrap

from workbench.protocol.status import RunStatus

AT_SADDLE = (
    "Near a saddle: i looks inside (who leaves, where to, when) · space goes on. "
    "The risk stands still here while the small neurons turn and grow."
)
PAUSED = "Paused: space goes on · s takes one step · u runs until … · i looks inside."
ENDED = {
    RunStatus.FINISHED: "The run has ended. i looks inside its last state, ←→ go back through its records.",
    RunStatus.DIVERGED: "The run has diverged: the step is too large. ←→ go back to where it began.",
    RunStatus.STALLED: "The run has stalled: no step lowers the risk any more. i looks inside.",
    RunStatus.LOST: "Lost: its process died; its records are kept. r goes on from a checkpoint.",
    RunStatus.FAILED: "The run has failed; its records up to here are kept. e shows what happened.",
}


def caption(state: RunStatus, description: str, paused_for: str) -> str:
    """What to say of a run.

    `description`: of its configuration, what to look for.
    `paused_for`: the reason of the pause, or empty.
    """
    if state is RunStatus.PAUSED:
        return AT_SADDLE if paused_for == "saddle" else PAUSED
    return ENDED.get(state, description)


def fitted(text: str, width: int, lines: int) -> str:
    """The text in at most so many lines, cut at a word with "…" where it is longer."""
    return "\n".join(
        textwrap.wrap(
            text, max(8, width), max_lines=lines, placeholder=" …", break_on_hyphens=False
        )
    )
