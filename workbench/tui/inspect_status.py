"""The inspector's status line: which state is looked at, and what was found of it. Pure."""

from __future__ import annotations

import numpy as np

from workbench.tui.inspect_views import VERDICTS
from workbench.tui.look import LN10
from workbench.tui.looked import LiveSubject, Looked, StoredSubject
from workbench.tui.widgets.statusline import Status

STATES = {"running": "live", "finished": "done", "stopped": "paused"}


def status_of(subject: LiveSubject | StoredSubject, looked: Looked | None) -> Status:
    """The state and the verdict; while another state is being looked into, the step last seen."""
    state, step, extra = "replay", None, ""
    if isinstance(subject, LiveSubject):
        engine = subject.session.engine
        state = STATES.get(engine.mode, engine.mode)
        step = None if engine.snapshot is None else engine.snapshot.step
    elif isinstance(subject, StoredSubject):
        step = subject.step
    if looked is not None:
        extra = VERDICTS[looked.inspection.judgement.verdict][0]
        if looked.inspection.step != step:
            extra = f"seen at step {looked.inspection.step:,}"
    return Status(
        state=state,  # type: ignore[arg-type]
        name=subject.name,
        step=step,
        log10_risk=None if looked is None else looked.state.log_risk / LN10,
        norm=None if looked is None else float(np.linalg.norm(looked.state.theta)),
        extra=extra,
    )
