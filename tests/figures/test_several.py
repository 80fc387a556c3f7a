"""Figures of several runs: each run's own numbers in one colour, names by what differs, one axis for all."""

from __future__ import annotations

import numpy as np
import pytest

from tests.record import sample_run
from workbench.errors import BadInput
from workbench.figures import FIGURES, FigureOptions, draw_figure
from workbench.figures.differences import labels_of
from workbench.figures.registry import MOST_RUNS
from workbench.figures.series import RunSeries
from workbench.protocol.status import RunStatus
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore

T = 40
CONFIG = """
[data]
kind = "inline"
x = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 1.0]]
y = [1, -1, 1, 1, -1]
[model]
kind = "two-layer-relu"
width = 2
[init]
kind = "gaussian"
scale = {scale}
[loss]
kind = "logistic"
[train]
rule = "{rule}"
lr = {lr}
batch = 2
steps = 400
"""


def recorded(folder, name, slope=0.05, *, scale=0.1, rule="constant", lr=0.01, **changed):
    """A run whose risk falls by `slope` a record, and rises again for three of them."""
    step = 10 * np.arange(T)
    log_risk = 1.0 - slope * np.arange(T)
    log_risk[10:13] += 0.5
    values = {
        "step": step,
        "time": 0.1 * step,
        "log_risk": log_risk,
        "rho": 1.0 + 0.1 * np.arange(T),
        "margin_normalized": 1e-5 * np.linspace(-1.0, 4.0, T),
        "margin_multi": 1e-5 * np.linspace(-1.0, 8.0, T),
        "accuracy": np.linspace(0.4, 1.0, T),
        "test_accuracy": np.linspace(0.3, 0.8, T),
        **changed,
    }
    (folder / name).mkdir(parents=True)
    config = CONFIG.format(scale=scale, rule=rule, lr=lr)
    store = RunStore.create(
        folder / name,
        attributes={**sample_run.ATTRIBUTES, "name": name, "config": config},
        x=np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 1.0]]),
        y=np.array([1.0, -1.0, 1.0, 1.0, -1.0]),
        series=[SeriesLayout(k) for k in values if k != "step"],
        coordinates={},
    )
    store.append(values)
    store.finish(RunStatus.FINISHED)
    return RunReader(folder / name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    both = [recorded(folder, "slow"), recorded(folder, "fast", 0.2, lr=0.02)]
    yield both
    for reader in both:
        reader.close()


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def lines(axes, colour):
    return [line for line in axes.get_lines() if line.get_color() == colour]


def test_every_run_has_its_numbers_in_a_colour_of_its_own(runs):
    (axes,) = draw_figure(runs, "risk").axes
    assert legend(axes) == ["lr 0.01", "lr 0.02"]
    for handle, reader in zip(axes.get_legend().get_lines(), runs, strict=True):
        (line,) = lines(axes, handle.get_color())
        np.testing.assert_array_equal(line.get_xdata(), reader.read("step"))
        np.testing.assert_allclose(line.get_ydata(), reader.read("log_risk") / np.log(10.0))
    assert axes.get_xlim() == (0, 10 * (T - 1))


def test_quantities_have_dashes_and_panels(runs):
    (axes,) = draw_figure(runs, "accuracy").axes
    assert legend(axes) == ["lr 0.01", "lr 0.02", "training", "held out"]
    dashes = [line.get_linestyle() for line in axes.get_lines()]
    assert dashes == ["-", "--"] * 2
    by_norm, by_layer = draw_figure(runs, "margins").axes
    assert len(by_norm.get_lines()) == len(by_layer.get_lines()) == 3  # with the line at 0


def test_epochs_are_steps_over_batches(runs):
    (axes,) = draw_figure(runs, "risk", FigureOptions(x="epoch")).axes
    # Five samples in batches of two: three steps an epoch.
    np.testing.assert_allclose(axes.get_lines()[0].get_xdata(), runs[0].read("step") / 3)
    assert axes.get_xlabel() == "epochs"


def test_a_flow_has_no_epochs(tmp_path):
    with recorded(tmp_path, "flow", rule="flow") as reader, pytest.raises(BadInput, match="flow"):
        draw_figure(reader, "risk", FigureOptions(x="epoch"))


@pytest.mark.parametrize("name", ["risk", "norms", "margins", "accuracy"])
def test_no_curve_goes_back_where_the_risk_rises(runs, name):
    for readers in (runs, runs[0]):
        figure = draw_figure(readers, name, FigureOptions(x="margin"))
        for axes in figure.axes:
            for line in axes.get_lines():
                assert (np.diff(line.get_xdata()) >= 0).all()
            drawn = max(len(line.get_xdata()) for line in axes.get_lines())
            assert T - 20 < drawn < T


def test_what_multiplies_an_axis_stands_beside_its_name(runs):
    for axes in draw_figure(runs, "margins").axes:
        assert r"10^{−5}" in axes.get_ylabel().replace("-", "−")
        assert not axes.yaxis.get_offset_text().get_visible()


def labels(*readers):
    found = labels_of([RunSeries(reader) for reader in readers])
    for reader in readers:
        reader.close()
    return found


def test_runs_are_called_by_what_differs(tmp_path):
    rules = [
        recorded(tmp_path / "a", "one", rule="normalized"),
        recorded(tmp_path / "a", "two", scale=1e-8),
    ]
    assert labels(*rules) == ["scale 0.1, normalized", "scale 1e-08, constant"]


def test_a_rule_is_told_only_with_what_it_looks_at(tmp_path):
    found = labels(
        recorded(tmp_path, "a", rule="momentum", lr="0.01\nmomentum = 0.5"), recorded(tmp_path, "b")
    )
    assert found == ["momentum, momentum 0.5", "constant"]


def test_runs_of_one_configuration_are_called_by_their_names(tmp_path):
    assert labels(recorded(tmp_path, "one"), recorded(tmp_path, "two")) == ["one", "two"]


def test_margins_in_norms_have_a_panel_a_norm_and_a_colour_a_run(tmp_path, runs):
    rise = np.linspace(0.0, 0.7, T)
    sign, l1 = (
        recorded(
            tmp_path,
            name,
            rule=rule,
            **{f"margin_normalized_{norm}": rise, f"margin_smoothed_{norm}": rise - 0.1},
        )
        for name, rule, norm in (("a", "sign", "linf"), ("b", "coordinate", "l1"))
    )
    figure = draw_figure([sign, l1], "margins-norms")
    # ℓ2's margins are so small that their label has a power of ten.
    assert [axes.get_ylabel().split("  (")[0] for axes in figure.axes] == [
        r"margin in $\ell_2$",
        r"margin in $\ell_1$",
        r"margin in $\ell_\infty$",
    ]
    (shown,) = (
        line
        for line in figure.axes[2].get_lines()
        if line.get_linestyle() == "-" and line.get_linewidth() > 1
    )
    assert shown.get_ydata().tolist() == rise.tolist()
    (dashed,) = (line for line in figure.axes[1].get_lines() if line.get_linestyle() == "--")
    known = dashed.get_ydata()
    assert np.isnan(known[rise <= 0.1]).all()
    assert known[-1] == pytest.approx(0.6)
    (alone,) = (axes for axes in draw_figure(sign, "margins-norms").axes[1:])
    assert alone.get_ylabel() == r"margin in $\ell_\infty$"
    with pytest.raises(BadInput, match=r"another norm than ℓ2; measures\.norms asks for them"):
        draw_figure(runs, "margins-norms")
    sign.close()
    l1.close()


def test_figures_of_one_run_say_why(runs):
    for name, kind in FIGURES.items():
        assert (kind.several is None) == bool(kind.alone)
        assert kind.draw is not None or kind.several is not None
        if kind.several is None:
            with pytest.raises(BadInput, match=f"figure '{name}' is of one run, and 2 were given"):
                draw_figure(runs, name)


def test_there_are_no_more_colours(runs):
    with pytest.raises(BadInput, match=f"colours for {MOST_RUNS} runs, and {MOST_RUNS + 1}"):
        draw_figure([runs[0]] * (MOST_RUNS + 1), "risk")


def test_legends_of_long_names_stay_on_the_page(tmp_path):
    readers = [recorded(tmp_path, f"{k}{'very-long-' * 5}") for k in range(3)]
    figure = draw_figure(readers, "risk")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    box = axes.get_legend().get_window_extent()
    assert box.x1 <= figure.bbox.x1
    assert box.y0 >= axes.get_window_extent().y1 - 1
    for reader in readers:
        reader.close()
