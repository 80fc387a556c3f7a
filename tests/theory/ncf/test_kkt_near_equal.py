"""Near-equal inputs: every list that says it is complete is compared with rational arithmetic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from tests import reference_kkt as ref
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.kkt_cells import kkt_cells
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
LEAKS = (0.0, 0.1, 0.5, -0.5)


@dataclass(frozen=True)
class Instance:
    """Seeded data with near-duplicates and near-antipodes."""

    x: np.ndarray
    z: np.ndarray
    kind: NeuronKind
    leak: float


def near(rng, x):
    """A copy of an input: exact, in float32, or turned by 1e-6 to 1e-14 rad; or the antipode of that."""
    how = rng.integers(0, 5)
    if how == 0:
        copy = x.astype(np.float32).astype(float)
    elif how == 1:
        copy = 2.0 ** rng.integers(-2, 3) * x
    else:
        aside = rng.normal(size=len(x))
        aside -= (aside @ x) / (x @ x) * x
        aside *= np.linalg.norm(x) / np.linalg.norm(aside)
        copy = rng.choice([1.0, 1.0, 0.3, 50.0]) * (x + 10.0 ** -rng.integers(6, 15) * aside)
    return copy if rng.random() < 0.5 else -copy


def instance(seed: int, d: int) -> Instance:
    """Data of norms 1 or, for every other seed, 0.1 to 4,000; labels normal, ±1, or cancelling."""
    rng = np.random.default_rng([20, d, seed])
    base = rng.normal(size=(rng.integers(d, d + 2), d))
    if seed % 2:
        base *= 10 ** rng.uniform(-1, 3.6, size=(len(base), 1)) / np.linalg.norm(
            base, axis=1, keepdims=True
        )
    labels = rng.normal(size=len(base)) if seed % 3 else rng.choice([-1.0, 1.0], len(base))
    rows, values = list(base), list(labels)
    for _ in range(rng.integers(1, {2: 9, 3: 6, 4: 4}[d])):
        i = rng.integers(len(base))
        rows.append(near(rng, base[i]))
        values.append(rng.choice([labels[i], -labels[i], rng.normal()]))
    kind = SQUARED if seed // 2 % 2 else TWO_LAYER
    return Instance(np.array(rows), np.array(values), kind, LEAKS[seed // 4 % 4])


def lattice(seed: int, d: int) -> Instance:
    """Small integers: many planes in one line, eigenspaces, cancelling sums; some nearly equal, or scaled."""
    rng = np.random.default_rng([21, d, seed])
    n = int(rng.integers(2, d + 4))
    x = rng.integers(-2, 3, size=(n, d)).astype(float)
    z = rng.integers(-2, 3, size=n).astype(float)
    if seed % 4 == 1:
        aside = rng.integers(-1, 2, size=x[:2].shape)
        x, z = np.vstack([x, x[:2] + 10.0 ** -rng.integers(8, 15) * aside]), np.append(z, -z[:2])
    elif seed % 4 == 2:
        x = x * 10.0 ** rng.integers(-3, 4, size=(n, 1))
        x, z = np.vstack([x, -x[:2]]), np.append(z, rng.choice([-1.0, 1.0], len(z[:2])) * z[:2])
    elif seed % 4 == 3:
        x, z = np.vstack([x, [x[0] + x[-1]], [3.3 * x[0]]]), np.append(z, [1.0, -z[0] / 3.3])
    kind = SQUARED if rng.random() < 0.6 else TWO_LAYER
    return Instance(x, z, kind, (*LEAKS, 1.0)[int(rng.integers(5))])


def faults(data: Instance, found) -> list[str]:
    """What is wrong with a list that says it is complete; `Ambiguous` where the reference cannot tell."""
    slow = ref.squared if data.kind is SQUARED else ref.two_layer
    answer = slow(data.x, data.z, data.leak)
    degree = 2 if data.kind is SQUARED else 1
    scale = np.abs(data.z) @ np.linalg.norm(data.x, axis=1) ** degree
    poles = [p for p in found.points if data.kind is TWO_LAYER and not p.direction[1:].any()]
    crossings = [p for p in found.points if is_crossing(p, data)]
    left = [p for p in found.points if p.kind != "flat" and p not in crossings]
    if answer.poles is None:
        left = [p for p in left if p not in poles]
    wrong = []
    for point in answer.points:
        direction = np.array([float(v) for v in point.direction])
        same = [p for p in left if np.abs(p.direction - direction).max() < 1e-15]
        right = [p for p in same if p.kind == point.kind]
        if not right:
            wrong.append(f"missing {point.kind} at {direction}, listed {[p.kind for p in same]}")
            continue
        left.remove(right[0])
        if abs(right[0].value - float(point.value)) > 1e-14 * scale:
            wrong.append(f"value {right[0].value}, not {float(point.value)}")
    wrong += [f"invented {p.kind} at {p.direction}" for p in left]
    wrong += [f"residual {p.residual}" for p in found.points if not p.residual < 1e-14]
    zero_sets = len([p for p in found.of_kind("flat") if p.extent.shape == "zero-set"])
    flat = len(found.of_kind("flat")) - zero_sets
    if flat != answer.flat:
        wrong.append(f"{flat} flat sets, not {answer.flat}")
    if answer.zero_set != bool(zero_sets or crossings):
        wrong.append(f"changes sign: {answer.zero_set}")
    return wrong


def is_crossing(point, data: Instance) -> bool:
    """d = 2: a direction (0, u) where g changes sign, listed by itself."""
    return data.kind is TWO_LAYER and point.kind == "saddle" and point.direction[0] == 0


def hunt(make, seeds, d: int) -> Counter:
    """Counts of tried instances, complete lists, wrong ones, and such that could not be compared."""
    counts: Counter = Counter()
    for seed in seeds:
        data = make(seed, d)
        found = kkt_points(Ncf(data.x, data.z, data.kind, data.leak), starts=16)
        counts["tried"] += 1
        if not found.complete:
            counts["not complete"] += 1
            continue
        counts["complete"] += 1
        if not (data.x.any(axis=1) & (data.z != 0)).any() or "cancel" in found.reason:
            counts["not compared"] += 1
            continue
        try:
            wrong = faults(data, found)
        except ref.Ambiguous:
            counts["not compared"] += 1
            continue
        counts["wrong"] += bool(wrong)
        assert not wrong, (d, seed, wrong)
    return counts


HUNTS = [
    (instance, 2, range(24)),
    (instance, 3, range(12)),
    (instance, 4, range(3)),
    (lattice, 2, range(24)),
    (lattice, 3, range(12)),
    (lattice, 4, range(4)),
]
LONG_HUNTS = [
    (instance, 2, range(1000, 1300)),
    (instance, 3, range(1000, 1200)),
    (instance, 4, range(1000, 1100)),
    (lattice, 2, range(1000, 1300)),
    (lattice, 3, range(1000, 1200)),
    (lattice, 4, range(1000, 1100)),
]


def check_hunt(make, d, seeds, record_property):
    """No list says wrongly that it is complete; the reference gives up on few."""
    counts = hunt(make, seeds, d)
    record_property("counts", dict(counts))
    assert counts["complete"] == counts["tried"] == len(seeds)
    assert counts["not compared"] <= len(seeds) * (0.1 if make is instance else 0.4)


@pytest.mark.parametrize(("make", "d", "seeds"), HUNTS)
def test_complete_lists_are_right_where_inputs_are_nearly_equal(make, d, seeds, record_property):
    check_hunt(make, d, seeds, record_property)


@pytest.mark.full
@pytest.mark.parametrize(("make", "d", "seeds"), LONG_HUNTS)
def test_twelve_hundred_complete_lists_are_right(make, d, seeds, record_property):
    check_hunt(make, d, seeds, record_property)


def listed(data: Instance):
    """A complete list that agrees with the reference."""
    found = kkt_points(Ncf(data.x, data.z, data.kind, data.leak))
    assert found.complete
    assert found.reason == "every cell was examined in exact arithmetic"
    assert faults(data, found) == []
    return found


def highest(found) -> list[float]:
    """Values of the maxima, falling."""
    return [p.value for p in found.of_kind("max")]


FLOAT32 = [
    [0.19130646797818363, -1.1151635023550714, -0.48937110829442093],
    [-1.8812543771198618, -0.35513810060495504, -0.3089210033508264],
    [0.5942167174032075, -0.6518837891456248, 0.9656560786375382],
    [0.6718170714745371, -0.37440964671684807, -0.010615583786063561],
]
FLOAT32_LABELS = [
    -0.35719906203247576,
    -0.17627452866468105,
    -0.5440371443292599,
    -1.0133281976322175,
]


def test_inputs_beside_their_float32_copies():
    """Four inputs and their roundings: once a singular matrix."""
    x = np.array(FLOAT32)
    data = Instance(
        np.vstack([x, x.astype(np.float32).astype(float)]),
        np.array(2 * FLOAT32_LABELS),
        TWO_LAYER,
        0.0,
    )
    found = listed(data)
    assert highest(found) == pytest.approx([1.5961689999465711, 0.5782214097970091], rel=1e-12)


NINE_DIGITS = [
    [-0.12040253515882449, 0.6449835298910125, -0.45464839925770023],
    [0.5981536817096281, -0.2716369809051092, -0.401935700655738],
    [0.10711113768361029, 0.3789922537218471, -1.3443832772445252],
    [-1.4471773073208933, 0.20568685533172576, -0.03210219655069302],
    [-0.12040253710582251, 0.644983528263676, -0.4546483999785103],
    [0.5981536820430303, -0.27163698068369313, -0.4019356996559076],
    [0.10711113884289448, 0.37899225604187964, -1.3443832786168852],
    [-1.4471773073346785, 0.20568685638894435, -0.032102197742159895],
    [0.12040253381818355, -0.6449835296741958, 0.45464840034538856],
    [-0.5981536804689729, 0.27163697920729146, 0.40193569950392344],
]
NINE_DIGITS_LABELS = [
    -0.06735824086173853,
    -0.4867784758753965,
    0.33945675195516584,
    0.15675535674547536,
    1.7359110240682145,
    -0.03344245520836803,
    0.20497274176700866,
    0.1019629089537021,
    1.1016439719371758,
    -1.0495768502805989,
]


def test_the_highest_maximum_between_near_copies_is_found():
    """Copies and antipodes 1e-9 apart: max N is 1.0356, and no direction is zero."""
    found = listed(Instance(np.array(NINE_DIGITS), np.array(NINE_DIGITS_LABELS), TWO_LAYER, 0.0))
    top = found.points[0]
    assert top.value == pytest.approx(1.0355917966021488, rel=1e-12)
    assert np.sqrt(2) * top.direction[1:] == pytest.approx([-0.2157, 0.6295, -0.7465], abs=1e-4)
    assert all(np.linalg.norm(p.direction) == pytest.approx(1.0) for p in found.points)


TEN_DIGITS = [
    [1.7920413979376701, -0.225408410929155, 0.057759689854807485],
    [-0.2623107580602779, 0.7974582055588898, -2.1079932791879634],
    [-1.4305156154425867, -0.2600786165130346, 0.9074793656278695],
    [0.6277872523208214, -0.7818407250866336, 1.6447612466959614],
    [1.7920413979527552, -0.22540841098766073, 0.057759689912045914],
    [-0.2623107579255303, 0.7974582055564313, -2.1079932793355627],
    [-1.4305156154933683, -0.26007861649923153, 0.9074793657264889],
    [0.6277872522250136, -0.7818407250557541, 1.644761246582016],
    [-1.7920413979253396, 0.2254084108004712, -0.0577596898964597],
    [0.2623107579125222, -0.7974582056521837, 2.1079932790334786],
]
TEN_DIGITS_LABELS = [
    -1.9235821272837244,
    1.2739397244795765,
    1.2287387414728528,
    0.5300590962423544,
    -0.3069829207249997,
    1.5223149967766174,
    -0.2297925206308939,
    0.48002253879242635,
    1.191361558876349,
    0.27901453444144625,
]


def test_squared_neurons_on_near_copies():
    """Copies 1e-10 apart: once no cell was left to look into."""
    found = listed(Instance(np.array(TEN_DIGITS), np.array(TEN_DIGITS_LABELS), SQUARED, 0.0))
    assert highest(found) == pytest.approx(
        [14.58169371350334, 6.144140423345347, 5.625046274855949]
    )


def test_mixed_scales_invent_no_maximum():
    """Norms 0.1 and 4,000: two maxima, where a third once passed with a residual of 1e-9."""
    x = np.array(
        [
            [0.04291869336310507, -0.07862522955484244, -0.07921644544966029],
            [0.0391258233402771, -0.38015306077474137, 0.1737393077220439],
            [2528.771921126296, -2295.6575804756703, -2131.0346247352345],
        ]
    )
    z = np.array([1.199911002316273, 1.966107888390835, -0.1067623610463368])
    found = listed(Instance(x, z, SQUARED, 0.1))
    assert highest(found) == pytest.approx([0.30261875417322526, 0.0030261875417322524], rel=1e-9)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_a_linear_activation_leaves_one_cell(d):
    """α = 1: the eigenvectors of Σ z x xᵀ, or ±q = ±Σ z x; near copies bend nothing."""
    rng = np.random.default_rng(d)
    x, z = rng.normal(size=(6, d)), rng.normal(size=6)
    x, z = np.vstack([x, x + 1e-13, -x]), np.append(z, rng.normal(size=12))
    squared = kkt_points(Ncf(x, z, SQUARED, 1.0))
    values, vectors = np.linalg.eigh((x * z[:, None]).T @ x)
    assert squared.complete
    assert squared.values == pytest.approx(np.repeat(values[::-1], 2))
    for p, j in zip(squared.points[::2], range(d - 1, -1, -1), strict=True):
        assert abs(p.direction @ vectors[:, j]) == pytest.approx(1.0)
    found = kkt_points(Ncf(x, z, TWO_LAYER, 1.0))
    q = z @ x
    assert found.complete
    assert len(found.of_kind("max")) == len(found.of_kind("min")) == 2
    for p in found.of_kind("max"):
        assert p.value == pytest.approx(np.linalg.norm(q) / 2)
        assert p.direction[0] * p.direction[1:] @ q == pytest.approx(np.linalg.norm(q) / 2)


@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("d", [2, 3, 4])
def test_repeated_inputs_with_cancelling_labels_and_zeros_do_nothing(d, kind):
    rng = np.random.default_rng(d)
    x, z = rng.normal(size=(5, d)), rng.normal(size=5)
    more = np.vstack([x, 3.7 * np.eye(d), 3.7 * np.eye(d), np.zeros((2, d)), x])
    labels = np.concatenate([z, np.ones(d), -np.ones(d), [1.0, -2.0], np.zeros(5)])
    plain, padded = kkt_points(Ncf(x, z, kind, 0.1)), kkt_points(Ncf(more, labels, kind, 0.1))
    assert padded.complete
    assert padded.values == pytest.approx(plain.values, abs=1e-14)
    assert [p.kind for p in padded.points] == [p.kind for p in plain.points]


@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize(("size", "label"), [(-300, 300), (300, -300), (200, 0), (-200, 0)])
def test_sizes_far_from_one_scale(kind, size, label):
    """N of (c x, b z) is c^k b N: for powers of two the same points to the last bit."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(6, 3)), rng.normal(size=6)
    x, z = np.vstack([x, x + 1e-12]), np.append(z, -z)
    degree = 2 if kind is SQUARED else 1
    plain = kkt_points(Ncf(x, z, kind))
    far = kkt_points(Ncf(2.0**size * x, 2.0**label * z, kind))
    assert far.complete
    factor = 2.0 ** (size * degree + label)
    key = [(p.kind, *p.direction) for p in plain.points]
    assert sorted(key) == sorted((p.kind, *p.direction) for p in far.points)
    values = sorted(p.value / factor for p in far.points)
    assert values == pytest.approx(sorted(p.value for p in plain.points), rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_what_float64_cannot_square_is_refused(kind):
    for x, z in (([[1e120, 1.0]], [1.0]), ([[1e-120, 0.0]], [1.0]), ([[1.0, 1.0]], [1e-120])):
        with pytest.raises(ValueError, match=r"must lie between 1e-100 and 1e\+100"):
            kkt_points(Ncf(np.array(x), np.array(z), kind))


def test_tolerances_that_were_used_are_stated():
    turned = [[np.cos(t), np.sin(t)] for t in (1.0, 1.0 + np.pi, 2.0)]
    found = kkt_points(Ncf(np.array(turned), np.array([1.0, 2.0, 1e-13]), SQUARED))
    assert found.complete
    assert "labels below 1e-12 of the largest count as zero (1)" in found.reason
    assert "inputs within 1e-15 rad of one line count as on it (1)" in found.reason


def test_an_eigenspace_that_is_not_rational_is_said():
    """Two golden-ratio pairs repeat an irrational eigenvalue, whose space a wall cuts."""
    pairs = [(0, 1), (2, 3)]
    x, z = [], []
    for i, j in pairs:
        one, other = np.eye(4)[i], np.eye(4)[j]
        x += [one, other, one + other, one - other]
        z += [0.0, 1.0, 0.5, -0.5]
    x, z = np.vstack([x, -np.array(x)]), np.array(z + z)
    whole = kkt_cells(Ncf(x, z, SQUARED, 0.0))
    assert whole.complete
    golden = (1 + np.sqrt(5)) / 2
    assert sorted(p.value for p in whole.points) == pytest.approx([1 - golden, golden])
    assert {p.kind for p in whole.points} == {"flat"}
    x, z = np.vstack([x, [[1.0, 2.0, 3.0, 4.0]]]), np.append(z, 1.0)
    cut = kkt_points(Ncf(x, z, SQUARED, 0.0))
    assert not cut.complete
    assert cut.reason == "a repeated eigenvalue that is no rational number was not resolved"
    assert cut.method == "exact"
