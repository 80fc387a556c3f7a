"""Texts that a stored run says, and its folder's name, never write on the terminal."""

from __future__ import annotations

import os
import shutil
import unicodedata

import h5py
import numpy as np
import pytest
from cases import finished
from typer.testing import CliRunner

from commands import main
from workbench.errors import WorkbenchError
from workbench.record.seal import CHECKSUM
from workbench.tui.browse.scan import scan_runs

EVIL = "\x1b]0;gotcha\x07\x1b[2Ja\r\nb\x9b1m\u202ec\u2066d\x7f"


def harmed(folder):
    """Put control characters into every text of a run's file."""
    with h5py.File(folder / "run.h5", "r+") as file:
        for name in (
            "run_id",
            "name",
            "preset",
            "device",
            "dtype",
            "torch",
            "engine",
            "loss",
            "created",
        ):
            file.attrs[name] = EVIL
        del file.attrs[CHECKSUM]
        for dataset in file["series"].values():
            if "units" in dataset.attrs:
                for key in ("units", "long_name", "source"):
                    dataset.attrs[key] = EVIL
                dataset.attrs.pop(CHECKSUM, None)
        for name in ("kind", "text"):
            column = file[f"events/{name}"]
            texts = np.empty(column.shape, column.dtype)
            texts[:] = EVIL.encode()[: column.dtype.itemsize]
            column[:] = texts
        file["series"].create_dataset(
            "x" + EVIL.replace("/", ""), data=np.ones(3), maxshape=(None,)
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A runs folder with a run whose texts and name are made to write on the terminal."""
    place = tmp_path_factory.mktemp("texts")
    folder = finished(place / "new", "train.steps=20").folder
    name = os.fsencode(folder.name) + b"\x1b[31m\xff\xe2\x80\xae"
    target = os.path.join(os.fsencode(place), b"runs", name)
    shutil.copytree(os.fsencode(folder), target)
    evil = place / "runs" / os.fsdecode(name)
    harmed(evil)
    return evil.parent


COMMANDS = (
    ["list"],
    ["show", "last"],
    ["inspect", "last"],
    ["optimal", "last"],
    ["robustness", "last"],
    ["table", "last"],
    ["export", "last", "--to", "{out}/a.csv"],
    ["plot", "last", "--figure", "risk", "-o", "{out}/a.png"],
    ["fork", "last", "--at", "7", "--headless"],
    ["resume", "last", "--headless"],
    ["show", "no-such-run"],
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_no_command_writes_on_the_terminal(runs, tmp_path, words):
    words = [word.format(out=tmp_path) for word in words]
    done = CliRunner().invoke(main.app, [*words, "--runs-dir", str(runs)])
    assert done.exception is None or isinstance(done.exception, WorkbenchError | SystemExit)
    said = done.output + str(done.exception or "")
    assert said.strip()
    for line in said.split("\n"):
        kinds = {unicodedata.category(c) for c in line}
        assert not kinds & {"Cc", "Cf", "Cs"}, ascii(line)


def test_browse_has_no_control_characters(runs):
    (change,) = scan_runs(runs, {})
    summary = change.known.summary
    texts = [summary.run_id, summary.name, summary.preset, summary.created, summary.loss]
    assert all(text.isprintable() for text in texts)
