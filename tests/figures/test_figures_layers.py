"""The figures `layers` and `mapped` over real runs, and what they say where they cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished

from workbench.errors import BadInput
from workbench.figures import FigureOptions, default_axis, draw_figure
from workbench.figures.style import INK
from workbench.presets import load_config
from workbench.record.reader import RunReader

DEEP = (
    "model.kind=deep-linear",
    "model.width=5",
    "model.depth=3",
    "init.scale=0.5",
    "loss.reduction=mean",
    "train.rule=flow",
    "train.steps=400",
    "train.until.log10_risk=-80",
    "record.every=1",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("linear"), *DEEP).folder


def drawn(folder, name, **options):
    with RunReader(folder) as reader:
        return draw_figure(reader, name, FigureOptions(**options) if options else None)


@pytest.mark.parametrize("size", ["column", "page"])
def test_layers_show_ratios_and_alignments_against_the_risk(run, size):
    figure = drawn(run, "layers", size=size, x="margin")
    upper, lower = figure.axes
    assert [t.get_text() for t in upper.get_legend().get_texts()] == [
        "$W_{1}$",
        "$W_{2}$",
        "$W_{3}$",
        "$d^{-1/2}$",
    ]
    with RunReader(run) as reader:
        ratios = reader.read("layer_rank1")
        svm = reader.read("svm_alignment")
    curves = [line.get_ydata() for line in upper.get_lines()]
    assert any(np.array_equal(curve, ratios[:, 1]) for curve in curves)
    assert lower.get_yscale() == "log"
    assert any(
        len(c) == len(svm) and np.allclose(c, np.maximum(1 - svm, 1e-16), rtol=1e-12)
        for c in (line.get_ydata() for line in lower.get_lines())
    )
    assert "mathcal" in lower.get_xlabel()


def test_the_risk_is_the_axis_by_default(run):
    assert default_axis("layers") == "margin"
    assert default_axis("risk") == "step"
    assert drawn(run, "layers").axes[-1].get_xlabel() == r"$\ln(n/\mathcal{L})$"
    assert drawn(run, "layers", x="step").axes[-1].get_xlabel() == "gradient steps"


def test_mapped_shows_every_layer_early_and_at_the_end(run):
    figure = drawn(run, "mapped")
    assert len(figure.axes) == 8
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes[:4]]
    assert titles == ["$x$", "$W_{1}x$", "$W_{2}W_{1}x$", r"$W_{3}\cdots W_1x$"]
    early, late = (float(figure.axes[k].get_title().split("=")[1]) for k in (1, 5))
    # v_2 lies along what W_1 x has become: nearly level at the end, in principal axes.
    (v,) = (line for line in figure.axes[5].get_lines() if line.get_color() == INK)
    (left, right), (low, high) = v.get_xdata(), v.get_ydata()
    assert abs(high - low) < 0.05 * abs(right - left)
    assert not any(line.get_color() == INK for line in figure.axes[7].get_lines())
    assert late < 0.5 * early
    plane = np.concatenate([np.asarray(c.get_offsets()) for c in figure.axes[5].collections])
    assert len(plane) == 12


def test_networks_without_such_layers_are_refused_in_a_sentence(tmp_path):
    one = finished(tmp_path / "one", "train.steps=20").folder
    digits = finished(
        tmp_path / "digits",
        "data.kind=digits",
        "data.n=20",
        "loss.kind=cross-entropy",
        "model.kind=cnn",
        "model.channels=[2,2]",
        "model.width=4",
        "init.kind=uniform",
        "train.steps=10",
    ).folder
    for folder, name, words in (
        (one, "layers", "layer_rank1"),
        (one, "mapped", "no matrices"),
        (digits, "mapped", "no matrices"),
    ):
        with pytest.raises(BadInput, match=words) as caught:
            drawn(folder, name)
        assert "\n" not in str(caught.value)
    figure = drawn(digits, "layers")
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert texts == ["$W_{3}$", "$W_{4}$", "$d^{-1/2}$"]
    dotted = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    # Dense layers whose smaller side is 4, and the line at 1.
    levels = sorted(float(line.get_ydata()[0]) for line in dotted)
    assert levels == pytest.approx([0.5, 0.5, 1.0])


@pytest.mark.parametrize("name", ["jt19-fig1", "jt19-fig2", "jt19-fig3"])
def test_the_presets_meet_assumption_12_and_say_what_to_look_for(name):
    from workbench.engine.program import RowBuffer
    from workbench.run.experiment import experiment_of

    config = load_config(name)
    assert "Watch" in config.description
    if config.model.kind != "deep-linear":
        return
    experiment = experiment_of(config)
    buffer = RowBuffer(1, experiment.state.theta, experiment.output_shape)
    experiment.program.evaluate(experiment.state, buffer)
    values = experiment.panel.compute(buffer.take())
    assert values["log_risk"][0] <= np.log(np.log(2.0))
    assert experiment.panel.layers.svm is not None
