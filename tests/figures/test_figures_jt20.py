"""Contours over the plane and margins in their final order: what is drawn, of real runs, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.errors import BadInput
from workbench.figures import draw_figure, save_figure
from workbench.figures.margins import AT_UNIT_NORM
from workbench.figures.network import network_for
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.measures.plane import PlaneSurface, plane_grid
from workbench.presets import load_config
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.theory.margin.tangent_classifier import tangent_classifier

PLANAR = {"kind": "jt20-planar", "n": 24, "margin": 0.5}
SQUARED = {"kind": "squared-relu", "width": 40, "signs": "random"}


def trained(folder, steps=120, **tables):
    values = {
        "data": PLANAR,
        "model": SQUARED,
        "init": {"kind": "gaussian", "scale": 0.1},
        "loss": {"kind": "logistic"},
        "train": {"rule": "normalized", "lr": 0.05, "steps": steps},
        "record": {"every": 5},
        "checkpoint": {"every": 20, "keep": 50},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
        **tables,
    }
    with Session.create(parse_config(values, "test"), folder) as session:
        session.start()
        assert session.wait(60)
        assert session.engine.error is None
    return session.folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("planar"))


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize("size", ["column", "page"])
def test_contours_show_the_kernel_the_first_right_state_and_the_last(run, tmp_path, size):
    with RunReader(run) as reader:
        figure = draw_figure(reader, "contours", FigureOptions(size=size))
        right = reader.read("step")[reader.read("accuracy") == 1.0]
    assert titles(figure)[0] == "tangent kernel at the start"
    assert titles(figure)[-1] == "step 120"
    assert len(titles(figure)) == 3
    assert titles(figure)[1] == f"no errors, step {int(right[0]):,}"
    assert save_figure(figure, tmp_path / "contours.png").stat().st_size > 10_000


def test_the_kernels_classifier_is_the_svm_of_its_features(run):
    """Its margin over the samples is at least that of any other direction tried."""
    with RunReader(run) as reader:
        series = RunSeries(reader)
        network, theta = network_for(series, "contours"), series.run.theta(0)
    x, y = network.dataset.x, network.dataset.y
    surface = PlaneSurface(network.model, plane_grid(x, 3, 3), x)
    tangents = surface.tangents(theta, x)
    h = 1e-6
    along = np.random.default_rng(0).standard_normal(theta.size)
    slopes = tangents @ along
    for k in (0, 7):
        grid = PlaneSurface(network.model, plane_grid(x, 2, 2), x)
        grid._inputs = grid._inputs.new_tensor(np.repeat(x[k : k + 1], 4, axis=0))
        difference = (grid.at(theta + h * along) - grid.at(theta - h * along))[0, 0] / (2 * h)
        assert slopes[k] == pytest.approx(difference, rel=1e-4, abs=1e-6)
    direction, svm = tangent_classifier(tangents, y)
    best = (y * (tangents @ direction)).min()
    assert best == pytest.approx(svm.margin, rel=1e-9)
    for seed in range(20):
        other = direction + 0.1 * np.random.default_rng(seed).standard_normal(theta.size)
        assert (y * (tangents @ other)).min() / np.linalg.norm(other) < best


def test_an_ntk_run_is_drawn_beside_its_largest_margin(tmp_path):
    base = {"kind": "squared-relu", "width": 10, "signs": "random"}
    folder = trained(
        tmp_path, steps=40, model={"kind": "ntk", "base": base}, init={"kind": "gaussian"}
    )
    with RunReader(folder) as reader:
        assert titles(draw_figure(reader, "contours"))[0] == "largest margin"


def test_what_has_no_plane_or_several_outputs_is_refused(tmp_path):
    digits = {
        "data": {"kind": "digits", "n": 30},
        "model": {"kind": "deep-relu", "widths": [4]},
        "init": {"kind": "he"},
        "loss": {"kind": "cross-entropy"},
    }
    folder = trained(tmp_path, steps=10, **digits)
    with RunReader(folder) as reader, pytest.raises(BadInput, match="64 numbers"):
        draw_figure(reader, "contours")


@pytest.mark.parametrize("model", [SQUARED, {"kind": "residual", "width": 5, "blocks": 1}])
def test_ordered_margins_say_how_they_are_normalized(tmp_path, model):
    """Over the median as the paper has them, and over ρ^L before that where the network has an order."""
    folder = trained(tmp_path, model=model, init={"kind": "he"})
    with RunReader(folder) as reader:
        figure = draw_figure(reader, "margins-ordered", FigureOptions(log_x=True))
        name = "margins" if model is SQUARED else "margins_median_normalized"
        last = reader.read(name)[-1]
    shown = {r"$q_i/\rho^L$": last} if model is SQUARED else {}
    shown[r"$q_i$ / median of $q_j\geq 0$"] = last / np.median(last[last >= 0])
    panels = [axes for axes in figure.axes if axes.get_ylabel() in shown]
    assert [axes.get_ylabel() for axes in panels] == list(shown)
    assert "24 samples" in panels[0].get_title(loc="left")
    for axes in panels:
        ends = [path.vertices[-1, 1] for path in axes.collections[0].get_paths()]
        assert ends == sorted(ends)
        assert ends == pytest.approx(sorted(shown[axes.get_ylabel()]))


def test_margins_of_a_network_without_an_order_are_over_their_median(tmp_path):
    """The preset with biases asks to compare its margins: they are drawn as its file keeps them."""
    values = parse_toml(to_toml(load_config("ll20-fig1-cnn-bias")), "test")
    small = ["data.n=30", "model.channels=[2, 3]", "model.width=8", "train.batch=10"]
    quick = ["train.steps=60", "record.every=6", "device.kind=cpu"]
    config = parse_config(override(values, [*small, *quick]), "test")
    with Session.create(config, tmp_path) as session:
        session.start()
        assert session.wait(60)
    with RunReader(session.folder) as reader:
        assert not reader.has("margins")
        figure = draw_figure(reader, "margins")
        kept = reader.read("margins_median_normalized")
        at_unit_norm = reader.read("margin_normalized")
    upper, lower = figure.axes
    assert "median" in lower.get_ylabel()
    assert upper.lines[0].get_label() == AT_UNIT_NORM
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), at_unit_norm)
    drawn = np.array([line.get_ydata() for line in lower.lines[1:]])
    np.testing.assert_array_equal(drawn, kept.T)
