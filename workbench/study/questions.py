"""What the inspector is asked of members while they train, as a single run asks it of itself."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Array, Float
from workbench.engine.saddle_watch import Answer
from workbench.inspector.forecast_ledger import FAILURES
from workbench.inspector.inspect import Inspection
from workbench.inspector.recording import recorded_inspection
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.inspector.while_training import inspection_while_training, judgement_while_training
from workbench.models.repeatable import is_steady
from workbench.protocol.inspections import RecordedInspection
from workbench.run.confirmation import answer_of
from workbench.run.members import MemberBlock
from workbench.run.step_size import step_size_taken


class Questions:
    """The inspector, for the members of a block; what they share it shares."""

    def __init__(self, block: MemberBlock) -> None:
        self.block = block
        self._risks: dict[tuple[int, int], RiskModel] = {}

    def state(
        self,
        member: int,
        theta: Float[Array, " P"],
        step: int,
        time: float = 0.0,
        rate_log: float = np.nan,
    ) -> InspectedState:
        """A member's state for the inspector; `rate_log`: log η of the step that led here, of rules that
        change it."""
        network = self.block.networks[member]
        steady = is_steady(network.model)
        size = step_size_taken(np.array([step]), np.array([rate_log]), step)
        return network.state(
            theta,
            step=step,
            time=time,
            step_size=size,
            risk=self._risk(member) if steady else None,
            memory=None if steady else self.block.members.state(member).memory,
        )

    def saddle(self, member: int, theta: Float[Array, " P"], step: int) -> Answer:
        """The verdict on a record that the watch proposes."""
        return answer_of(judgement_while_training(self.state(member, theta, step)))

    def look(
        self,
        member: int,
        theta: Float[Array, " P"],
        step: int,
        time: float,
        rate_log: float,
    ) -> RecordedInspection | None:
        """The look into a saddle that was told; None where there is none."""
        try:
            found = inspection_while_training(self.state(member, theta, step, time, rate_log))
        except FAILURES:
            return None
        return recorded_inspection(found, "saddle") if isinstance(found, Inspection) else None

    def _risk(self, member: int) -> RiskModel:
        """The risk of a network whose outputs depend on θ alone, one for all that have its module and
        samples."""
        network = self.block.networks[member]
        key = id(network.model), id(network.dataset)
        if key not in self._risks:
            if len(self._risks) > 64:
                self._risks.clear()
            self._risks[key] = network.risk()
        return self._risks[key]
