"""The figure of rates: the run's own numbers, and LL20 Theorem 4.3 through its end where it applies."""

from __future__ import annotations

import numpy as np
import pytest

from tests.record import sample_run
from workbench.errors import BadInput
from workbench.figures import draw_figure
from workbench.protocol.status import RunStatus
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore

T = 40
S = np.geomspace(2.0, 2000.0, T)
HEIGHT = S + np.log(S)
"""−log 𝓛 of the law itself for L = 2."""


def recorded(folder, loss="exponential", order=2.0, **left_out):
    values = {
        "step": np.arange(T),
        "time_log": S,
        "log_risk": -HEIGHT,
        "rho": np.sqrt(HEIGHT / 0.3),
    }
    values = {k: v for k, v in values.items() if k not in left_out}
    folder.mkdir()
    config = f'[loss]\nkind = "{loss}"\nreduction = "sum"\n'
    store = RunStore.create(
        folder,
        attributes={**sample_run.ATTRIBUTES, "config": config, "homogeneity": order},
        x=np.ones((3, 2)),
        y=np.ones(3),
        series=[SeriesLayout(k) for k in values if k != "step"],
        coordinates={},
    )
    store.append(values)
    store.finish(RunStatus.FINISHED)
    return folder


def lines(folder):
    """Every panel's curves (x, y)."""
    with RunReader(folder) as reader:
        figure = draw_figure(reader, "rates")
    return [
        [np.column_stack(line.get_data()).astype(float) for line in axes.get_lines()]
        for axes in figure.axes
    ]


def test_the_law_lies_under_its_own_theorem(tmp_path):
    risk, beside, norm = lines(recorded(tmp_path / "law"))
    for curve in (*risk, *beside, *norm):
        assert np.allclose(curve[:, 0], S)
    assert np.allclose(risk[0][:, 1], HEIGHT)
    assert np.allclose(risk[1][:, 1], HEIGHT)
    assert np.allclose(beside[1][:, 1], np.log(S))
    assert np.allclose(norm[0][:, 1], np.sqrt(HEIGHT / 0.3))
    # (log T)^{1/2} through the end.
    assert np.allclose(norm[1][:, 1], norm[0][-1, 1] * np.sqrt(S / S[-1]))


@pytest.mark.parametrize(("loss", "order"), [("square", 2.0), ("exponential", float("nan"))])
def test_no_theorem_where_none_applies(tmp_path, loss, order):
    panels = lines(recorded(tmp_path / "other", loss, order))
    assert [len(curves) for curves in panels] == [1, 1, 1]


def test_without_norms_or_times(tmp_path):
    assert [len(c) for c in lines(recorded(tmp_path / "norms", rho=None))] == [1, 1]
    with pytest.raises(BadInput, match="'rates' cannot be drawn"):
        lines(recorded(tmp_path / "times", time_log=None))
