"""What the engine asks of a candidate for a saddle: the inspector's verdict on it."""

from __future__ import annotations

import numpy as np

from workbench.engine.saddle_watch import Answer, Confirm
from workbench.inspector.saddle import Judgement
from workbench.inspector.while_training import judgement_while_training
from workbench.run.experiment import Experiment


def confirmation(experiment: Experiment) -> Confirm:
    """The question, with a copy of the network of its own."""
    risk = experiment.risk()

    def confirm(theta: np.ndarray, step: int) -> Answer:
        return answer_of(
            judgement_while_training(experiment.inspected(theta, step=step, risk=risk))
        )

    return confirm


def answer_of(found: Judgement | None) -> Answer:
    """A verdict as the watch takes it; None: there is no evidence of a way out."""
    if found is None:
        return Answer(False, "", 0.0)
    words = " ".join(found.reasons)
    return Answer(found.verdict == "saddle", words, found.evidence.escape_rate or 0.0)
