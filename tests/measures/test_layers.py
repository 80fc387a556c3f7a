"""Measures of aligned layers against plain linear algebra, rows alone, and runs cut in two."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from cases import finished, small

from workbench.engine.program import RowBuffer, StopFlag
from workbench.measures.layers import imbalance
from workbench.measures.leading import NARROW, leading
from workbench.measures.mapped import mapped
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.session import Session

DEEP = (
    "model.kind=deep-linear",
    "model.width=5",
    "model.depth=3",
    "init.scale=0.5",
    "loss.reduction=mean",
)
MASKS = "model.masks=[[[1,0],[0,1],[1,1]],[[1,1,1]]]"
CASES = {
    "deep-linear": DEEP,
    "one layer": ("model.kind=deep-linear", "model.depth=1"),
    "deep-relu": ("model.kind=deep-relu", "model.widths=[4,3]"),
    "diagonal": ("model.kind=diagonal", "model.depth=3"),
    "sparse": ("model.kind=sparse", MASKS),
    "cnn": (
        "data.kind=digits",
        "data.n=30",
        "model.kind=alexnet",
        "model.channels=[2,3]",
        "model.widths=[7,6]",
        "loss.kind=cross-entropy",
        "init.kind=he",
    ),
}
LAYER_SERIES = {"layer_rank1", "layer_alignment", "balance_drift"}


def values_of(experiment, count=9):
    buffer = RowBuffer(count, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(experiment.state, 0, count, 7, buffer, StopFlag())
    rows = buffer.take()
    return rows, experiment.panel.compute(rows)


@pytest.mark.parametrize(
    "shape", [(3, 5), (5, 3), (1, 4), (4, 1), (NARROW, 90), (80, 200), (200, 80)]
)
def test_leading_triples_equal_the_full_decomposition(shape):
    rng = np.random.default_rng(4)
    w = rng.standard_normal((3, *shape)) * 10.0 ** np.array([0, -200, 150])[:, None, None]
    found = leading(w)
    u, s, vt = np.linalg.svd(w / np.abs(w).max(axis=(1, 2), keepdims=True))
    scale = np.abs(w).max(axis=(1, 2))
    np.testing.assert_allclose(found.size, s[:, 0] * scale, rtol=1e-13)
    # rest beyond the range of floats squared is 0 or ∞; the ratio is not.
    ratio = s[:, 0] / np.sqrt((s**2).sum(axis=1))
    np.testing.assert_allclose(found.rank1, ratio, rtol=1e-13)
    for t in range(3):
        assert abs(found.left[t] @ u[t, :, 0]) >= 1 - 1e-12
        assert found.left[t] @ u[t, :, 0] * (found.right[t] @ vt[t, 0]) >= 1 - 1e-12


@pytest.mark.parametrize("shape", [(3, 5), (90, 70)])
def test_a_matrix_of_rank_one_has_nothing_left_and_zero_has_no_direction(shape):
    rng = np.random.default_rng(5)
    one = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))
    found = leading(np.stack([one, np.zeros(shape), np.full(shape, np.nan)]))
    assert found.rest[0] <= 1e-28 * found.size[0] ** 2
    assert found.rank1[0] == pytest.approx(1.0, abs=1e-15)
    assert np.isnan(found.rank1[1:]).all()
    assert found.size[1] == found.rest[1] == found.frobenius[1] == 0.0
    assert np.isnan(found.size[2])
    assert np.isnan(found.left[1:]).all()


@pytest.mark.parametrize("case", sorted(CASES))
def test_series_against_plain_formulas(case):
    experiment = experiment_of(small(*CASES[case]))
    rows, values = values_of(experiment)
    layers = experiment.structure.layers
    start = experiment.panel.layers.start
    for t, theta in enumerate(rows.theta):
        weights = [plain_matrix(experiment, theta, k) for k in range(len(layers))]
        for k, w in enumerate(weights):
            ratio = np.nan if w is None else np.linalg.norm(w, 2) / np.linalg.norm(w)
            np.testing.assert_allclose(values["layer_rank1"][t, k], ratio, rtol=1e-12)
        for k, (a, b) in enumerate(pairwise(weights)):
            wanted = np.nan
            if a is not None and b is not None:
                u, v = np.linalg.svd(a)[0][:, 0], np.linalg.svd(b)[2][0]
                wanted = abs(u @ v)
            np.testing.assert_allclose(values["layer_alignment"][t, k], wanted, atol=1e-10)
        if "balance_drift" in values:
            first = [plain_matrix(experiment, start, k) for k in range(len(layers))]
            moved = []
            for a, b, a0, b0 in zip(weights[:-1], weights[1:], first[:-1], first[1:], strict=True):
                if a is None:
                    continue
                change = b.T @ b - a @ a.T - b0.T @ b0 + a0 @ a0.T
                if case != "deep-linear":
                    change = np.diag(change)
                moved.append(np.linalg.norm(change))
            size = max(np.linalg.norm(w) for w in weights if w is not None) ** 2
            np.testing.assert_allclose(values["balance_drift"][t], max(moved) / size, atol=1e-13)


def plain_matrix(experiment, theta, k):
    """The layer as the network's own code has it: columns are what unit vectors become."""
    kind = experiment.config.model.kind
    free = experiment.structure.view(theta, f"w{k + 1}")
    if kind == "diagonal":
        return np.diag(free) if k + 1 < len(experiment.structure.layers) else free[None]
    if kind == "sparse":
        masks = [np.array(mask) for mask in experiment.config.model.masks]
        w = masks[k].astype(float)
        w[w > 0] = free
        return w
    return free if free.ndim == 2 else None


def test_what_is_recorded_fits_the_network():
    shapes = {name: experiment_of(small(*CASES[name])).panel.shapes() for name in CASES}
    assert shapes["deep-linear"]["layer_alignment"] == (2,)
    assert {"svm_alignment", "svm_margin_ratio", "layer_rank1_slack"} <= set(shapes["deep-linear"])
    assert "layer_alignment" not in shapes["one layer"]
    assert "svm_alignment" in shapes["one layer"]
    for name in ("deep-relu", "diagonal", "sparse", "cnn"):
        assert set(shapes[name]) >= LAYER_SERIES
        assert not {"svm_alignment", "layer_rank1_slack"} & set(shapes[name])
    assert not LAYER_SERIES & set(experiment_of(small("model.kind=squared-relu")).panel.shapes())


def test_bounds_of_lemma_26_against_plain_formulas():
    experiment = experiment_of(small(*DEEP))
    rows, values = values_of(experiment)
    first = [experiment.structure.view(experiment.panel.layers.start, f"w{k}") for k in (1, 2, 3)]
    d = max(np.linalg.norm(w) ** 2 for w in first) - np.linalg.norm(first[-1]) ** 2
    d += np.linalg.norm(first[0] @ first[0].T - first[1].T @ first[1], 2)
    d += np.linalg.norm(first[1] @ first[1].T - first[2].T @ first[2], 2)
    assert imbalance(first) == pytest.approx(d, rel=1e-13)
    for t, theta in enumerate(rows.theta):
        w = [experiment.structure.view(theta, f"w{k}") for k in (1, 2, 3)]
        rest = [np.linalg.norm(a) ** 2 - np.linalg.norm(a, 2) ** 2 for a in w]
        np.testing.assert_allclose(values["layer_rank1_slack"][t], d - np.array(rest), atol=1e-12)
        for k in (0, 1):
            start = sum(np.linalg.norm(a, 2) ** 2 for a in first[k : k + 2])
            allowed = (d + start) / np.linalg.norm(w[k + 1], 2) ** 2
            wanted = values["layer_alignment"][t, k] ** 2 - 1.0 + allowed
            np.testing.assert_allclose(values["layer_alignment_slack"][t, k], wanted, atol=1e-12)


def test_a_layer_at_zero_keeps_to_the_first_bound_and_has_no_alignment():
    experiment = experiment_of(small(*DEEP, "init.zero=['w1']"))
    buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
    experiment.program.evaluate(experiment.state, buffer)
    values = experiment.panel.compute(buffer.take())
    assert values["layer_rank1_slack"][0, 0] == experiment.panel.layers.beginning.d
    assert np.isnan(values["layer_rank1"][0, 0])
    assert np.isnan(values["layer_alignment"][0]).tolist() == [True, False]
    assert np.isnan(values["svm_alignment"][0])
    assert values["balance_drift"][0] == 0.0


def test_the_margin_ratio_is_at_most_one_and_is_the_products_margin():
    experiment = experiment_of(small(*DEEP))
    rows, values = values_of(experiment)
    x, y = experiment.dataset.x, experiment.dataset.y
    z = y[:, None] * x
    svm = experiment.panel.layers.svm
    assert (values["svm_margin_ratio"] <= 1.0).all()
    assert np.isclose((z @ svm.direction).min(), svm.margin, rtol=1e-12)
    w = [experiment.structure.view(rows.theta[-1], f"w{k}") for k in (1, 2, 3)]
    product = w[2] @ w[1] @ w[0] / np.prod([np.linalg.norm(a) for a in w])
    wanted = (z @ product[0]).min() / svm.margin
    assert values["svm_margin_ratio"][-1] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_row_does_not_depend_on_the_rows_beside_it(case):
    experiment = experiment_of(small(*CASES[case]))
    rows, whole = values_of(experiment, 23)
    parts = []
    for i, j in [(0, 1), (1, 2), (2, 9), (9, 10), (10, 23)]:
        parts.append(experiment.panel.compute(rows.part(i, j)))
    for name, array in whole.items():
        assert np.concatenate([p[name] for p in parts]).tobytes() == array.tobytes(), name


def test_a_resumed_run_records_the_same_bits(tmp_path):
    whole = finished(tmp_path / "whole", *DEEP, "train.steps=400")
    part = finished(tmp_path / "part", *DEEP, "train.steps=170")
    session = Session.resume(part.folder, steps=400)
    session.start()
    assert session.wait(60)
    session.close()
    with RunReader(whole.folder) as a, RunReader(part.folder) as b:
        for name in ("layer_rank1", "layer_alignment", "balance_drift", "svm_alignment"):
            assert a.read(name).tobytes() == b.read(name).tobytes(), name


def test_a_run_on_data_that_no_line_separates_says_so_and_goes_on(tmp_path):
    x = "[[1.0,0.0],[-1.0,0.0],[0.0,1.0],[0.0,-1.0]]"
    settings = (*DEEP, "data.kind=inline", f"data.x={x}", "data.y=[1,1,-1,-1]", "train.steps=50")
    session = finished(tmp_path, *settings)
    said = [text for _, kind, text in session.events if kind == "note"]
    assert any("convex combination" in text for text in said)
    assert session.engine.status == "finished"
    with RunReader(session.folder) as reader:
        assert not reader.has("svm_alignment")
        assert reader.has("layer_rank1")


@pytest.mark.parametrize("case", ["deep-linear", "deep-relu", "diagonal", "sparse"])
def test_mapped_data_end_in_the_networks_output(case):
    experiment = experiment_of(small(*CASES[case]))
    rows, _ = values_of(experiment, 2)
    layers = experiment.structure.layers
    last = mapped(rows.theta[-1], experiment.structure, experiment.dataset.x, len(layers))
    np.testing.assert_allclose(last.full[:, 0], rows.outputs[-1], rtol=1e-12)
    first = mapped(rows.theta[-1], experiment.structure, experiment.dataset.x, 0)
    np.testing.assert_allclose(first.plane @ first.axes, experiment.dataset.x, atol=1e-12)
    assert last.flatness == 0.0
    if case == "deep-linear":
        middle = mapped(rows.theta[-1], experiment.structure, experiment.dataset.x, 1)
        assert middle.full.shape == (experiment.dataset.n, 5)
        s = np.linalg.svd(middle.full, compute_uv=False)
        assert middle.flatness == pytest.approx(s[1] / s[0], rel=1e-12)
