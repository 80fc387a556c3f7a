"""A flow of LL20 and where it goes: certificates along it, KKT points next to it, limits extrapolated.

The flow nears its limit slowly: linear networks of order L like log(1/𝓛)^{−1/L}, as 1/ρ; squared ReLUs by a
power that depends on how much slower the second fastest neuron grows. So ε of its own points stays well
above 0 at any risk, and that it falls says little: it is extrapolated (`claims.limits`) and the limit
must be 0 within its error, at the paper's own δ, which goes to 0 itself. The KKT point next to a record is
found by `theory.margin.polish`. KKT points of squared ReLUs come in families (neurons with one direction
share their norms in any way), so that each record is compared with the one next to itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import most
from workbench.claims.limits import HALF_TENFOLDS, Limit, power_limit
from workbench.claims.ll20.runs import RTOL
from workbench.claims.margin_runs import MarginRun, windows
from workbench.inspector.gated_network import GatedNetwork
from workbench.theory.margin.front import FrontSolver
from workbench.theory.margin.kkt import PaperCertificate, lemma_bounds, paper_certificate_at
from workbench.theory.margin.polish import Polished, polish
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.margin.tangent_svm import TangentSvm, angle_between, tangent_svm
from workbench.theory.numerics.separability import Inseparable

STEADY = 1e-2
"""Relative error of the gradient's weights that is small beside what is measured."""
STRIDE = 5
"""Every fifth record of a flow is certified in Lemma C.8, and the last."""


@dataclass(frozen=True, eq=False)
class FlowLimit:
    """A flow with its `rtol`, its certificates on the way, and the KKT points next to it.

    `tenfolds`: log10 of the heights, over the last one, from which limits are extrapolated."""

    run: MarginRun
    rtol: float = RTOL["quick"]
    tenfolds: tuple[float, ...] = HALF_TENFOLDS

    @cached_property
    def tail(self) -> list[int]:
        """Records next to `tenfolds` of the last −log 𝓛."""
        height = np.log10(-self.run.log_risk / -self.run.log_risk[-1])
        return [int(np.argmin(np.abs(height - wanted))) for wanted in self.tenfolds]

    @property
    def heights(self) -> list[float]:
        """−log 𝓛 at `tail`."""
        return [float(-self.run.log_risk[i]) for i in self.tail]

    @cached_property
    def points(self) -> list[tuple[GatedNetwork, MarginPoint]]:
        """The records at `tail` with q_min = 1."""
        return [self.run.point(i) for i in self.tail]

    @cached_property
    def deltas(self) -> list[float]:
        """δ of the paper's multipliers at `tail`."""
        samples = np.arange(self.run.samples)
        logs = [self.run.loss.log_weights(self.run.q[i], samples) for i in self.tail]
        return [
            paper_certificate_at(point, log).delta
            for (_, point), log in zip(self.points, logs, strict=True)
        ]

    @cached_property
    def epsilons(self) -> list[float]:
        """Least ε at `tail`, each for the paper's δ there."""
        return [
            FrontSolver(point).solve(delta).epsilon
            for (_, point), delta in zip(self.points, self.deltas, strict=True)
        ]

    @cached_property
    def polishes(self) -> list[Polished]:
        """The KKT points next to the records at `tail`."""
        return [polish(network, point) for network, point in self.points]

    @property
    def polished(self) -> Polished:
        """The KKT point next to the last record."""
        return self.polishes[-1]

    @property
    def epsilon_limit(self) -> Limit:
        """Where ε goes; an error of rtol in the direction moves it by about rtol ‖θ~‖."""
        noise = self.rtol * self.points[-1][1].norm
        return power_limit(self.heights, self.epsilons, noise)

    @property
    def delta_order(self) -> float:
        """p of δ ∝ log(1/𝓛)^{−p} over the last tenfold; NaN where δ is 0."""
        deltas, heights = self.deltas, self.heights
        if not min(deltas) > 0:
            return float("nan")
        return float(-np.log(deltas[-1] / deltas[2]) / np.log(heights[-1] / heights[2]))

    @property
    def angle_limit(self) -> Limit:
        """Where the angle to the KKT point goes."""
        return power_limit(self.heights, self.angles, self.rtol)

    @property
    def svm_limit(self) -> Limit:
        """Where the angle to the SVM goes."""
        return power_limit(self.heights, self.svm_angles, self.rtol)

    @cached_property
    def angles(self) -> list[float]:
        """Radians between θ^ at `tail` and its KKT point; NaN where none was found."""
        return [
            angle_between(point.theta, found.theta) if found.outcome.converged else float("nan")
            for (_, point), found in zip(self.points, self.polishes, strict=True)
        ]

    @cached_property
    def svms(self) -> list[TangentSvm | Inseparable]:
        """The SVMs in the features ∇q at the KKT points."""
        found = []
        for (network, _), polished in zip(self.points, self.polishes, strict=True):
            point = self.run.point_at(network, polished.theta)
            found.append(tangent_svm(point.theta, point.rows))
        return found

    @cached_property
    def svm_angles(self) -> list[float]:
        """Radians between θ^ at `tail` and the SVM; NaN where nothing is separated."""
        return [
            float("nan")
            if isinstance(svm, Inseparable)
            else angle_between(point.theta, svm.svm.direction)
            for (_, point), svm in zip(self.points, self.svms, strict=True)
        ]

    @property
    def residual(self) -> float:
        """‖θ − Σλ_i h_i‖/‖θ‖ and what margins lack of 1 of the KKT points, the largest; NaN where one was
        not found."""
        return most(
            max(found.outcome.residual, found.infeasible)
            if found.outcome.converged
            else float("nan")
            for found in self.polishes
        )

    @property
    def svm_angle(self) -> float:
        """Radians between the last KKT point and its SVM, from above; NaN where nothing is separated."""
        found = self.svms[-1]
        if isinstance(found, Inseparable) or not self.polished.outcome.converged:
            return float("nan")
        return found.angle + found.angle_error

    @cached_property
    def certified(self) -> list[int]:
        """Every `STRIDE`-th record and the last: those of which Lemma C.8 is asked."""
        return sorted({*range(0, len(self.run.rho), STRIDE), len(self.run.rho) - 1})

    @property
    def left_out(self) -> float:
        """Share of these before −log 𝓛 = b_g, of which the lemma says nothing."""
        return 1.0 - len(self.papers) / len(self.certified)

    @cached_property
    def papers(self) -> list[tuple[PaperCertificate, float, float, float]]:
        """At every `STRIDE`-th record: Lemma C.8's certificate, its ε and δ over the lemma's, and the
        latter with 1/e in place of e."""
        run = self.run
        found = []
        for index in self.certified:
            q = run.q[index]
            _, point = run.point(index)
            paper = paper_certificate_at(point, run.loss.log_weights(q, np.arange(len(q))))
            epsilon, delta = lemma_bounds(
                run.loss,
                order=run.order,
                log_risk=float(run.log_risk[index]),
                margin_smoothed=float(run.smoothed[index]),
                beta=paper.beta,
                q_ratio=float(q.max() / q.min()),
                constraints=run.samples,
            )
            if np.isfinite(delta):
                sharp = paper.delta / delta * np.e**2
                found.append((paper, paper.epsilon / epsilon, paper.delta / delta, sharp))
        return found

    @cached_property
    def betas(self) -> Float[np.ndarray, " T"]:
        """cos(θ, −∇𝓛) at every record, from the chord, which loses no digits near 1."""
        values = []
        for index, theta in enumerate(self.run.theta):
            gradient = self.run.state(index).gradient
            chord = theta / np.linalg.norm(theta) + gradient / np.linalg.norm(gradient)
            values.append(1.0 - 0.5 * float(chord @ chord))
        return np.array(values)

    @property
    def steady(self) -> int:
        """How many records count in Corollary C.10: an error of rtol in θ^ moves margins by rtol ρ^L, and
        the weights that make the gradient by about −log 𝓛 times rtol, which is to stay below `STEADY`."""
        return int(np.sum(-self.run.log_risk * self.rtol < STEADY))

    def passing(self, count: int = 20) -> float:
        """Corollary C.10 over windows of log ρ: least β⁻² − 1 over Δlog γ~/(L Δlog ρ), the largest."""
        run, beta, steady = self.run, self.betas, self.steady
        log_rho, log_margin = np.log(run.rho[:steady]), np.log(run.smoothed[:steady])
        ratios = []
        for a, b in windows(log_rho, count):
            allowed = (log_margin[b] - log_margin[a]) / (run.order * (log_rho[b] - log_rho[a]))
            ratios.append(float(np.min(beta[a : b + 1] ** -2.0 - 1.0) / allowed))
        return most(ratios)
