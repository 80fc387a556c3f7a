"""Figures of a run: what is on the page is what was recorded, whatever was recorded."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.record import sample_run
from workbench.errors import BadInput, StorageError
from workbench.figures import FigureOptions, draw_figure, save_figure
from workbench.figures.directions import unwrapped_pieces
from workbench.protocol.status import RunStatus
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore

SAMPLED = ("risk", "margins", "directions", "ncf", "field", "norms")
"""Figures that the sample run has everything for; the others have tests of their own."""

T = 60
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
CONFIG = """
[data]
kind = "inline"
x = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
y = [1.0, -1.0, 1.0, 2.0]
[model]
kind = "squared-relu"
width = 3
leak = 0.0
signs = "alternate"
[loss]
kind = "square"
reduction = "{reduction}"
[train]
steps = 590
"""


def rows():
    """A planar run of three neurons; the first neuron's angle crosses ±180°."""
    time = np.arange(T)
    angle = np.stack([3.0 + 0.01 * time, 0.5 + 0.001 * time, -1.0 + 0 * time], axis=1)
    angle = np.mod(angle + np.pi, 2 * np.pi) - np.pi
    norm = np.stack([1e-3 * 1.1**time, 1e-2 * 1.05**time, 1e-5 + 0 * time], axis=1)
    u = norm[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    margins = np.linspace(-1, 1, 4)[None] + 0.01 * time[:, None]
    return {
        "step": 10 * time,
        "time": 0.1 * time,
        "log_risk": 1.0 - 0.05 * time,
        "rho": np.sqrt((norm**2).sum(1)),
        "margin_normalized": margins.min(1),
        "margin_smoothed": margins.min(1) - 0.1,
        "margin_multi": 2 * margins.min(1),
        "margins": margins,
        "neuron_norm": norm,
        "neuron_angle": angle,
        "neuron_direction": u / norm[..., None],
        "layer_norm": np.stack([norm[:, 0], norm[:, 1]], axis=1),
        "theta": u.reshape(T, 6),
    }


def recorded(folder, values, reduction="sum"):
    folder.mkdir()
    layouts = [SeriesLayout(k, v.shape[1:]) for k, v in values.items() if k != "step"]
    store = RunStore.create(
        folder,
        attributes={**sample_run.ATTRIBUTES, "config": CONFIG.format(reduction=reduction)},
        x=X,
        y=np.array([1.0, -1.0, 1.0, 2.0]),
        series=layouts,
        coordinates={},
    )
    store.append(values)
    store.finish(RunStatus.FINISHED)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("figures") / "run", rows())


def drawn(folder, name, **options) -> Figure:
    with RunReader(folder) as reader:
        return draw_figure(reader, name, FigureOptions(**options))


def curves(axes):
    return [np.column_stack(line.get_data()).astype(float) for line in axes.get_lines()]


def has_curve(axes, x, y):
    wanted = np.column_stack([x, y])
    return any(
        c.shape == wanted.shape and np.allclose(c, wanted, rtol=1e-12, equal_nan=True)
        for c in curves(axes)
    )


def test_risk_holds_the_data(run):
    data = rows()
    (axes,) = drawn(run, "risk").axes
    assert has_curve(axes, data["step"], data["log_risk"] / np.log(10))
    assert axes.get_xlim() == (0, 590)
    assert axes.get_title() == ""


def test_horizontal_axes(run, tmp_path):
    data = rows()
    y = data["log_risk"] / np.log(10)
    assert has_curve(drawn(run, "risk", x="time").axes[0], data["time"], y)
    assert has_curve(drawn(run, "risk", x="margin").axes[0], np.log(4) - data["log_risk"], y)
    averaged = recorded(tmp_path / "mean", data, "mean")
    assert has_curve(drawn(averaged, "risk", x="margin").axes[0], -data["log_risk"], y)
    (axes,) = drawn(run, "risk", log_x=True).axes
    assert axes.get_xscale() == "log"
    assert has_curve(axes, np.where(data["step"] > 0, data["step"], np.nan), y)


def test_a_risk_that_stands_still_is_drawn_level(tmp_path):
    data = rows()
    still = recorded(tmp_path / "still", {**data, "log_risk": 1.0 - 1e-9 * np.arange(T)})
    (axes,) = drawn(still, "risk").axes
    low, high = axes.get_ylim()
    assert high - low == pytest.approx(0.1)
    assert any("5.9" in text.get_text() and "-8" in text.get_text() for text in axes.texts)


def test_margins_hold_the_data(run):
    data = rows()
    network, samples = drawn(run, "margins").axes
    for name in ("margin_normalized", "margin_smoothed", "margin_multi"):
        assert has_curve(network, data["step"], data[name])
    for sample in range(4):
        assert has_curve(samples, data["step"], data["margins"][:, sample])


def test_many_samples_become_bands(tmp_path):
    data = rows()
    wide = np.linspace(-1, 1, 200)[None] + 0.01 * np.arange(T)[:, None]
    folder = recorded(tmp_path / "wide", {**data, "margins": wide})
    samples = drawn(folder, "margins").axes[-1]
    assert len(samples.collections) == 3
    assert has_curve(samples, data["step"], np.median(wide, axis=1))
    outer = samples.collections[0].get_paths()[0].vertices
    assert outer[:, 1].min() == pytest.approx(wide.min())
    assert outer[:, 1].max() == pytest.approx(wide.max())


def test_angles_hold_the_data_without_jumps(run):
    data = rows()
    (axes,) = drawn(run, "directions").axes
    degrees = np.degrees(data["neuron_angle"])
    assert has_curve(axes, data["step"], degrees[:, 1])
    jumped = unwrapped_pieces(data["step"], degrees[:, 0])
    assert np.isnan(jumped[1]).sum() == 1
    assert has_curve(axes, *jumped)
    for curve in curves(axes):
        steps = np.abs(np.diff(curve[:, 1]))
        assert np.nanmax(steps, initial=0.0) < 180


def test_larger_neurons_are_darker_and_signs_have_colours(run):
    (axes,) = drawn(run, "directions").axes
    neurons = [line for line in axes.get_lines() if len(line.get_xdata()) >= T]
    alphas = [line.get_alpha() for line in neurons]
    assert alphas[0] == 1.0  # the largest at the end
    assert alphas[2] == pytest.approx(0.2)
    assert alphas[2] < alphas[1] < alphas[0]
    assert neurons[0].get_color() == neurons[2].get_color() != neurons[1].get_color()


def test_kkt_directions_of_the_last_residual_are_drawn(run):
    from workbench.theory.ncf.kkt import kkt_points
    from workbench.theory.ncf.ncf import Ncf
    from workbench.theory.ncf.neuron import NeuronKind

    data = rows()
    u = data["theta"][-1].reshape(3, 2)
    outputs = (np.maximum(X @ u.T, 0) ** 2) @ np.array([1.0, -1.0, 1.0])
    z = np.array([1.0, -1.0, 1.0, 2.0]) - outputs
    (axes,) = drawn(run, "directions").axes
    levels = [c[0, 1] for c in curves(axes) if len(c) == 2]
    for sign in (1, -1):
        for point in kkt_points(Ncf(X, sign * z, NeuronKind.SQUARED_RELU)).points:
            if point.value > 0 and point.kind != "flat":
                angle = np.degrees(np.arctan2(point.direction[1], point.direction[0]))
                assert min(abs(level - angle) for level in levels) < 1e-9


def test_directions_in_higher_dimensions_are_cosines(tmp_path):
    data = rows()
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((T, 3, 5))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    kept = {k: v for k, v in data.items() if k not in ("neuron_angle", "neuron_direction", "theta")}
    folder = recorded(tmp_path / "high", {**kept, "neuron_direction": direction})
    (axes,) = drawn(folder, "directions").axes
    for k in range(3):
        assert has_curve(axes, data["step"], direction[:, k] @ direction[-1, k])


def test_norms_hold_the_data(run):
    data = rows()
    (axes,) = drawn(run, "norms").axes
    assert axes.get_yscale() == "log"
    assert has_curve(axes, data["step"], data["rho"])
    for k in range(3):
        assert has_curve(axes, data["step"], data["neuron_norm"][:, k])
    for k in range(2):
        assert has_curve(axes, data["step"], data["layer_norm"][:, k])


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("last", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_leave_gaps(tmp_path, name, last):
    data = rows()
    for key, values in data.items():
        if key != "step":
            values[T // 2 :] = last
    folder = recorded(tmp_path / "run", data)
    for options in ({}, {"log_x": True}, {"x": "margin"}):
        figure = drawn(folder, name, **options)
        save_figure(figure, tmp_path / "x.png")
        for axes in figure.axes:
            assert np.isfinite(axes.get_ylim()).all()


@pytest.mark.parametrize("name", SAMPLED)
def test_nothing_finite_at_all(tmp_path, name):
    data = {k: v if k == "step" else np.full_like(v, np.nan) for k, v in rows().items()}
    figure = drawn(recorded(tmp_path / "run", data), name)
    save_figure(figure, tmp_path / "x.pdf")
    assert any(t.get_text() == "no finite values" for axes in figure.axes for t in axes.texts)


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("size", ["column", "page"])
def test_pictures_have_their_size_and_are_not_blank(run, tmp_path, name, size):
    path = save_figure(drawn(run, name, size=size), tmp_path / f"{name}.png")
    with Image.open(path) as image:
        assert image.width == {"column": 1020, "page": 2100}[size]
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    coloured = np.ptp(pixels, axis=2) > 60
    assert coloured.mean() > 0.001
    frame = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel()])
    assert (frame > 240).all()  # nothing is cut off at the edge


@pytest.mark.parametrize("name", SAMPLED)
def test_legends_lie_outside_the_data(run, name):
    figure = drawn(run, name)
    figure.draw_without_rendering()
    for axes in figure.axes:
        if axes.get_legend() is not None:
            assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1 - 1


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_the_same_run_gives_the_same_file(run, tmp_path, suffix):
    one = save_figure(drawn(run, "risk"), tmp_path / f"1.{suffix}").read_bytes()
    two = save_figure(drawn(run, "risk"), tmp_path / f"2.{suffix}").read_bytes()
    assert one == two


def test_fonts_are_embedded_in_pdf(run, tmp_path):
    text = save_figure(drawn(run, "risk"), tmp_path / "x.pdf").read_bytes()
    assert b"/FontFile2" in text
    assert b"/Type3" not in text


def test_pyplot_is_not_touched(run):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    drawn(run, "risk")
    assert dict(mpl.rcParams) == before


def test_what_a_run_did_not_record_cannot_be_drawn(tmp_path):
    kept = {k: v for k, v in rows().items() if k in ("step", "time", "log_risk")}
    folder = recorded(tmp_path / "bare", kept)
    for name in ("margins", "directions", "norms"):
        with pytest.raises(BadInput, match=f"'{name}' cannot be drawn"):
            drawn(folder, name)


def test_a_run_without_records_cannot_be_drawn(tmp_path):
    empty = {k: v[:0] for k, v in rows().items()}
    folder = tmp_path / "empty"
    folder.mkdir()
    layouts = [SeriesLayout(k, v.shape[1:]) for k, v in empty.items() if k != "step"]
    store = RunStore.create(
        folder,
        attributes=sample_run.ATTRIBUTES,
        x=X,
        y=np.ones(4),
        series=layouts,
        coordinates={},
    )
    store.finish(RunStatus.STOPPED)
    for name in SAMPLED:
        with pytest.raises(BadInput, match="no records yet"):
            drawn(folder, name)


def test_a_failed_write_leaves_nothing(run, tmp_path):
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        save_figure(drawn(run, "risk"), tmp_path / "taken.png")
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]
