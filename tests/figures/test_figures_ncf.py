"""The correlation function's figures: the curve is N, the marks are its KKT points, or a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workbench.errors import BadInput
from workbench.figures import FigureOptions, draw_figure, save_figure
from workbench.presets import load_config
from workbench.record.reader import RunReader
from workbench.run.session import Session


def trained(folder, preset, *settings):
    config = load_config(preset, [*settings, "device.kind=cpu", "checkpoint.keep=1"])
    with Session.create(config, folder, preset=preset) as session:
        session.start()
        assert session.wait(60)
    return session.folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ncf")
    short = ("train.steps=60", "record.every=2")
    return {
        "squared": trained(folder, "kh24-fig3", *short),
        "saddle": trained(folder, "kh24-fig4", *short),
        "two-layer": trained(folder, "kh24-relu", *short),
        "signs": trained(folder, "kh24-fig3", *short, "model.signs=alternate"),
        "branching": trained(folder, "kh24-fig2", "train.steps=1200"),
        "joint": trained(folder, "kh24-two-trainable", *short),
        "bare": trained(folder, "kh24-relu", *short, "record.theta=false"),
        "bare-squared": trained(folder, "kh24-fig3", *short, "record.theta=false"),
    }


def drawn(folder, name, **options):
    with RunReader(folder) as reader:
        return draw_figure(reader, name, FigureOptions(**options))


def circle():
    angle = np.radians(7.2 * np.arange(50))
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    return x, 5 * np.maximum(0, x[:, 0]) ** 2 + 4 * np.maximum(0, -x[:, 0]) ** 2


def curve(axes):
    """(degrees, N) of the longest line."""
    return max((np.column_stack(line.get_data()) for line in axes.get_lines()), key=len)


def marks(axes, symbol):
    found = [line for line in axes.get_lines() if line.get_marker() == symbol]
    return sorted(
        (round(float(x), 4), round(float(y), 6))
        for line in found
        for x, y in [np.ravel(line.get_data())]
    )


def test_squared_relu_landscape_is_n(runs):
    above, _ = drawn(runs["squared"], "ncf").axes
    x, y = circle()
    angle, value = curve(above).T
    u = np.column_stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert value == pytest.approx(np.maximum(u @ x.T, 0) ** 2 @ y, rel=1e-9)
    assert marks(above, "^") == [(-180, 37.5), (0, 46.875), (180, 37.5)]
    assert marks(above, "v") == [(-94.0767, 13.92146), (94.0767, 13.92146)]


def test_two_layer_landscape_is_that_of_balanced_neurons(runs):
    above, _ = drawn(runs["two-layer"], "ncf").axes
    x, y = circle()
    angle, value = curve(above).T
    u = np.column_stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert value == pytest.approx(0.5 * np.maximum(u @ x.T, 0) @ y, rel=1e-9)


def test_a_saddles_residual_and_its_flat_set(runs):
    above, below = drawn(runs["saddle"], "ncf").axes
    x, y = circle()
    left = np.where(x[:, 0] < 0, y, 0.0)
    angle, value = curve(above).T
    u = np.column_stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    assert value == pytest.approx(np.maximum(u @ x.T, 0) ** 2 @ left, abs=1e-2)
    for axes in (above, below):
        bands = [patch.get_x() for patch in axes.patches]
        assert any(abs(start + 3.6) < 1e-6 for start in bands)


def test_paths_are_the_recorded_angles(runs):
    _, below = drawn(runs["squared"], "ncf").axes
    with RunReader(runs["squared"]) as reader:
        angle, step = np.degrees(reader.read("neuron_angle")), reader.read("step")
    lines = [np.column_stack(line.get_data()).astype(float) for line in below.get_lines()]
    for k in range(angle.shape[1]):
        wanted = np.column_stack([angle[:, k], step])
        assert any(len(c) == len(wanted) and np.allclose(c, wanted) for c in lines), k
    assert below.get_ylim() == (60, 0)


def test_negative_signs_have_their_own_points_and_colour(runs):
    above, below = drawn(runs["signs"], "ncf").axes
    assert marks(above, "^") == [(-180, 37.5), (0, 46.875), (180, 37.5)]
    colors = {line.get_color() for line in below.get_lines() if len(line.get_xdata()) > 2}
    assert len(colors) == 2


def test_directions_without_theta_are_enough_for_squared_relu(runs):
    above, _ = drawn(runs["bare-squared"], "ncf").axes
    assert marks(above, "^") == [(-180, 37.5), (0, 46.875), (180, 37.5)]
    drawn(runs["bare-squared"], "field")


def test_neurons_at_rest_have_no_angle(tmp_path):
    """Two-layer neurons with u = 0 jump around it; those records leave gaps."""
    folder = trained(tmp_path, "kh24-relu", "train.steps=1500", "record.every=10")
    with RunReader(folder) as reader:
        theta = reader.read("theta")
        u, v = theta[:, :40].reshape(-1, 20, 2), theta[:, 40:]
        rest = np.linalg.norm(u, axis=2) < 0.02 * np.abs(v)
    assert rest[-1].any()
    _, below = drawn(folder, "ncf").axes
    gaps = [
        line
        for line in below.get_lines()
        if np.isnan(np.asarray(line.get_xdata(), float)).sum() > 50
    ]
    assert len(gaps) == rest[-1].sum()


def test_field_of_figure_2(runs):
    (axes,) = drawn(runs["branching"], "field").axes
    quiver = next(c for c in axes.collections if type(c).__name__ == "Quiver")
    at = np.asarray(quiver.get_offsets())
    v, u = at.T
    slope = np.column_stack([np.abs(u), v * np.sign(u)])
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    assert np.column_stack([quiver.U, quiver.V]) == pytest.approx(slope, abs=1e-9)
    lines = [np.column_stack(line.get_data()).astype(float) for line in axes.get_lines()]
    assert any(len(c) == 2 and np.allclose(c, [[0, 0], [1, 0]]) for c in lines)  # branching line
    ridges = [c for c in lines if len(c) == 2 and np.allclose(np.abs(c[1]), np.sqrt(2))]
    assert len(ridges) == 2
    hyperbolas = [c[np.isfinite(c).all(axis=1)] for c in lines if len(c) == 200]
    assert len(hyperbolas) == 6
    for path in hyperbolas:
        inside = path[np.abs(path).max(axis=1) < 1]
        invariant = inside[:, 0] ** 2 - inside[:, 1] ** 2
        assert invariant == pytest.approx(invariant[0], rel=1e-3)


def test_field_of_squared_relu_in_the_plane(runs):
    (axes,) = drawn(runs["squared"], "field").axes
    x, y = circle()
    quiver = next(c for c in axes.collections if type(c).__name__ == "Quiver")
    at = np.asarray(quiver.get_offsets())
    slope = 2 * (np.maximum(at @ x.T, 0) * y) @ x
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    assert np.column_stack([quiver.U, quiver.V]) == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize(
    ("run", "figure", "reason"),
    [
        ("joint", "ncf", "is two-trainable-relu"),
        ("joint", "field", "is two-trainable-relu"),
        ("branching", "ncf", "have 1 dimensions"),
        ("two-layer", "field", "have 3"),
        ("bare", "ncf", "not all of its weights were recorded"),
    ],
)
def test_what_has_no_such_figure_says_why(runs, run, figure, reason):
    with pytest.raises(BadInput, match=reason) as refused:
        drawn(runs[run], figure)
    assert str(refused.value).count(". ") == 0


@pytest.mark.parametrize("size", ["column", "page"])
@pytest.mark.parametrize(("run", "figure"), [("two-layer", "ncf"), ("branching", "field")])
def test_all_formats(runs, tmp_path, run, figure, size):
    for suffix in ("png", "pdf", "svg"):
        path = save_figure(drawn(runs[run], figure, size=size), tmp_path / f"x.{suffix}")
        assert path.stat().st_size > 5_000


@pytest.mark.parametrize("size", ["column", "page"])
@pytest.mark.parametrize("run", ["squared", "signs", "two-layer", "saddle"])
def test_nothing_is_cut_at_the_edge(runs, tmp_path, run, size):
    figure = drawn(runs[run], "ncf", size=size)
    ink = np.asarray(Image.open(save_figure(figure, tmp_path / "x.png")).convert("L")) < 250
    for edge in (ink[:4], ink[-4:], ink[:, :4], ink[:, -4:]):
        assert not edge.any()
    assert figure.axes[0].bbox.width > 0.7 * figure.bbox.width


def test_time_may_be_logarithmic(runs):
    _, below = drawn(runs["squared"], "ncf", log_x=True).axes
    assert below.get_yscale() == "log"
