"""docs/files.md says what a file holds: its series, tables and attributes, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
from cases import finished

from workbench.record.reader import RunReader
from workbench.record.schema import SERIES
from workbench.record.tables import TABLES, columns_of
from workbench.run.forking import ForkPush
from workbench.run.session import Session

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
HINT = "docs/files.md is not what the code says; python docs/make_file_tables.py writes its tables"


def rows_between(name: str) -> list[list[str]]:
    """The cells of a marked table's lines, without its head."""
    text = PAGE.split(f"<!-- {name} -->\n")[1].split(f"<!-- end of {name} -->")[0]
    lines = [line.removeprefix("| ").removesuffix(" |") for line in text.splitlines()[2:]]
    return [[re.sub(r"\\([|<])", r"\1", cell) for cell in line.split(" | ")] for line in lines]


def test_every_series_with_its_axes_units_meaning_and_source():
    found = {cells[0].strip("`"): cells[1:] for cells in rows_between("series")}
    expected = {
        name: [", ".join(("step", *spec.dims)), spec.units, spec.long_name, spec.source]
        for name, spec in SERIES.items()
    }
    assert found == expected, HINT
    assert list(found) == list(expected), HINT


def test_every_column_of_the_inspections():
    for table in TABLES:
        expected = [[f"`{c.name}`", c.units, c.long_name, c.source] for c in columns_of(table, 1)]
        assert rows_between(table) == expected, HINT


def test_every_attribute_of_the_file_and_no_other(tmp_path):
    run = finished(tmp_path, "train.steps=20")
    push = ForkPush(0, "1e-3 neuron 1")
    fork = Session.fork(run.folder, 20, tmp_path, settings=["train.steps=30"], push=push)
    fork.close()
    with h5py.File(fork.folder / "run.h5") as file:
        attributes, groups = set(file.attrs), set(file)
    table = PAGE.split("| attribute of the file | what |")[1].split("\n\n")[0]
    told = {
        name
        for line in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
    }
    assert told == attributes
    assert set(re.findall(r"^    /(\w+)", PAGE.split("| attribute")[0], re.M)) == groups


def test_a_file_says_the_same_of_its_series_as_the_page(tmp_path):
    run = finished(tmp_path, "train.steps=20", "loss.kind=exponential")
    page = {cells[0].strip("`"): cells[1:] for cells in rows_between("series")}
    with RunReader(run.folder) as reader:
        for name in set(reader.series_names()) - {"step"}:
            spec = reader.spec(name)
            axes = ", ".join(("step", *spec.dims))
            assert [axes, spec.units, spec.long_name, spec.source] == page[name], name
