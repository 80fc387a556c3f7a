"""Figures of a study: what is on the page is what the data set holds, N and members left out included."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from PIL import Image

from tests.study.fake_dataset import studied
from workbench.errors import BadInput
from workbench.figures import save_figure
from workbench.study.figures import STUDY_FIGURES, StudyFigureOptions, draw_study_figure
from workbench.study.figures.keys import value_text, value_texts


def texts(figure):
    """Every text of a figure that a reader sees."""
    found = []
    for axes in figure.axes:
        legend = axes.get_legend()
        parts = [axes.xaxis.label, axes.yaxis.label, *axes.texts]
        if legend is not None:
            parts += [legend.get_title(), *legend.get_texts()]
        found += [part.get_text() for part in parts]
    return [*found, figure.get_supxlabel()]


@pytest.mark.parametrize(
    ("name", "size"), [*((name, "column") for name in STUDY_FIGURES), ("escape", "page")]
)
def test_every_figure_lies_within_its_page(name, size, tmp_path):
    dataset = studied(seeds=25, widths=(5, 10), never=[(0, 3, 0)])
    figure = draw_study_figure(dataset, name, StudyFigureOptions(size=size))
    picture = np.asarray(Image.open(save_figure(figure, tmp_path / "x.png")).convert("L"))
    assert picture.min() < 60
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert edge.min() > 250


def test_a_phase_of_numbers_is_the_median_over_seeds():
    dataset = studied(widths=(5, 10, 20), never=[(0, 0, 0)])
    figure = draw_study_figure(dataset, "phase", StudyFigureOptions(of="saddle_escape_step"))
    mesh = next(c for c in figure.axes[0].collections if isinstance(c, QuadMesh))
    expected = dataset.saddle_escape_step.isel(saddle=0).median("init.seed")
    drawn = np.asarray(mesh.get_array()).reshape(3, 4)
    assert drawn == pytest.approx(expected.transpose("model.width", "init.scale").values)
    assert "(median, N = 29–30 a cell)" in figure.axes[1].yaxis.label.get_text()


def test_a_phase_of_words_divides_cells_by_their_shares():
    dataset = studied(seeds=10)
    dataset["status"].values[:3, 1] = "diverged"
    dataset["status"].values[:, 2] = ""
    figure = draw_study_figure(dataset, "phase", StudyFigureOptions(of="status"))
    finished, diverged = [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]
    widths = [np.ptp(path.vertices[:, 0]) for path in finished.get_paths()]
    assert widths == pytest.approx([1.0, 0.7, 1.0])
    assert [np.ptp(p.vertices[:, 0]) for p in diverged.get_paths()] == pytest.approx([0.3])
    assert {"finished", "diverged", "none"} <= set(texts(figure))
    assert any("N = 10 a cell" in text for text in texts(figure))


def test_bands_are_quantiles_and_their_legend_says_n():
    dataset = studied(seeds=40)
    dataset["log_risk"].values[:4, 0, 50:] = np.nan
    figure = draw_study_figure(dataset, "bands")
    (axes,) = figure.axes
    curves = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
    expected = dataset.log_risk.median("init.seed") / np.log(10.0)
    for k, curve in enumerate(curves):
        assert curve.get_ydata() == pytest.approx(expected.isel({"init.scale": k}).values)
    lower = axes.collections[0].get_paths()[0].vertices[:, 1].min()
    q = dataset.log_risk.isel({"init.scale": 0}).quantile(0.05, "init.seed") / np.log(10.0)
    assert lower == pytest.approx(float(q.min()))
    said = texts(figure)
    assert "$10^{-1}$, N = 36–40" in said
    assert "5–95 %" in said


def test_a_curve_goes_through_the_steps_that_its_members_have():
    dataset = studied(seeds=4)
    dataset["log_risk"].values[:, 0, 1::2] = np.nan
    first = draw_study_figure(dataset, "bands").axes[0].get_lines()[0]
    assert list(first.get_xdata()) == list(dataset.step.values[::2])
    assert np.isfinite(first.get_ydata()).all()


def test_few_members_have_a_band_of_all():
    assert "all" in texts(draw_study_figure(studied(seeds=5), "bands"))


def test_escape_says_slope_n_and_who_never_escaped():
    figure = draw_study_figure(studied(never=[(0, 3), (1, 3)]), "escape")
    said = texts(figure)
    assert any(text.startswith("means: −1.0") and "[−1.0" in text for text in said)
    assert any(text.startswith("members: −1.0") for text in said)
    assert "N = 118 of 120; not in the fit: 2 never escaped." in said[-1]
    assert "$10^{-4}$: 2." in said[-1]


def test_targets_say_who_is_not_counted():
    dataset = studied(seeds=100)
    figure = draw_study_figure(dataset, "targets", StudyFigureOptions(saddle=2))
    met = int(dataset.saddle_step.isel(saddle=1).notnull().sum())
    assert f"N = {met} of 400 members" in figure.get_supxlabel()
    assert f"{400 - met} met no such saddle" in figure.get_supxlabel()
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["maximum, 20°", "maximum, 140°", "saddle, −95°"]


REFUSALS = [
    ("fase", {}, r"unknown figure of a study 'fase'.*Did you mean 'phase'"),
    ("phase", {"of": "statsu"}, r"unknown outcome 'statsu' in --of.*Did you mean 'status'"),
    ("phase", {"over": ("init.seed", "init.scale", "x")}, "over 2 keys at most"),
    ("phase", {"over": ("init.scael",)}, r"Did you mean 'init\.scale'"),
    ("phase", {"over": ("init.scale", "init.scale")}, "name keys of two dimensions"),
    ("bands", {"of": "log_riks"}, "Did you mean 'log_risk'"),
    ("bands", {"over": ("init.seed",)}, "has room for 12 curves"),
    ("targets", {"over": ("init.seed",)}, "12 choices at most"),
    ("escape", {"over": ("init.seed",)}, "positive numbers"),
]


@pytest.mark.parametrize(("name", "options", "text"), REFUSALS)
def test_refusals(name, options, text):
    with pytest.raises(BadInput, match=text):
        draw_study_figure(studied(), name, StudyFigureOptions(**options))


def test_nothing_has_happened_yet():
    dataset = studied(seeds=3)
    for name in ("saddle_escape_step", "saddle_target_direction"):
        dataset[name].values[:] = np.nan
    dataset["status"].values[:] = "waiting"
    with pytest.raises(BadInput, match="12 not at their end"):
        draw_study_figure(dataset, "escape")
    with pytest.raises(BadInput, match="of no member it is known"):
        draw_study_figure(dataset, "targets")
    assert "waiting" in texts(draw_study_figure(dataset, "phase"))


def test_a_key_with_one_choice_left_is_no_axis():
    dataset = studied(seeds=8, widths=(5, 10)).isel({"init.scale": [0]})
    figure = draw_study_figure(dataset, "phase")
    assert figure.axes[0].get_xlabel() == "model.width"
    one = draw_study_figure(dataset.isel({"model.width": [1]}), "bands")
    assert "N = 8" in texts(one)


def test_a_study_of_one_member():
    dataset = studied().isel({"init.seed": 0, "init.scale": 0}, drop=True)
    assert "N = 1" in texts(draw_study_figure(dataset, "bands"))
    assert (
        "maximum" in draw_study_figure(dataset, "targets").axes[0].get_yticklabels()[0].get_text()
    )
    for name in ("phase", "escape"):
        with pytest.raises(BadInput, match=r"grid has none|no key of this study"):
            draw_study_figure(dataset, name)


def test_options_as_they_are_typed():
    found = StudyFigureOptions.checked(
        of="", over="init.scale, model.width", saddle=1, log_x=False, size="page"
    )
    assert (found.of, found.over) == (None, ("init.scale", "model.width"))
    with pytest.raises(BadInput, match="empty key"):
        StudyFigureOptions.checked(of=None, over="a,,b", saddle=1, log_x=False, size="page")
    with pytest.raises(BadInput, match="--saddle 0"):
        StudyFigureOptions.checked(of=None, over="", saddle=0, log_x=False, size="page")


def test_values_on_a_page():
    assert [value_text(v) for v in (1, 0.5, 2000, 1e-3, 2.5e-4, True, "a$b\x1b")] == [
        "1",
        "0.5",
        "2,000",
        "$10^{-3}$",
        r"$2.5\times10^{-4}$",
        "yes",
        r"a\$b ",
    ]
    assert value_texts(studied(scales=(1.0, 1e-1, 1e-3)), "init.scale") == [
        "$10^{0}$",
        "$10^{-1}$",
        "$10^{-3}$",
    ]
