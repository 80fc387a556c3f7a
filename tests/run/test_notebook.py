"""What a notebook gets: a run by its name, tables that are safe to show, figures, progress in its place."""

from __future__ import annotations

import sys
from types import ModuleType

import h5py
import pytest
import rich.console
from cases import finished, small
from html_cells import Cells
from matplotlib.figure import Figure

import workbench
from workbench.errors import BadInput
from workbench.run.session import Session
from workbench.run.stored import StoredRun

QUICK = ("train.steps=100", "device.engine='eager'")
HOSTILE = "<script>alert(1)</script> & \x1b[31m"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("runs"), *QUICK, "name='first'").folder


def test_a_run_opens_by_what_commands_call_it(run, monkeypatch):
    for reference in (run.name, run.name[:-2], "first", str(run), run / "run.h5", "last"):
        with workbench.open(reference, run.parent) as found:
            assert found.folder == run
            assert found.last_step == 100
    monkeypatch.setenv("WORKBENCH_RUNS", str(run.parent))
    assert workbench.open().folder == run
    with pytest.raises(BadInput, match=r"unknown run 'frist'.*first"):
        workbench.open("frist")


def test_a_stored_run_shows_its_configuration_last_values_and_saddles(run):
    with StoredRun(run) as found:
        tables = Cells(found._repr_html_()).tables
        risk = found.reader.read("log_risk")[-1] / 2.302585092994046
        events = [e.text for e in found.reader.events() if e.kind == "saddle"]
    assert "step 100 of 100" in "".join(tables[""])
    assert "two-layer-relu, width = 6" in tables["configuration"]
    assert "constant, lr = 0.005, steps = 100" in tables["configuration"]
    values = tables["last values"]
    assert float(values[values.index("log10 risk") + 1]) == pytest.approx(risk, rel=1e-4)
    assert len(events) == 1
    assert events[0] in tables["saddles"]


def test_what_somebody_wrote_into_a_run_is_text(tmp_path):
    folder = finished(tmp_path, *QUICK).folder
    with h5py.File(folder / "run.h5", "r+") as file:
        file["events/text"][1] = HOSTILE.encode()
        del file.attrs["name"], file.attrs["attributes_crc32"]
        file.attrs["name"] = HOSTILE
    page = StoredRun(folder)._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp;") == 2
    Cells(page)


def test_a_run_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "run.h5").write_bytes(b"no HDF5")
    assert "run.h5" in "".join(Cells(StoredRun(tmp_path / "gone")._repr_html_()).tables[""])


def test_figures_are_those_of_plot(run):
    with StoredRun(run) as found:
        figure = found.figure("norms", size="page", log_x=True)
        with pytest.raises(BadInput, match=r"unknown figure 'risks'.*risk"):
            found.figure("risks")
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_xscale() == "log"
    assert figure.get_figwidth() == pytest.approx(7.0)


@pytest.fixture
def notebook(monkeypatch):
    """IPython as far as a notebook shows anything by it; returns the pages shown, in order."""
    pages = []

    class Handle:
        def update(self, shown):
            pages.append(shown._repr_html_())

    def display(shown, *, display_id):
        assert display_id is True
        pages.append(shown._repr_html_())
        return Handle()

    module = ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    return pages


def test_a_session_shows_its_progress_in_the_place_of_one_cell(tmp_path, notebook, capfd):
    with Session.create(small(*QUICK), tmp_path) as session:
        assert "starting, step 0 of 100" in "".join(Cells(session._repr_html_()).tables[""])
        session.watch(every=0.01)
        assert isinstance(session.figure("risk"), Figure)
    tables = Cells(notebook[-1]).tables
    assert "done, step 100 of 100" in "".join(tables[""])
    assert 'value="100" max="100"' in notebook[-1]
    assert "log10 risk" in tables["last values"]
    assert len(tables["saddles"]) > 1
    assert len(notebook) >= 2
    assert capfd.readouterr() == ("", "")


def test_watching_ends_where_a_run_waits_for_somebody(tmp_path, notebook):
    with Session.create(small(*QUICK, "pause.at=[50]"), tmp_path, attended=True) as session:
        session.watch(every=0.01)
        assert session.engine.state.step == 50
        assert "paused, step 50 of 100" in "".join(Cells(notebook[-1]).tables[""])
