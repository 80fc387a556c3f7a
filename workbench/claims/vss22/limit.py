"""What VSS22's claims share: the flow from a stated start, the KKT point it goes to, and the verdict.

The flow reaches its limit direction only as 1/log t, so it is followed to a risk of 1e−800, and the KKT
point of (P) is polished from there. Both are held against the limit point that the theorem names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.exact_network import ExactNetwork, exact_network
from workbench.claims.lab import Lab, TrainedRun
from workbench.claims.vss22.starts import Start
from workbench.config.run import RunConfig
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.inspector.margin import margin_certificate
from workbench.inspector.optimality import optimality_verdict
from workbench.run.network import network_of
from workbench.theory.margin.polish import Polished
from workbench.theory.margin.tangent_svm import angle_between
from workbench.theory.optimality.verdict import Optimality

LIMIT = 1e-6
"""Distance over norm within which the polished point is the limit point."""
EARLIER = 0.1
"""Part of the final log-risk at which the angle to the limit is compared with the final one."""


@dataclass(frozen=True, eq=False)
class Reached:
    """Where a start led.

    `goal` (P): the limit point of the statement. `turned`: radians between the flow's last direction
    and the goal, `earlier` the same at a tenth of the log-risk. What is None is so because of `reason`.
    """

    start: Start
    network: ExactNetwork
    log10_risk: float
    turned: float = float("nan")
    earlier: float = float("nan")
    goal: Float[np.ndarray, " P"] | None = None
    polished: Polished | None = None
    verdict: Optimality | None = None
    reason: str = ""

    @property
    def off(self) -> float:
        """‖θ~ − goal‖/‖goal‖ of the polished point; NaN without one."""
        if self.polished is None or self.goal is None:
            return float("nan")
        return float(np.linalg.norm(self.polished.theta - self.goal) / np.linalg.norm(self.goal))

    @property
    def still_turning(self) -> float:
        """The angle that is left over the earlier one; 0 where less than `LIMIT` is left."""
        if self.turned <= LIMIT:
            return 0.0
        return self.turned / self.earlier if self.earlier > 0 else float("inf")

    def says(self, verdict: str) -> bool:
        """Whether that was the verdict."""
        return self.verdict is not None and self.verdict.verdict == verdict


def reach(lab: Lab, claim: str, starts: Sequence[Start]) -> tuple[list[Reached], Path | None]:
    """Train every start and look where it came to; the first run's folder."""
    found, folders = [], []
    for start in starts:
        config = start.config(claim)
        run = lab.train(config)
        found.append(_reached(start, config, run))
        folders.append(run.folder)
    return found, folders[0]


def _reached(start: Start, config: RunConfig, run: TrainedRun) -> Reached:
    dataset = load_dataset(config.data)
    network = exact_network(config.model, dataset.x, dataset.y)
    log10_risk = float(run.log_risk[-1] / np.log(10.0))
    nowhere = Reached(start, network, log10_risk)
    if not np.isfinite(run.theta).all():
        return replace(nowhere, reason="the weights are not finite")
    try:
        state = network_of(config, dataset).state(run.theta[-1], step=int(run.step[-1]))
        certificate = margin_certificate(state)
    except BadInput as error:
        return replace(nowhere, reason=str(error))
    polished = certificate.polished
    if polished is None or not polished.outcome.converged:
        why = certificate.why_unpolished if polished is None else polished.outcome.why_not
        return replace(nowhere, reason=why)
    goal = start.target(network, polished.theta)
    earlier = int(np.argmax(run.log_risk <= EARLIER * run.log_risk[-1]))
    turned, before = (angle_between(run.theta[row], goal) for row in (-1, earlier))
    reached = replace(nowhere, goal=goal, turned=turned, earlier=before, polished=polished)
    try:
        return replace(reached, verdict=optimality_verdict(state))
    except BadInput as error:
        return replace(reached, reason=str(error))
