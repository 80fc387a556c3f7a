"""A pursuit as it is asked for: computed stage by stage, a stored run beside it where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.errors import BadInput
from workbench.models.structure import Structure
from workbench.protocol.events import SaddleFound
from workbench.record.pursuit_file import KeptPursuit, RunBeside
from workbench.run.pursuing import Pursuing
from workbench.run.stored import StoredRun
from workbench.theory.ncf.pursuit import DELTA, FITTED, WITHIN, PursuitEnd, Stage, pursuit
from workbench.theory.ncf.pursuit_visits import visits
from workbench.theory.numerics.work import Work

WORK = 2e12
"""Most operations of all flows of a pursuit."""
MOST_RECORDS = 4_000
"""Records that a run is compared at, evenly thinned."""


@dataclass(frozen=True)
class Options:
    """Settings of `theory/ncf/pursuit.py`; `trust`: classes that a stored run names may be imported."""

    delta: float = DELTA
    within: float = WITHIN
    fitted: float = FITTED
    trust: bool = False


@dataclass(frozen=True, eq=False)
class PursuitTask:
    """What to pursue, and how. `run`: the folder of a run to put beside it."""

    pursuing: Pursuing
    how: Options
    run: Path | None = None

    def compute(
        self,
        *,
        told: Callable[[Stage], None] | None = None,
        moved: Callable[[float, float], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> KeptPursuit:
        """All stages, each told once it is known; `moved`: (time, risk) of the summed loss on the way.

        Raises:
            WorkbenchError: the run cannot be read, or put beside it.
        """
        found = pursuit(
            self.pursuing.problem,
            self.pursuing.available,
            delta=self.how.delta,
            within=self.how.within,
            fitted=self.how.fitted,
            work=Work(WORK, cancel),
            told=told,
            moved=moved,
        )
        kept = self.pursuing.kept(found.stages, str(found.end), self.how.delta)
        if self.run is None or found.end is PursuitEnd.CANCELLED:
            return kept
        with StoredRun(self.run) as stored:
            return with_run(kept, self.pursuing, stored, self.how.trust)


def neuron_weights(
    structure: Structure, theta: Float[Array, "T P"]
) -> tuple[Float[Array, "T H p"], Float[Array, " H"]]:
    """Weights of every neuron at every record, (v, u) or u, and their fixed output signs, else ones."""
    u, v = structure.incoming(theta), structure.outgoing(theta)
    if v is None:
        return u, structure.neuron_signs(theta[0])
    return np.concatenate([v[..., None], u], axis=2), np.ones(u.shape[1])


def with_run(
    kept: KeptPursuit, pursuing: Pursuing, run: StoredRun, trust: bool = False
) -> KeptPursuit:
    """The pursuit with a run of the same samples and neurons beside it.

    Raises:
        BadInput: the run has other samples, another network, or keeps θ of no record.
    """
    name = run.folder.name
    problem = pursuing.problem
    same = run.dataset.x.shape == problem.x.shape and np.array_equal(run.dataset.x, problem.x)
    if not same or not np.array_equal(run.dataset.y, problem.y):
        raise BadInput(
            f"run {name} has other samples than what is pursued; allowed: a run of the same data."
        )
    structure = run.network(trust=trust).structure
    neurons = structure.neurons
    if neurons is None or neurons.ncf != kept.kind or neurons.leak != problem.leak:
        raise BadInput(
            f"run {name} trains other neurons than what is pursued; allowed: '{kept.kind}' with leak "
            f"{problem.leak:g}."
        )
    if not run.reader.has("theta"):
        raise BadInput(f"run {name} keeps θ of no record; allowed: a run with record.theta = true.")
    step = run.reader.read("step")
    rows = _thinned(len(step))
    weights, signs = neuron_weights(structure, np.asarray(run.reader.read("theta", rows), float))
    found = visits(problem, kept.stages, weights, signs)
    saddles = tuple(e.step for e in run.reader.events() if e.kind == SaddleFound.kind)
    beside = RunBeside(
        name,
        found,
        tuple(int(step[rows[visit.row]]) for visit in found),
        saddles,
        np.asarray(run.reader.read("time", rows), dtype=float),
        np.asarray(run.reader.read("log_risk", rows), dtype=float),
    )
    return replace(kept, beside=beside)


def _thinned(count: int) -> Int[np.ndarray, " k"]:
    """Rows of `count`, the first and the last among them."""
    if not count:
        raise BadInput("the run has no record yet.")
    return np.unique(np.linspace(0, count - 1, min(count, MOST_RECORDS)).round().astype(np.int64))
