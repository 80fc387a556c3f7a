"""Where VSS22's theorems start, and the limit points they name: THEOREM → starts, in a quick and a full size.

Quick is the preset (and, where the theorem speaks of several networks, one of each); full adds losses,
depths, seeds and random starts that fulfil the theorem's conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Float
from workbench.claims.claim import Size
from workbench.claims.exact_network import ExactNetwork
from workbench.claims.vss22 import points as points
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

Target = Callable[[ExactNetwork, Float[np.ndarray, " P"]], Float[np.ndarray, " P"]]
"""The limit point θ~ that a theorem names. What the theorem leaves open (a common rotation of hidden layers)
is taken from the polished point, the second argument."""
Better = Callable[[float], Float[np.ndarray, " P"]]
"""The paper's own feasible point of smaller norm, by how small its ε is."""

LOSSES = ("exponential", "logistic")


@dataclass(frozen=True)
class Start:
    """A preset with settings; the limit point its theorem names, and that point's ‖θ~‖².

    `better`: the paper's shorter points, for ε in `small`.
    """

    preset: str
    target: Target
    norm2: float = float("nan")
    settings: tuple[str, ...] = ()
    label: str = ""
    better: Better | None = None
    small: tuple[float, ...] = ()

    def config(self, claim: str) -> RunConfig:
        """The configuration, named for the claim."""
        name = f"{claim} {self.label}".strip()
        settings = [f'name="{name}"', "device.kind=cpu", "record.theta=true", *self.settings]
        return parse_config(override(read_preset(self.preset), settings), claim)


def _each(start: Start, losses: Sequence[str], key: str = "", *values: str) -> list[Start]:
    """The start with every value of a setting and every loss."""
    found = []
    for value in values or ("",):
        for loss in losses:
            settings = [f"loss.kind={loss}", *([f"{key}={value}"] if key else [])]
            label = ", ".join(part for part in (value, loss) if part)
            found.append(replace(start, settings=(*start.settings, *settings), label=label))
    return found


def _losses(size: Size, quick: str = "exponential") -> Sequence[str]:
    return (quick,) if size == "quick" else LOSSES


# --- depth 2 and fully connected -----------------------------------------------------------------------


def deep_linear(size: Size) -> list[Start]:
    """Theorem 3.1: depth 3, in full also 2 and 4, and other samples."""
    first = Start("vss22-3.1", points.aligned_layers)
    if size == "quick":
        return [first]
    cases = ((2, 2, "exponential"), (3, 3, "exponential"), (4, 4, "logistic"))
    return [first] + [
        replace(
            first,
            settings=(f"model.depth={depth}", f"data.seed={seed}", f"loss.kind={loss}"),
            label=f"depth {depth}, seed {seed}",
        )
        for depth, seed, loss in cases
    ]


ONE_NEURON = Start(
    "vss22-3.2",
    points.one_neuron,
    8.0,
    better=points.second_neuron_helps,
    small=(1e-2, 1e-6, 1e-10),
)


def one_neuron(size: Size) -> list[Start]:
    """Theorem 3.2: the preset; in full also random starts that fulfil the theorem's conditions."""
    starts = [ONE_NEURON]
    rng = np.random.default_rng(0)
    while size == "full" and len(starts) < 7:
        u, v = rng.standard_normal((2, 2)), rng.standard_normal(2)
        heights = u @ np.array([[1.0, -1.0], [0.25, 0.25]])
        if (heights[0] > 0).all() and (heights[1] < 0).all() and v[0] > 0:
            settings = (
                f"init.values.u={u.tolist()}",
                f"init.values.v={v.tolist()}",
                f"loss.kind={LOSSES[len(starts) % 2]}",
            )
            starts.append(replace(ONE_NEURON, settings=settings, label=f"start {len(starts)}"))
    return starts


def flat_samples(size: Size) -> list[Start]:
    """Remark 3.1: samples (±1, h) with h → 0."""
    parts = (4, 64) if size == "quick" else (4, 16, 64, 256, 1024)
    return [_flat(1.0 / part, f"h = 1/{part}") for part in parts]


def _flat(height: float, label: str) -> Start:
    return Start(
        "vss22-r3.1",
        points.one_neuron,
        2.0 / height,
        (f"data.x=[[1.0, {height}], [-1.0, {height}]]",),
        label,
        lambda epsilon: points.each_its_own(height),
        (0.0,),
    )


def diagonal(size: Size) -> list[Start]:
    """Theorem 4.1, linear and ReLU."""
    better, small = points.second_coordinate_helps, (1e-2, 1e-6, 1e-9)
    start = Start("vss22-4.1", points.first_coordinate, 2.0, better=better, small=small)
    return _each(start, _losses(size), "model.activation", "linear", "relu")


def sparse(size: Size) -> list[Start]:
    """Theorem 4.2 (1)."""
    return _each(Start("vss22-4.2a", points.group_norm_optimum), _losses(size, "logistic"))


def _cross(preset: str) -> Start:
    better = points.turned_to_neighbours
    return Start(preset, points.one_a_sample, 8.0, better=better, small=(1e-2, 1e-5))


def cross(size: Size) -> list[Start]:
    """Theorem 4.2 (2)."""
    return _each(_cross("vss22-4.2b"), _losses(size))


UP_AND_DOWN = Start(
    "vss22-4.3",
    points.up_and_down,
    10.0,
    better=points.far_from_up_and_down,
    small=(1.0, 0.0),
)


def kinkless(size: Size) -> list[Start]:
    """Theorem 4.3, Lemma C.6."""
    return _each(UP_AND_DOWN, _losses(size, "logistic"))


def patches(size: Size) -> list[Start]:
    """Theorem 4.4, ReLU and linear."""
    better, small = points.patches_apart, (1e-2, 1e-6, 1e-9)
    start = Start("vss22-4.4", points.both_patches, 2.0, better=better, small=small)
    return _each(start, _losses(size), "model.activation", "relu", "linear")


# --- deep, and layer by layer ----------------------------------------------------------------------------


def _both_coordinates(depth: int, activation: str, loss: str) -> Start:
    """Theorem 5.1's network of that depth."""
    return Start(
        "vss22-5.1",
        points.both_coordinates,
        2.0 * depth * 2.0 ** (-2.0 / depth),
        (
            f"model.depth={depth}",
            f"model.activation={activation}",
            f"loss.kind={loss}",
            *(f"init.values.w{k}=[1.0, 1.0]" for k in range(1, depth + 1)),
        ),
        f"depth {depth}, {activation}, {loss}",
        points.coordinates_apart(depth),
        (1e-2, 1e-5),
    )


def deep_diagonal(size: Size) -> list[Start]:
    """Theorem 5.1: ReLU of depth 3, linear of depth 4; in full depths 3 to 5."""
    if size == "quick":
        cases = [(3, "relu", "exponential"), (4, "linear", "exponential")]
    else:
        kinds = ("relu", "linear")
        cases = [(d, kind, loss) for d in (3, 4, 5) for kind in kinds for loss in LOSSES]
    return [_both_coordinates(*case) for case in cases]


def linear_layers(size: Size) -> list[Start]:
    """Theorem 5.2: a shared filter, diagonal of depth 3; in full others, and fully connected."""
    shared = Start("vss22-5.2", points.both_patches, 2.0, label="shared filter")
    starts = [shared, _both_coordinates(3, "linear", "logistic")]
    if size == "full":
        starts += [
            *_each(shared, LOSSES[:1]),
            _both_coordinates(5, "linear", "exponential"),
            replace(deep_linear("quick")[0], label="fully connected"),
            Start("vss22-4.1", points.first_coordinate, 2.0, label="a coordinate at 0"),
        ]
    return starts


def first_layer(size: Size) -> list[Start]:
    """Theorem 5.3."""
    return _each(_cross("vss22-5.3"), _losses(size, "logistic"))


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


def relu_layers(size: Size) -> list[Start]:
    """Theorem 5.4: Lemma C.6 of depth 2, its samples and Theorem 4.2 (2)'s with depth 3; in full diagonal
    networks too."""
    starts = [
        replace(UP_AND_DOWN, label="depth 2", small=(1.0,)),
        Start("vss22-5.4", points.two_paths, 3.0 * 5.0 ** (2.0 / 3.0), label="depth 3"),
        Start("vss22-5.4", points.four_paths, 3.0 * 4.0 ** (2.0 / 3.0), CROSS_DEPTH_3, LATER),
    ]
    if size == "full":
        starts += [
            _both_coordinates(3, "relu", "exponential"),
            _both_coordinates(4, "relu", "logistic"),
        ]
    return starts


STARTS: dict[str, Callable[[Size], list[Start]]] = {
    "VSS22-T3.1": deep_linear,
    "VSS22-T3.2": one_neuron,
    "VSS22-R3.1": flat_samples,
    "VSS22-T4.1": diagonal,
    "VSS22-T4.2a": sparse,
    "VSS22-T4.2b": cross,
    "VSS22-T4.3": kinkless,
    "VSS22-T4.4": patches,
    "VSS22-T5.1": deep_diagonal,
    "VSS22-T5.2": linear_layers,
    "VSS22-T5.3": first_layer,
    "VSS22-T5.4": relu_layers,
}
"""By the claim's id; Theorem 6.1 has no limit of (P)."""
