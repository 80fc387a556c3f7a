"""The figure on optimality: neurons of both points, the family, the bars, and what it cannot draw."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.config.toml import override, parse_config
from workbench.errors import BadInput
from workbench.figures import FigureOptions, draw_figure
from workbench.presets import read_preset
from workbench.record.reader import RunReader
from workbench.run.session import Session


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Trains a preset with settings and draws it."""
    runs = tmp_path_factory.mktemp("runs")

    def draw(preset, *settings, size="column"):
        values = override(read_preset(preset), ["device.kind=cpu", *settings])
        with Session.create(parse_config(values, "test"), runs) as session:
            session.start()
            assert session.wait(60)
        with RunReader(session.folder) as reader:
            return draw_figure(reader, "optimality", FigureOptions(size=size))

    return draw


def test_neurons_and_family_of_no_local_optimum(drawn):
    figure = drawn("vss22-3.2")
    compass, gains = figure.axes
    assert "not local" in figure.get_suptitle()
    # θ~'s one neuron and the ring of the other, and the two of the shorter point.
    ends = np.array([arrow.xy for arrow in compass.texts])
    assert ends[0] == pytest.approx([0.0, 4.0], abs=1e-6)
    assert sorted(np.sign(ends[1:, 0])) == [-1, 1]
    family, far = gains.get_lines()
    distance, gain = family.get_data()
    assert (np.diff(distance) > 0).all()
    assert (np.diff(gain) > 0).all()
    assert distance[0] < 1e-4
    assert far.get_ydata()[0] == pytest.approx(8 - 4 / np.hypot(1, 0.25), rel=1e-6)


def test_bars_of_a_global_optimum(drawn):
    (bars,) = drawn("vss22-4.2a").axes
    lengths = [patch.get_width() for patch in bars.patches]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-9)
    assert [label.get_text() for label in bars.get_yticklabels()][1] == "lower bound"


def test_the_margin_of_a_network_without_order_falls(drawn):
    (axes,) = drawn("vss22-6.1", "train.steps=2000").axes
    margin = axes.get_lines()[0].get_ydata()
    assert margin[0] == pytest.approx(0.910684, abs=1e-6)
    assert (np.diff(margin) < 0).all()


def test_states_without_a_verdict_are_refused(drawn):
    with pytest.raises(BadInput, match="not separated"):
        drawn("vss22-3.2", "init.values.u=[[-0.1, -1.0], [0.1, -1.0]]", "train.steps=1")
    with pytest.raises(BadInput, match="recorded no theta"):
        drawn("vss22-4.1", "record.theta=false")


def test_a_network_without_order_and_an_output_a_class(drawn):
    """Its margin is that of the classes; with the square loss there is none to draw."""
    model = "model={kind='residual', width=4, blocks=1, batch_norm=false}"
    data = "data={kind='inline', x=[[1.0, 0.2], [-0.3, 1.0], [-0.5, -0.8]], y=[0, 1, 2]}"
    start = "init={kind='gaussian', scale=0.5}"
    loss = "loss={kind='cross-entropy'}"
    steps = "train={rule='constant', lr=0.1, steps=20}"
    (axes,) = drawn("vss22-6.1", model, data, start, loss, steps).axes
    margin = axes.get_lines()[0].get_ydata()
    assert np.isfinite(margin).all()
    assert "q_i" in axes.get_ylabel()
    with pytest.raises(BadInput, match="square loss"):
        drawn("vss22-6.1", "loss={kind='square'}", "train={rule='constant', lr=0.1, steps=20}")
