"""VSS22 §5: deep networks, and every layer by itself (Problem 3: (P) in one layer's weights, the others held)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from workbench.claims import vss22_points as points
from workbench.claims.claim import Claim, Measured, Size
from workbench.claims.kh24_checks import least, most
from workbench.claims.vss22 import (
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
from workbench.claims.vss22_certificates import Family, family, layer_bound, least_height
from workbench.claims.vss22_judged import (
    NOWHERE,
    families,
    family_bounds,
    same_limit,
    shorter_by_the_paper,
)
from workbench.claims.vss22_limit import LIMIT, Reached, Start
from workbench.theory.optimality import LayerVerdict

SMALL = (1e-2, 1e-5)


def _both_coordinates(
    depth: int, activation: str, loss: str, better: bool = True
) -> Start:
    """Theorem 5.1's network of that depth."""
    settings = (
        f"model.depth={depth}",
        f"model.activation={activation}",
        f"loss.kind={loss}",
        *(f"init.values.w{k}=[1.0, 1.0]" for k in range(1, depth + 1)),
    )
    return Start(
        "vss22-5.1",
        points.both_coordinates,
        2.0 * depth * 2.0 ** (-2.0 / depth),
        settings,
        f"depth {depth}, {activation}, {loss}",
        points.coordinates_apart(depth) if better else None,
        SMALL,
    )


def _deep_diagonal(size: Size) -> list[Start]:
    if size == "quick":
        cases = [(3, "relu", "exponential"), (4, "linear", "exponential")]
    else:
        cases = [
            (depth, activation, loss)
            for depth in (3, 4, 5)
            for activation in ("relu", "linear")
            for loss in ("exponential", "logistic")
        ]
    return [_both_coordinates(*case) for case in cases]


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


def _linear(size: Size) -> list[Start]:
    """With shared weights, diagonal of depth 3, and in full fully connected too."""
    loss = "logistic"
    starts = [
        Start("vss22-5.2", points.both_patches, 2.0, label="shared filter"),
        _both_coordinates(3, "linear", loss, better=False),
    ]
    if size == "full":
        starts += [
            Start("vss22-5.2", points.both_patches, 2.0, ("loss.kind=exponential",), "exponential"),
            _both_coordinates(5, "linear", "exponential", better=False),
            Start("vss22-3.1", points.aligned_layers, label="fully connected"),
            Start("vss22-4.1", points.first_coordinate, 2.0, label="a coordinate at 0"),
        ]
    return starts


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


def _cross(size: Size) -> list[Start]:
    losses = ("logistic",) if size == "quick" else ("logistic", "exponential")
    better = points.turned_to_neighbours
    return [
        Start(
            "vss22-5.3", points.one_a_sample, 8.0, (f"loss.kind={loss}",), loss, better, SMALL
        )
        for loss in losses
    ]


# --- Theorem 5.4 -------------------------------------------------------------------------------------

LATER = "layer 2 on"
"""Label of the start whose first layer has samples on kinks."""
CROSS_DEPTH_3 = (
    "data.x=[[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]]",
    "data.y=[1.0, 1.0, 1.0, 1.0]",
    "model.widths=[4, 2]",
    "init.values.w1=[[0.0, 2.0], [2.0, 0.0], [0.0, -2.0], [-2.0, 0.0]]",
    "init.values.w2=[[1.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]]",
    "init.values.w3=[[1.0, 0.5]]",
    "train.gate_width=0.0",
)


def _relu(size: Size) -> list[Start]:
    """Lemma C.6 of depth 2, the same samples and Theorem 4.2 (2)'s with depth 3, diagonal of depth 3."""
    starts = [
        Start(
            "vss22-4.3",
            points.up_and_down,
            10.0,
            label="depth 2",
            better=points.far_from_up_and_down,
            small=(1.0,),
        ),
        Start("vss22-5.4", points.two_paths, 3.0 * 5.0 ** (2.0 / 3.0), label="depth 3"),
        Start("vss22-5.4", points.four_paths, 3.0 * 4.0 ** (2.0 / 3.0), CROSS_DEPTH_3, LATER),
    ]
    if size == "full":
        starts += [
            _both_coordinates(depth, "relu", loss, better=False)
            for depth, loss in ((3, "exponential"), (4, "logistic"))
        ]
    return starts


def _first_layer(reached: Reached) -> int:
    """The layer (0-based) from which on no pre-activation is 0."""
    return 1 if reached.start.label == LATER else 0


def relu_measure(reached: Sequence[Reached]) -> Measured:
    """Local per layer; and Lemma C.6's first layer, for which the proof has a far shorter one."""
    found = layers_measure("local", "global", first=_first_layer)(reached)
    lemma = [r for r in reached if r.start.better is not None]
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
        experiment=experiment_of("VSS22-T5.1", _deep_diagonal),
        measure=non_zero(
            not_local_measure,
            HEIGHT,
            lambda r: float("nan")
            if r.polished is None
            else least_height(r.network, r.polished.theta),
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
        experiment=experiment_of("VSS22-T5.2", _linear),
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
        experiment=experiment_of("VSS22-T5.3", _cross),
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
        experiment=experiment_of("VSS22-T5.4", _relu),
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
