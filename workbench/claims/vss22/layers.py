"""VSS22 §5: deep networks, and every layer by itself.

Problem 3 is (P) in one layer's weights, the others held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from workbench.claims.checks import least, most
from workbench.claims.claim import Claim, Measured
from workbench.claims.vss22.certificates import Family, family, layer_bound, least_height
from workbench.claims.vss22.judged import (
    NOWHERE,
    families,
    family_bounds,
    same_limit,
    shorter_by_the_paper,
)
from workbench.claims.vss22.limit import LIMIT, Reached
from workbench.claims.vss22.starts import LATER
from workbench.claims.vss22.theorems import (
    HEIGHT,
    NOT_LOCAL_BOUNDS,
    PAPER,
    VERDICT,
    criterion_of,
    experiment_of,
    non_zero,
    not_local_measure,
    not_zero,
    over,
)
from workbench.theory.optimality.verdict import LayerVerdict

# --- one layer at a time -------------------------------------------------------------------------


def layers_of(reached: Reached, first: int = 0) -> Iterator[tuple[int, LayerVerdict | None]]:
    """Layers from `first` (0-based) on, each with its verdict, None where there is none."""
    verdicts = () if reached.verdict is None else reached.verdict.layers
    for index in range(first, reached.network.depth):
        yield index, verdicts[index] if index < len(verdicts) else None


def _layer_norm2_over_bound(reached: Reached, index: int) -> float:
    polished = reached.polished
    if polished is None:
        return float("nan")
    u = polished.theta[reached.network.layer(index)]
    bound = layer_bound(reached.network, polished.theta, polished.multipliers, index)
    return over(float(u @ u), bound)


def _shorter_layer(reached: Reached, index: int) -> Family:
    """The layer's better points, the rest of θ~ held, exactly; the norm is the whole θ's."""
    verdict = dict(layers_of(reached)).get(index)
    if verdict is None or verdict.better is None or reached.goal is None:
        return NOWHERE
    rows = np.asarray(verdict.better.theta)
    held = np.setdiff1d(np.arange(reached.network.size), reached.network.layer(index))
    if not np.allclose(rows[:, held], reached.goal[held], rtol=0.0, atol=LIMIT):
        return NOWHERE
    return family(reached.network, rows.tolist(), reached.goal, reached.start.norm2)


def layers_measure(
    *verdicts: str, first: Callable[[Reached], int] = lambda reached: 0
) -> Callable[[Sequence[Reached]], Measured]:
    """The limit; per layer the verdict, and ‖u‖² over Problem 3's dual bound."""

    def measure(reached: Sequence[Reached]) -> Measured:
        layers = [(r, k, found) for r in reached for k, found in layers_of(r, first(r))]
        wrong = sum(found is None or found.verdict not in verdicts for _, _, found in layers)
        names = " or ".join(f"'{verdict}'" for verdict in verdicts)
        together = [r.verdict.verdict if r.verdict is not None else "none" for r in reached]
        return Measured(
            {
                **same_limit(reached),
                f"layers with another verdict than {names}": float(wrong),
                "‖u‖² over its layer's bound, largest": most(
                    _layer_norm2_over_bound(r, k) for r, k, _ in layers
                ),
            },
            {
                "layers": float(len(layers)),
                "limits that are no local optimum of (P)": float(together.count("not local")),
            },
        )

    return measure


def first_layer_measure(reached: Sequence[Reached]) -> Measured:
    """The limit; the first layer's verdict, its shorter points and the proof's."""
    verdicts = [next(layers_of(r))[1] for r in reached]
    return Measured(
        {
            **same_limit(reached),
            "first layers with another verdict than 'not local'": float(
                sum(found is None or found.verdict != "not local" for found in verdicts)
            ),
            **families(VERDICT, [_shorter_layer(r, 0) for r in reached]),
            **families(PAPER, [shorter_by_the_paper(r) for r in reached]),
        }
    )


# --- Theorem 5.4 -------------------------------------------------------------------------------------


def _first_layer(reached: Reached) -> int:
    """The layer (0-based) from which on no pre-activation is 0."""
    return 1 if reached.start.label == LATER else 0


def relu_measure(reached: Sequence[Reached]) -> Measured:
    """Local per layer; and Lemma C.6's first layer, for which the proof has a far shorter one."""
    found = layers_measure("local", "global", first=_first_layer)(reached)
    lemma = [r for r in reached if r.start.preset == "vss22-4.3"]
    paper = [shorter_by_the_paper(r) for r in lemma]
    kept = [_changed_outside(r, 0) for r in lemma]
    return Measured(
        {
            **found.quantities,
            HEIGHT: least(
                least_height(r.network, r.polished.theta, _first_layer(r))
                if r.polished is not None
                else float("nan")
                for r in reached
            ),
            f"{PAPER}: 1 − least margin": most(f.infeasible for f in paper),
            f"{PAPER}: ‖θ'‖² over the limit's, largest": most(f.ratio for f in paper),
            f"{PAPER}: change outside the first layer": most(kept),
        },
        found.observed,
    )


def _changed_outside(reached: Reached, index: int) -> float:
    """Largest change of a weight outside a layer between the limit and the proof's point."""
    start, network = reached.start, reached.network
    if reached.goal is None or start.better is None:
        return float("nan")
    held = np.setdiff1d(np.arange(network.size), network.layer(index))
    apart = [np.abs(np.array(start.better(e)) - reached.goal)[held].max() for e in start.small]
    return float(max(apart))


CLAIMS = (
    Claim(
        id="VSS22-T5.1",
        paper="VSS22",
        place="Theorem 5.1",
        statement="A diagonal network of depth 3 or more, linear or ReLU, can end in a KKT point that is no "
        "local optimum, though every pre-activation is non-zero.",
        method="Preset vss22-5.1: ReLU of depth 3, linear of depth 4; in full depths 3 to 5, both, and both "
        "losses.",
        experiment=experiment_of("VSS22-T5.1"),
        measure=non_zero(
            not_local_measure,
            HEIGHT,
            lambda r: (
                float("nan") if r.polished is None else least_height(r.network, r.polished.theta)
            ),
        ),
        criterion=criterion_of(*NOT_LOCAL_BOUNDS, not_zero(HEIGHT)),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T5.2",
        paper="VSS22",
        place="Theorem 5.2, Problem 3",
        statement="In the limit of a linear network of any depth, shared weights allowed, each layer by "
        "itself is a global optimum.",
        method="Preset vss22-5.2 (a shared filter), a diagonal network of depth 3, in full five more; the "
        "bound is the dual of the layer's convex problem.",
        experiment=experiment_of("VSS22-T5.2"),
        measure=layers_measure("global"),
        criterion=criterion_of(
            ("layers with another verdict than 'global'", "=", 0.0, ""),
            ("‖u‖² over its layer's bound, largest", "≤", 1.0 + LIMIT, ""),
        ),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T5.3",
        paper="VSS22",
        place="Theorem 5.3, Problem 3",
        statement="In the limit of a ReLU network of depth 2 the first layer by itself need not be a local "
        "optimum.",
        method="Preset vss22-5.3; in full both losses.",
        experiment=experiment_of("VSS22-T5.3"),
        measure=first_layer_measure,
        criterion=criterion_of(
            ("first layers with another verdict than 'not local'", "=", 0.0, ""),
            *family_bounds(VERDICT),
            *family_bounds(PAPER),
        ),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T5.4",
        paper="VSS22",
        place="Theorem 5.4, Problem 3",
        statement="In the limit of a ReLU network of any depth a layer from which on no pre-activation is 0 "
        "is by itself a local optimum, and need not be a global one.",
        method="Presets vss22-4.3 and vss22-5.4, and Theorem 4.2 (2)'s samples with depth 3, where the "
        "condition holds from layer 2 on; in full diagonal networks too.",
        experiment=experiment_of("VSS22-T5.4"),
        measure=relu_measure,
        criterion=criterion_of(
            ("layers with another verdict than 'local' or 'global'", "=", 0.0, ""),
            ("‖u‖² over its layer's bound, largest", "≤", 1.0 + LIMIT, ""),
            not_zero(HEIGHT),
            (f"{PAPER}: 1 − least margin", "=", 0.0, ""),
            (f"{PAPER}: ‖θ'‖² over the limit's, largest", "<", 1.0, ""),
            (f"{PAPER}: change outside the first layer", "≤", LIMIT, ""),
        ),
        figure="optimality",
    ),
)
