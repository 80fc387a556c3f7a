"""The inspector's status line: which state is looked at, and what was found of it. Pure."""

from __future__ import annotations

import numpy as np

from workbench.protocol.status import RunStatus
from workbench.tui.inspect.examined import Examined, Subject
from workbench.tui.inspect.words import VERDICTS
from workbench.tui.run.x_axis import LN10
from workbench.tui.widgets.statusline import Status


def state_word(subject: Subject) -> RunStatus:
    """What the run is doing."""
    return RunStatus.REPLAYED if subject.session is None else subject.session.engine.status


def status_of(subject: Subject, examined: Examined | None) -> Status:
    """The state and the verdict; while another state is being looked into, the step last seen."""
    step, extra = subject.step, ""
    if examined is not None:
        extra = VERDICTS[examined.inspection.judgement.verdict][0]
        if examined.inspection.step != step:
            extra = f"seen at step {examined.inspection.step:,}"
    return Status(
        state=state_word(subject),
        name=subject.name,
        step=step,
        log10_risk=None if examined is None else examined.state.log_risk / LN10,
        norm=None if examined is None else float(np.linalg.norm(examined.state.theta)),
        extra=extra,
    )
