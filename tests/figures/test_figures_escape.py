"""The figures of leaving 0: what is drawn is what slow, obvious loops find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from workbench.errors import BadInput
from workbench.figures import FigureOptions, draw_figure
from workbench.presets import load_config
from workbench.record.reader import RunReader
from workbench.run.session import Session

STAIRS = ("init.scale=1e-8", "train.steps=7000")
CURVED = ("model.signs=alternate", 'data={kind="gaussian-separable",n=20,d=3}', "train.steps=600")
SIGNS = np.array([1.0, -1.0] * 6)


def trained(folder, *settings):
    always = ("device.kind=cpu", "checkpoint.keep=1", "pause.at_saddle=false")
    config = load_config("kh24-saddle-to-saddle", [*settings, *always])
    with Session.create(config, folder) as session:
        session.start()
        assert session.wait(60)
    return session.folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("escape")
    return {
        "stairs": trained(folder, *STAIRS),
        "near": trained(folder, *CURVED, "init.scale=1e-3"),
        "far": trained(folder, *CURVED, "init.scale=1e-1"),
        "other": trained(folder, *CURVED, "init.seed=3"),
        "bare": trained(folder, *CURVED, "record.theta=false"),
    }


def drawn(name, *folders):
    readers = [RunReader(folder) for folder in folders]
    try:
        return draw_figure(readers, name)
    finally:
        for reader in readers:
            reader.close()


def outputs(w, x):
    return SIGNS[: len(w)] @ np.maximum(w @ x.T, 0.0) ** 2


def lines(axes, label):
    return [np.column_stack(li.get_data()) for li in axes.get_lines() if li.get_label() == label]


def test_levels_are_the_least_risks_of_so_many_neurons(runs):
    """From the teacher's directions, the heaviest first, a minimizer finds the saddles."""
    left, right = drawn("pursuit", runs["stairs"]).axes
    with RunReader(runs["stairs"]) as reader:
        x, y = np.asarray(reader.x), np.asarray(reader.y)
        theta, step, risk = (reader.read(name) for name in ("theta", "step", "log_risk"))
    angles = np.radians([15.0, 130.0])
    teacher = np.column_stack([np.cos(angles), np.sin(angles)])
    run = np.maximum(theta.reshape(len(theta), -1, 2) @ x.T, 0.0) ** 2
    stages, nearest = [0.5 * y @ y], [0]
    for count in (1, 2):

        def lost(w, count=count):
            return 0.5 * np.sum((y - (np.maximum(w.reshape(count, 2) @ x.T, 0.0) ** 2).sum(0)) ** 2)

        found = minimize(lost, teacher[:count].ravel(), method="BFGS", options={"gtol": 1e-9})
        at = (np.maximum(found.x.reshape(count, 2) @ x.T, 0.0) ** 2).sum(0)
        stages.append(found.fun)
        far = np.linalg.norm(run.sum(1) - at, axis=1)
        nearest.append(int(far.argmin()))
    levels = lines(right, "neuron pursuit")[0]
    np.testing.assert_array_equal(levels[:3, 0], range(3))
    np.testing.assert_allclose(levels[:3, 1], np.log10(stages), atol=1e-6)
    for axes in (left, right):
        flat = sorted(li.get_ydata()[0] for li in axes.get_lines() if li.get_linestyle() == "--")
        np.testing.assert_allclose(flat[::-1][:3], np.log10(stages), atol=1e-6)
    circles = lines(left, "nearest to a stage")[0]
    np.testing.assert_allclose(
        circles[:3], np.column_stack([step[nearest], risk[nearest] / np.log(10.0)]), rtol=1e-6
    )
    shares = [text.get_text() for text in right.texts]
    last = f"{100.0 * far.min() / np.linalg.norm(y):.2g} %"
    assert shares[:3] == ["<0.1 %", "<0.1 %", last]
    assert len(shares) == len(levels)


def test_the_path_and_the_run_are_in_the_plane_of_the_kkt_point_and_the_saddle(runs):
    """Euler's steps: up N on the sphere from the start to u*, down the risk from a tiny multiple of it."""
    (axes,) = drawn("path", runs["near"]).axes
    with RunReader(runs["near"]) as reader:
        x, y, theta = np.asarray(reader.x), np.asarray(reader.y), reader.read("theta")

    def climb(w, z):
        return (2.0 * SIGNS[:, None] * ((np.maximum(w @ x.T, 0.0) * z) @ x)).ravel()

    u = theta[0] / np.linalg.norm(theta[0])
    for _ in range(6_000):
        g = climb(u.reshape(12, 3), y)
        u = u + 5e-3 * (g - (g @ u) * u)
        u /= np.linalg.norm(u)
    path = [1e-5 * u]
    for _ in range(30_000):
        w = path[-1].reshape(12, 3)
        path.append(path[-1] + 1e-4 * climb(w, y - outputs(w, x)))
    path = np.array(path)
    across = path[-1] - (path[-1] @ u) * u
    plane = np.column_stack([u, across / np.linalg.norm(across)])
    (saddle,), (way,) = lines(axes, "first saddle"), lines(axes, "path")
    np.testing.assert_allclose(saddle, [path[-1] @ plane], atol=1e-3)
    own = path @ plane
    for point in way[:: len(way) // 20]:
        assert np.linalg.norm(own - point, axis=1).min() < 1e-3
    until = int(np.linalg.norm(theta - path[-1], axis=1).argmin()) + 1
    apart = max(np.linalg.norm(path - t, axis=1).min() for t in theta[:until])
    share = apart / np.linalg.norm(path[-1])
    (run,) = lines(axes, f"run: {share:.2g}")
    np.testing.assert_allclose(run, theta[:until] @ plane, atol=1e-4)


def test_several_runs_come_nearer_to_one_path(runs):
    (axes,) = drawn("path", runs["far"], runs["near"]).axes
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told[0].startswith("scale 0.1: ")
    assert told[1].startswith("scale 0.001: ")
    far, near = (float(text.rpartition(" ")[2]) for text in told[:2])
    assert near < far / 2.0
    assert len(lines(axes, "path")) == 1


@pytest.mark.parametrize(
    ("figure", "names", "said"),
    [
        ("path", ("near", "other"), "along another KKT point"),
        ("path", ("bare",), "recorded no theta"),
        ("pursuit", ("bare",), "recorded no theta"),
        ("pursuit", ("near", "far"), "a pursuit of its own"),
    ],
)
def test_what_cannot_be_drawn_says_why(runs, figure, names, said):
    with pytest.raises(BadInput, match=said):
        drawn(figure, *(runs[name] for name in names))


def test_a_kink_has_no_path(tmp_path):
    kinked = trained(tmp_path, 'model={kind="two-layer-relu",width=4}', "train.steps=20")
    with pytest.raises(BadInput, match="jumps at kinks"):
        drawn("path", kinked)


def test_the_staircase_is_foreseen_under_the_run(runs):
    (axes,) = drawn("staircase", runs["stairs"]).axes
    with RunReader(runs["stairs"]) as reader:
        step, risk = reader.read("step"), reader.read("log_risk") / np.log(10.0)
    (run,), (foreseen,) = lines(axes, "run"), lines(axes, "foreseen")
    np.testing.assert_array_equal(run, np.column_stack([step, risk]))
    seen = foreseen[np.isfinite(foreseen).all(axis=1)]
    assert seen[0] == pytest.approx(run[0], rel=1e-3)
    # Apart from the drops themselves, where a step is worth much, the curves are one.
    there = np.interp(seen[:, 0], step, risk)
    assert np.median(np.abs(seen[:, 1] - there)) < 5e-3
    bars = [li for li in axes.get_lines() if li.get_marker() == "|"]
    assert len(bars) >= 2
    for bar in bars:
        (low, high), (height, _) = bar.get_data()
        passed = step[np.flatnonzero(risk <= height)[0]]
        assert low <= passed <= high + 10
        assert high - low < 0.05 * passed


def test_a_staircase_has_an_axis_of_time(runs):
    with RunReader(runs["stairs"]) as reader, pytest.raises(BadInput, match="allowed: step, time"):
        draw_figure(reader, "staircase", FigureOptions(x="margin"))
