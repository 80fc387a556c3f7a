"""Figures of the papers over real runs: the learning rate, the distance from a saddle, the early phase, the
linear predictor, each against numbers got another way."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished

from workbench.errors import BadInput
from workbench.figures import FigureOptions, draw_figure
from workbench.figures.distance import DISTANCE
from workbench.figures.hat import hat
from workbench.figures.learning_rate import ALPHA, ETA
from workbench.figures.series import RunSeries
from workbench.record.reader import RunReader

LINEAR = (
    "model.kind=deep-linear",
    "model.width=4",
    "init.scale=0.5",
    "loss.reduction=mean",
    "train.rule=flow",
    "train.steps=300",
    "train.until.log10_risk=-40",
    "record.every=1",
)


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """A linear network of depth 1 and one of depth 3 on the same samples."""
    folder = tmp_path_factory.mktemp("linear")
    return [finished(folder / d, *LINEAR, f"model.depth={d}").folder for d in ("1", "3")]


def panel(figure, label):
    (found,) = (axes for axes in figure.axes if axes.get_ylabel() == label)
    return found


@pytest.mark.parametrize("batch", [0, 4])
def test_alpha_is_on_the_grid_of_its_rule(tmp_path, batch):
    """α(0) times whole powers of 2^{1/10}, to rounding: η is held against the risk at its epoch's start."""
    rule = ("train.rule=loss-based", "train.lr=0.1", f"train.batch={batch}", "train.steps=60")
    folder = finished(tmp_path, *rule, "record.every=1").folder
    with RunReader(folder) as reader:
        figure = draw_figure(reader, "learning-rate")
        eta = reader.read("learning_rate_log") / np.log(10.0)
    np.testing.assert_array_equal(panel(figure, ETA).get_lines()[0].get_ydata(), eta)
    alpha = panel(figure, ALPHA).get_lines()[0].get_ydata()
    powers = 10.0 * np.log2(alpha[np.isfinite(alpha)] / 0.1)
    assert len(powers) > 50
    assert len(set(powers.round().astype(int))) > 2
    np.testing.assert_allclose(powers, powers.round(), atol=1e-9)


def test_a_constant_rate_is_level_and_others_say_what_is_missing(tmp_path):
    folder = finished(tmp_path / "constant", "train.steps=20").folder
    with RunReader(folder) as reader:
        (axes,) = draw_figure(reader, "learning-rate").axes
    assert set(axes.get_lines()[0].get_ydata()) == {np.log10(5e-3)}
    folder = finished(tmp_path / "flow", "train.steps=20", "train.rule=flow").folder
    with RunReader(folder) as reader, pytest.raises(BadInput, match="learning_rate_log"):
        draw_figure(reader, "learning-rate")


def test_the_distance_is_from_the_point_that_the_start_is_noise_around(tmp_path):
    point = [[0.7, 0.0], [0.0, 0.0]]
    settings = (
        "model.kind=squared-relu",
        "model.width=2",
        "init={kind='inline', noise=1e-3, values={u=[[0.7, 0.0], [0.0, 0.0]]}}",
        "loss.kind=square",
        "train.steps=100",
    )
    for theta in ("true", "false"):
        folder = finished(tmp_path / theta, *settings, f"record.theta={theta}").folder
        with RunReader(folder) as reader:
            axes = panel(draw_figure(reader, "distance"), DISTANCE)
            (line,) = axes.get_lines()
            if theta == "true":
                way = reader.read("theta") - np.ravel(point)
                np.testing.assert_allclose(line.get_ydata(), np.sqrt((way**2).sum(axis=1)))
            else:  # of the checkpoints
                assert 2 <= len(line.get_xdata()) < reader.n_records
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["the start without its noise"]


def test_without_a_saddle_there_is_no_distance(linear):
    with RunReader(linear[0]) as reader, pytest.raises(BadInput, match="noise around no point"):
        draw_figure(reader, "distance")


def test_the_early_phase_shares_one_axis(tmp_path):
    folder = finished(tmp_path, "train.steps=60").folder
    with RunReader(folder) as reader:
        risk, norm, directions = draw_figure(reader, "early").axes
        steps, rho = reader.read("step"), reader.read("rho")
        count = reader.read("neuron_angle").shape[1]
    np.testing.assert_array_equal(norm.get_lines()[0].get_xdata(), steps)
    np.testing.assert_array_equal(norm.get_lines()[0].get_ydata(), rho)
    assert len(directions.get_lines()) >= count
    assert risk.get_xlim() == norm.get_xlim() == directions.get_xlim() == (0, 60)


def test_predictors_turn_to_the_hard_margin(linear):
    readers = [RunReader(folder) for folder in linear]
    below, above = draw_figure(readers, "predictor").axes
    for reader, line in zip(readers, below.get_lines(), strict=True):
        angle = line.get_ydata()
        assert angle[-1] < 0.3 * np.nanmax(angle)
        reader.close()
    with RunReader(linear[0]) as reader:
        w, x, y = reader.read("theta")[-1], reader.x, reader.y
        (line,) = draw_figure(reader, "predictor", FigureOptions(x="step")).axes[0].get_lines()
    # Of all directions of a fine circle the one of largest margin is ū, to half a step.
    circle = np.radians(np.arange(0.0, 360.0, 0.01))
    margins = (y[:, None] * (x @ np.stack([np.cos(circle), np.sin(circle)]))).min(axis=0)
    turned = np.degrees(circle[margins.argmax()] - np.arctan2(w[1], w[0]))
    turned = abs((turned + 180.0) % 360.0 - 180.0)
    assert line.get_ydata()[-1] == pytest.approx(turned, abs=0.006)
    assert [t.get_text() for t in above.get_legend().get_texts()][:2] == ["depth 1", "depth 3"]


def test_the_hat_is_its_networks(tmp_path):
    """f = 1 − h/ρ^L of the run's own network, at recorded and other points."""
    settings = (
        "data={kind='inline', x=[[1.0, 0.0]], y=[1]}",
        "model={kind='mexican-hat', order=0.5}",
        "init={kind='inline', values={plane=[[0.3, 0.4]], height=[0.8]}}",
        "loss.kind=exponential",
        "train.rule=flow",
        "train.steps=40",
        "record.every=1",
    )
    folder = finished(tmp_path, *settings).folder
    with RunReader(folder) as reader:
        figure = draw_figure(reader, "hat")
        theta = reader.read("theta")
        risk = RunSeries(reader).run.state().risk
    points = np.random.default_rng(0).standard_normal((20, 3))
    for point in (theta[0], theta[-1], *points):
        rho = np.linalg.norm(point)
        (h,) = risk.outputs(point)
        u, v, w = point / rho
        assert hat(u, v, abs(w), 3) == pytest.approx(1.0 - h / rho**0.5, abs=1e-12)
    seen = figure.axes[1].get_lines()[1]
    way = theta[:, :2] / np.linalg.norm(theta, axis=1, keepdims=True)
    np.testing.assert_allclose(np.column_stack(seen.get_data()), way)


def test_other_networks_have_neither_predictor_nor_hat(tmp_path):
    folder = finished(tmp_path, "train.steps=20").folder
    with RunReader(folder) as reader:
        with pytest.raises(BadInput, match="no fully connected linear"):
            draw_figure(reader, "predictor")
        with pytest.raises(BadInput, match=r"that of run '.*' is two-layer-relu"):
            draw_figure(reader, "hat")
