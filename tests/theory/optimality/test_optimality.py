"""Verdicts on KKT points of (P), VSS22's cases first, then against brute force."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.reference_optimality import better_nearby, is_better, least_anywhere
from tests.theory.optimality.layer_indices import full_layers, patch_layers
from tests.theory.optimality.optimality_cases import (
    HALF,
    paper_cases,
    perturbed,
    polished,
    random_case,
)
from workbench.theory.optimality.layered_network import LayeredNetwork
from workbench.theory.optimality.verdict import optimality

CASES = paper_cases()
ROBUST = [name for name in CASES if name != "4.2b"]


def point_of(name):
    """(network, KKT point, verdict, ‖θ~‖²) of a case."""
    network, theta, verdict, norm2, is_kkt = CASES[name]
    return network, theta if is_kkt else polished(network, theta), verdict, norm2


def contradicted(network, found, random, tries):
    """What brute force holds against a verdict, or None."""
    if found.better is not None and not all(
        is_better(network, theta, found.norm2) for theta in found.better.theta
    ):
        return "a better point is not feasible, or not of smaller norm"
    near = better_nearby(network, found.theta, random, tries)
    if found.verdict in ("global", "local") and near:
        return "better points come near"
    for layer, members in zip(found.layers, network.members, strict=False):
        free = np.isin(np.arange(network.size), members)
        if layer.better is not None and (layer.better.theta - found.theta)[:, ~free].any():
            return f"the family of layer {layer.name} moves other layers"
        near = better_nearby(network, found.theta, random, tries, free)
        if layer.verdict in ("global", "local") and near:
            return f"better points come near in layer {layer.name}"
    return None


# --- the paper's cases ---


@pytest.mark.parametrize("name", CASES)
def test_paper_cases(name):
    network, theta, verdict, norm2 = point_of(name)
    found = optimality(network, theta, starts=4)
    assert found.verdict == verdict, found.reason
    assert found.residual < 1e-12
    if norm2 is not None:
        assert found.norm2 == pytest.approx(norm2, rel=1e-13)
    assert found.bound <= found.norm2 * (1 + 1e-12)
    if verdict == "global":
        assert found.bound == pytest.approx(found.norm2, rel=1e-9)
        assert found.better is None
        assert found.ratio == 1.0
    else:
        assert found.ratio > 1.05
    if verdict == "not local":
        distances = found.better.distances
        assert (np.diff(distances) < 0).all()
        assert distances[0] > 0.05
        assert distances[-1] < 1e-5
    if found.better is not None:
        assert all(is_better(network, point, found.norm2) for point in found.better.theta)
    assert contradicted(network, found, np.random.default_rng(0), 2) is None
    json.dumps(found.as_json(), allow_nan=False)


def test_multipliers_and_far_points():
    network, theta, _, _ = point_of("3.2")
    found = optimality(network, theta)
    assert found.multipliers == pytest.approx([2, 2])
    # Both neurons at work: 4/‖x‖, and no less is possible.
    best = 4 / np.hypot(1, 0.25)
    assert found.bound == pytest.approx(best, rel=1e-9)
    assert found.ratio == pytest.approx(np.sqrt(8 / best), rel=1e-6)
    network, theta, _, _ = point_of("4.3")
    found = optimality(network, theta)
    assert found.multipliers == pytest.approx([2, 2, 1])
    assert found.better.norm2[0] <= 5.2
    assert found.better.distances[0] > 1
    network, theta, _, _ = point_of("4.2b")
    assert optimality(network, theta).bound == pytest.approx(4 * np.sqrt(2), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("3.1", ["global"] * 3),
        ("3.2", ["local", "global"]),
        ("4.1 linear", ["global"] * 2),
        ("4.2b", ["not local", "global"]),
        ("4.3", ["local", "global"]),
        ("4.4 relu", ["local", "global"]),
        ("5.1 m=4 linear", ["global"] * 4),
        ("5.1 m=3 relu", ["local", "local", "global"]),
    ],
)
def test_layers(name, verdicts):
    """Theorems 5.2 to 5.4; the last layer is convex whatever σ is."""
    network, theta, _, _ = point_of(name)
    layers = optimality(network, theta, starts=0).layers
    assert [layer.verdict for layer in layers] == verdicts
    for layer in layers:
        if layer.verdict == "global":
            assert layer.bound == pytest.approx(layer.norm2, rel=1e-9)
        if layer.verdict == "not local":
            assert layer.better.distances[-1] < 1e-5


def test_patches_too_weak_for_the_papers_family():
    """With ¼ in place of 4 the input of Theorem 4.4 makes the same KKT point a local optimum."""
    x = np.array([[0.25, HALF, -0.25, HALF]])
    for leak in (0.0, 1.0):
        network = LayeredNetwork(patch_layers(4, 2), x, np.ones(1), leak)
        theta = np.array([0, 1, HALF, HALF])
        found = optimality(network, theta)
        assert found.verdict == "local"
        assert not better_nearby(network, found.theta, np.random.default_rng(0))


# --- what is no verdict ---


def test_points_that_are_no_kkt_points_are_never_called_optimal():
    random = np.random.default_rng(3)
    seen = Counter()
    for seed in range(7):
        network, theta = random_case(seed)
        theta = theta + 0.03 * random.normal(size=len(theta))
        if network.true_margins(theta).min() <= 0:
            continue
        found = optimality(network, theta, starts=0)
        seen[found.verdict] += 1
        assert found.residual > 1e-8
        assert not {"global", "local"} & {found.verdict}
    assert seen["not local"] > 3


@pytest.mark.parametrize(
    ("tilt", "verdict"),
    [(-1e-2, "local"), (-1e-8, "undecided"), (-1e-11, "undecided"), (0.0, "not local")],
)
def test_heights_between_zero_and_clear_are_not_decided(tilt, verdict):
    """Two neurons, one sample each, whose height at the other neuron is `tilt`. Below 0 this is a local
    optimum, at 0 it is none; in between it is not told apart from 0."""
    x = np.array([[1.0, 0.0], [tilt, 1.0]])
    network = LayeredNetwork(full_layers([2, 2, 1]), x, np.ones(2), 0.0)
    size = np.linalg.norm(x, axis=1)
    w = x * size[:, None] ** -1.5
    theta = np.concatenate([w.ravel(), size**-0.5])
    assert optimality(network, theta, starts=0).verdict == verdict


def test_refusals():
    network, theta, _, _ = point_of("4.3")
    with pytest.raises(ValueError, match="margins above 0"):
        optimality(network, -theta)
    with pytest.raises(ValueError, match="6 finite parameters"):
        optimality(network, theta[:-1])


def test_cancelled_says_undecided_unless_proved():
    network, theta, _, _ = point_of("3.2")
    found = optimality(network, theta, cancel=lambda: True)
    assert found.verdict == "undecided"
    assert found.layers == ()
    network, theta, _, _ = point_of("4.2a")
    assert optimality(network, theta, cancel=lambda: True).verdict == "global"


# --- against brute force ---


def perturbed_counts(names, copies, tries):
    """name → counts of right, other, undecided, wrong over copies with moved data (Remark 3.2)."""
    table = {}
    for name in names:
        network, theta, _, _ = point_of(name)
        counts = Counter()
        for seed in range(copies):
            moved, point = perturbed(network, theta, seed)
            if point is None:
                counts["no KKT point"] += 1
                continue
            found = optimality(moved, point, starts=0, layers=False)
            why = (
                contradicted(moved, replace(found, layers=()), np.random.default_rng(seed), tries)
                if (tries)
                else None
            )
            counts["wrong" if why else found.verdict] += 1
        table[name] = counts
    return table


def random_counts(seeds, tries):
    """Counts of (verdict, what brute force says) over random networks."""
    counts, wrong = Counter(), []
    for seed in seeds:
        network, theta = random_case(seed)
        found = optimality(network, theta, starts=0)
        random = np.random.default_rng(seed)
        why = contradicted(network, found, random, tries)
        if why:
            wrong.append((seed, found.verdict, why))
        if found.bound > least_anywhere(network, tries, random) * (1 + 1e-9):
            wrong.append((seed, found.verdict, "a feasible point lies below the bound"))
        confirmed = found.verdict != "not local" or better_nearby(
            network, found.theta, random, tries
        )
        counts[found.verdict, "confirmed" if confirmed else "not seen by brute force"] += 1
    return counts, wrong


def test_perturbed_copies():
    for name, counts in perturbed_counts(ROBUST, 1, 0).items():
        assert counts == {CASES[name][2]: 1}, name


def test_random_networks():
    counts, wrong = random_counts(range(7), 1)
    assert not wrong
    assert sum(n for (verdict, _), n in counts.items() if verdict == "undecided") <= 1


@pytest.mark.full
def test_perturbed_copies_in_full():
    table = perturbed_counts(CASES, 50, 2)
    for name, counts in table.items():
        print(f"{name:18s} {dict(counts)}")  # noqa: T201
        assert not counts["wrong"]
        if name in ROBUST:
            assert counts == {CASES[name][2]: 50}, name


@pytest.mark.full
def test_random_networks_in_full():
    counts, wrong = random_counts(range(100, 150), 4)
    print(dict(counts))  # noqa: T201
    assert not wrong
