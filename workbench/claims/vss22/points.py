"""The limit points that VSS22's theorems name, and the shorter feasible points of their proofs.

Each as θ in the order of the network's parameters. Where the paper leaves something open (a common rotation
of hidden layers, the sign of a path) it is taken from the point that was reached.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from workbench.arrays import Float
from workbench.claims.exact_network import ExactNetwork
from workbench.theory.margin.svm import HardMargin, hard_margin_svm
from workbench.theory.numerics.least_distance import least_distance

Theta = Float[np.ndarray, " P"]
ROOT = float(np.sqrt(0.5))


# --- one neuron serves both samples (Theorem 3.2, Remark 3.1) ---------------------------------------


def one_neuron(network: ExactNetwork, reached: Theta) -> Theta:
    """Samples (±1, h): w_1 = (0, h^{−1/2}), v_1 = h^{−1/2}, the other neuron 0; ‖θ~‖² = 2/h."""
    del reached
    height = float(network.x[0, 1])
    return np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0]) / np.sqrt(height)


def second_neuron_helps(epsilon: float) -> Theta:
    """Proof of Theorem 3.2, C.3: ‖θ'‖² = 8 − 4ε + 17ε²/4."""
    turned = np.sqrt(2.0 * epsilon)
    return np.array([epsilon / 2.0, 2.0 - 2.0 * epsilon, -turned, 0.0, 2.0, turned])


def each_its_own(height: float) -> Theta:
    """Remark 3.1: each neuron takes one of the samples (±1, h); ‖θ'‖² = 4/√(1 + h²)."""
    size = float(np.hypot(1.0, height))
    neuron = np.array([1.0, height, -1.0, height]) / size**1.5
    return np.concatenate([neuron, [size**-0.5, size**-0.5]])


# --- depth 2 ---------------------------------------------------------------------------------------


def first_coordinate(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 4.1: w_1 = w_2 = (1, 0)."""
    del network, reached
    return np.array([1.0, 0.0, 1.0, 0.0])


def second_coordinate_helps(epsilon: float) -> Theta:
    """Proof of Theorem 4.1, C.4: ‖θ'‖² = 2 − ε."""
    return np.array([np.sqrt(1.0 - epsilon), np.sqrt(epsilon / 2.0)] * 2)


def one_a_sample(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 4.2 (2): w_j = x_j, v_j = 1."""
    del reached
    return np.concatenate([network.x.ravel(), np.ones(len(network.x))])


def turned_to_neighbours(epsilon: float) -> Theta:
    """Proof of Theorem 4.2 (2), C.5.2: ‖θ'‖² = 8 + 8ε(ε − 1)."""
    e, rest = epsilon, 1.0 - epsilon
    return np.array([e, rest, rest, -e, -e, -rest, -rest, e, 1.0, 1.0, 1.0, 1.0])


def up_and_down(network: ExactNetwork, reached: Theta) -> Theta:
    """Lemma C.6: w_1 = (0, 2), v_1 = 2, w_2 = (0, −1), v_2 = 1."""
    del network, reached
    return np.array([0.0, 2.0, 0.0, -1.0, 2.0, 1.0])


def far_from_up_and_down(share: float) -> Theta:
    """Proof of Lemma C.6: w_1 = (1, 0)/α, w_2 = (−5/4, −1)/β, between two choices of α and β.

    At 1 it is α = 2, β = 1, and only the first layer differs from the limit, as Theorem 5.4 needs it
    (‖θ'‖² = 7.8125); at 0 nearly the shortest, α² = 1, β² = 1.6 (5.2016).
    """
    alpha, beta = np.sqrt(1.0 + 3.0 * share), np.sqrt(1.6 - 0.6 * share)
    return np.array([1.0 / alpha, 0.0, -1.25 / beta, -1.0 / beta, alpha, beta])


def both_patches(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 4.4: w = (0, 1), v = (1, 1)/√2."""
    del network, reached
    return np.array([0.0, 1.0, ROOT, ROOT])


def patches_apart(epsilon: float) -> Theta:
    """Proof of Theorem 4.4, C.7: ‖θ'‖² = 2 − ε/2 + ε²."""
    half = np.sqrt(epsilon) / 2.0
    return np.array([np.sqrt(epsilon), 1.0 - epsilon, ROOT + half, ROOT - half])


def group_norm_optimum(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 4.2 (1): ‖w_k‖ = |v_k| for the u_k = v_k w_k of problem (7), min Σ‖u_k‖ s.t. margins ≥ 1.

    Solved anew by sequential quadratic programming; the signs of the v_k are the reached ones.
    """
    first, last = network.places[0], network.places[1][0]
    groups = [row[row >= 0] for row in first]
    inputs = np.zeros((len(network.x), sum(map(len, groups))))
    columns = [np.flatnonzero(row >= 0) for row in first]
    for group, seen in zip(groups, columns, strict=True):
        inputs[:, group] = network.y[:, None] * network.x[:, seen]

    def size(u: Float[np.ndarray, " p"]) -> float:
        return float(sum(np.linalg.norm(u[group]) for group in groups))

    found = minimize(
        size,
        least_distance(inputs, np.ones(len(inputs))).w,
        method="SLSQP",
        constraints=LinearConstraint(inputs, 1.0, np.inf),
        options={"ftol": 1e-15, "maxiter": 500},
    )
    goal = np.zeros_like(reached)
    for k, group in enumerate(groups):
        half = np.sqrt(np.linalg.norm(found.x[group]))
        goal[last[k]] = np.sign(reached[last[k]]) * half
        goal[group] = found.x[group] / goal[last[k]] if half > 0 else 0.0
    return goal


# --- any depth ---------------------------------------------------------------------------------------


def aligned_layers(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 3.1's proof: W_l = C v_l v_{l−1}ᵀ, v_0 = ū the hard-margin direction, C^m = 1/γ.

    The inner v_l are where the reached layers map ū to; NaN where nothing separates the samples.
    """
    svm = hard_margin_svm(network.y[:, None] * network.x)
    goal = np.full_like(reached, np.nan)
    if not isinstance(svm, HardMargin):
        return goal
    size = svm.margin ** (-1.0 / network.depth)
    before = svm.direction
    for k, place in enumerate(network.places):
        after = reached[place] @ before
        after = np.ones(1) if k == network.depth - 1 else after / np.linalg.norm(after)
        goal[place] = size * np.outer(after, before)
        before = after
    return goal


def both_coordinates(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 5.1: w_j = 2^{−1/m} (1, 1) in all m layers; ‖θ~‖² = 2m · 2^{−2/m}."""
    return np.full_like(reached, 2.0 ** (-1.0 / network.depth))


def coordinates_apart(depth: int) -> Callable[[float], Theta]:
    """Proof of Theorem 5.1, C.8: every w_j = ((1 ± ε)/2)^{1/m}."""

    def better(epsilon: float) -> Theta:
        pair = [((1.0 + s * epsilon) / 2.0) ** (1.0 / depth) for s in (1.0, -1.0)]
        return np.array(pair * depth)

    return better


def two_paths(network: ExactNetwork, reached: Theta) -> Theta:
    """Lemma C.6's samples, ReLU depth 3, the second layer active on all: C³ = 5, ‖θ~‖² = 3 · 5^{2/3}.

    Φ = Σ_k c_k σ(w_k·x) with c = w_3 W_2. Balance makes W_2 = C v u₁ᵀ and w_3 = C vᵀ for a unit v ≥ 0, and
    ‖w_k‖ = C u_k; the margins C³u_1²/4 = C³u_2² = 1 then give u = (2, 1)/√5.
    """
    return _paths(network, reached, np.array([[0.0, 2.0], [0.0, -1.0]]) / np.sqrt(5.0), 5.0)


def four_paths(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 4.2 (2)'s samples, ReLU depth 3, the second layer active on all: C³ = 4, w_k = C x_k/2."""
    return _paths(network, reached, network.x / 2.0, 4.0)


def _paths(network: ExactNetwork, reached: Theta, first: np.ndarray, cube: float) -> Theta:
    """W_1 = C · first, W_2 = C v uᵀ, w_3 = C vᵀ with u the row norms of `first`, v as reached."""
    size = cube ** (1.0 / 3.0)
    v = reached[network.places[2][0]]
    v = v / np.linalg.norm(v)
    goal = np.zeros_like(reached)
    goal[network.places[0]] = size * first
    goal[network.places[1]] = size * np.outer(v, np.linalg.norm(first, axis=1))
    goal[network.places[2][0]] = size * v
    return goal
