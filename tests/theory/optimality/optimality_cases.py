"""VSS22's cases of Problem (1), and random small networks with a KKT point each."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from workbench.theory.margin.descent import begin, descend
from workbench.theory.margin.polish import polish
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.optimality.layered_network import (
    LayeredNetwork,
    diagonal_layers,
    full_layers,
    masked_layers,
    patch_layers,
)

HALF = 2.0**-0.5
CROSS = [[0, 1], [1, 0], [0, -1], [-1, 0]]


def _network(index, x, leak, theta):
    x = np.array(x, dtype=float)
    return LayeredNetwork(index, x, np.ones(len(x)), leak), np.array(theta, dtype=float)


def _two_layers(x, w, v):
    w = np.array(w, dtype=float)
    index = full_layers([w.shape[1], len(w), 1])
    return _network(index, x, 0.0, np.concatenate([w.ravel(), v]))


def _linear_start(seed):
    """Three fully connected linear layers; a point on the way, to be polished."""
    random = np.random.default_rng(seed)
    x = [[1.0, 0.25], [1.0, -0.5], [2.0, 0.3]]
    return _network(full_layers([2, 3, 2, 1]), x, 1.0, np.abs(random.normal(size=14)))


def paper_cases():
    """name → (network, θ, verdict, ‖θ~‖², whether it is a KKT point without polishing)."""
    sparse = masked_layers([np.array([[1, 1, 0], [0, 1, 1]], bool), np.ones((1, 2), bool)])
    found = {
        "3.1": (*_linear_start(0), "global", None, False),
        "3.2": (
            *_two_layers([[1, 0.25], [-1, 0.25]], [[0, 2], [0, 0]], [2, 0]),
            "not local",
            8.0,
            True,
        ),
        "4.2a": (
            *_network(sparse, [[1, 0.25, 0.3], [1, -0.5, 1]], 1.0, [0.3, 0.2, 0.1, 0.4, 0.5, 0.2]),
            "global",
            None,
            False,
        ),
        "4.2b": (*_two_layers(CROSS, CROSS, [1, 1, 1, 1]), "not local", 8.0, True),
        "4.3": (
            *_two_layers([[1, 0.25], [-1, 0.25], [0, -1]], [[0, 2], [0, -1]], [2, 1]),
            "local",
            10.0,
            True,
        ),
    }
    for name, leak in (("linear", 1.0), ("relu", 0.0)):
        found[f"4.1 {name}"] = (
            *_network(diagonal_layers(2, 2), [[1, 2]], leak, [1, 0, 1, 0]),
            "not local",
            2.0,
            True,
        )
        # The paper's input is (4, 1/√2, −4, 1/√2): with ¼ for 4 its family is not feasible.
        found[f"4.4 {name}"] = (
            *_network(patch_layers(4, 2), [[4, HALF, -4, HALF]], leak, [0, 1, HALF, HALF]),
            "not local",
            2.0,
            True,
        )
        for m in (3, 4):
            found[f"5.1 m={m} {name}"] = (
                *_network(diagonal_layers(2, m), [[1, 1]], leak, np.full(2 * m, 2.0 ** (-1 / m))),
                "not local",
                2 * m * 2.0 ** (-2 / m),
                True,
            )
    return found


def polished(network, theta):
    """The KKT point near θ, or near where descent from it leads; None where there is none."""
    for _ in range(2):
        q = network.true_margins(theta)
        if not q.min() > 0:
            return None
        rows = network.rows(theta, network.gates(theta), network.samples)
        start = MarginPoint.at(theta, q, rows, network.order)
        point = polish(network, start)
        if point.outcome.converged:
            return point.theta
        at = begin(network, start.theta)
        for _ in range(40):
            at = descend(network, at) or at
        theta = at.face.theta
    return None


def perturbed(network, theta, seed, size=1e-2):
    """The network on data moved by `size`, and the KKT point near the old one (Remark 3.2)."""
    random = np.random.default_rng(seed)
    moved = replace(network, x=network.x + size * random.normal(size=network.x.shape))
    return moved, polished(moved, theta)


@cache
def random_case(seed):
    """A small network of a random kind with random data, and a KKT point of it."""
    random = np.random.default_rng(seed)
    kind = seed % 7
    n, d, width = int(random.integers(2, 5)), int(random.integers(2, 4)), int(random.integers(2, 5))
    leak = float(random.choice([0.0, 0.0, 0.2, 1.0]))
    if kind in (0, 1):
        index, leak = full_layers([d, width, 1]), (0.0 if kind else leak)
    elif kind == 2:
        index = diagonal_layers(d, 2 + seed // 7 % 2)
    elif kind == 3:
        masks = [random.random((width, d)) < 0.6, np.ones((1, width), bool)]
        masks[0][np.arange(width), random.integers(0, d, width)] = True
        index = masked_layers(masks)
    elif kind == 4:
        d, index = 4, patch_layers(4, 2)
    elif kind == 5:
        index, leak = full_layers([d, 2, 2, 1]), 1.0
    else:
        index, leak = full_layers([d, 3, 2, 1]), (0.0 if leak == 1.0 else leak)
    for _ in range(200):
        plain = LayeredNetwork(index, random.normal(size=(n, d)), np.ones(n), leak)
        theta = random.normal(size=plain.size)
        # Labels are those of the random network itself, so that it separates.
        network = replace(plain, y=np.where(plain.true_margins(theta) < 0, -1.0, 1.0))
        found = polished(network, theta)
        if found is not None:
            return network, found
    raise AssertionError(f"no KKT point for seed {seed}")
